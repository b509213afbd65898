"""``debias-pt discover``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import DataSettings

from .encode import PROBE_ONLY
from .format import say
from .options import DatasetName, Json, with_settings

UNNAMED = 3  # as many as the page shows


@with_settings(DataSettings, without=("dataset", "probe", *PROBE_ONLY))
def discover(
    dataset: DatasetName,
    vocabulary: Annotated[
        str | None,
        typer.Option(help="File of attributes to try, one a line, instead of the built-in ones; +FILE adds to them."),
    ] = None,
    html: Annotated[str | None, typer.Option("--html", help="Write a page with example images to this file.")] = None,
    as_json: Json = False,
    *,
    given: dict[str, Any],
) -> None:
    """Find what a model leans on, without naming it: attributes that errors carry and that the images show."""
    from debias_pt.settings import resolve

    settings = resolve(DataSettings, given, {"dataset": dataset})  # wrong words are refused before torch comes

    from debias_pt.workflows.discovery.run import discover as job

    from .format import print_json

    result = job(settings, vocabulary=vocabulary, html_path=html)
    print_json(result) if as_json else print_discovery(result)


def print_discovery(result: dict[str, Any]) -> None:
    """Print the result of ``discover``."""
    from debias_pt.utils.words import counted

    from .format import data_name, print_table
    from .output import print_guard

    say(
        f"{data_name(result)}, {result['model']}: cross-fitted heads get {result['head_errors']} of "
        f"{counted(result['images'], 'training image')} wrong"
    )
    if not result["found"]:
        say(f"nothing named: {result['reason']}")
    else:
        print_table(
            ["suspected attribute", "goes with", "score", "errors explained, %", "found again, %"],
            [_row(one) for one in result["found"]],
        )
    for one in result["found"]:
        print_guard({"guard": {"attributes": {one["name"]: one["guard"]}}})
        say(f'  --attribute "{one["attribute"]}"')
    for one in result["unnamed"][:UNNAMED]:
        say(
            f"without a name: {counted(one['errors'], 'image')} of {one['label']!r} taken for {one['predicted']!r} "
            f"differ from the others by {one['effect']:.1f} standard deviations ({_where(result)})"
        )
    if len(result["unnamed"]) > UNNAMED:
        say(f"without a name: {len(result['unnamed']) - UNNAMED} more, all in --json")
    if result["words"]:
        say(_tried(result["words"]))
    if result["html"]:
        say(f"written: {result['html']}")


def _where(result: dict[str, Any]) -> str:
    return f"images of either side: {result['html']}" if result["html"] else "--html FILE shows images of either side"


def _tried(words: dict[str, Any]) -> str:
    from debias_pt.utils.words import counted, first_of

    aside, replaced = words["set_aside"], words["replaced"]
    parts = [
        f"{counted(words['tried'], 'attribute')} tried ({words['source']}), against {words['everyday']} everyday words",
        f"{counted(words['unread'], 'phrase')} never read by the model, {words['repeated']} repeated",
        f"{len(aside)} set aside as near the class names ({first_of(aside)})" if aside else "",
        f"in place of built-in ones: {first_of(replaced)}" if replaced else "",
    ]
    return "; ".join(part for part in parts if part)


def _row(one: dict[str, Any]) -> list[str]:
    from debias_pt.utils.words import first_of, percent

    from .format import interval

    goes = "; ".join(f"{value}: {first_of(names, 3)}" for value, names in one["classes"].items() if names)
    return [
        one["name"],
        goes,
        f"{one['score']:.2f}",
        f"{percent(one['explained'])} ({interval(one['explained_interval'])})",
        percent(one["found_again"]),
    ]
