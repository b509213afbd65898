"""``debias-pt discover``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from debias_pt.settings import DataSettings

from .encode import PROBE_ONLY
from .format import say
from .options import DatasetName, Json, with_settings


@with_settings(DataSettings, without=("dataset", "probe", *PROBE_ONLY))
def discover(
    dataset: DatasetName,
    vocabulary: Annotated[
        str | None,
        typer.Option(help="File of words, one per line, instead of the built-in ones; +FILE adds to them."),
    ] = None,
    html: Annotated[str | None, typer.Option("--html", help="Write a page with example images to this file.")] = None,
    as_json: Json = False,
    *,
    given: dict[str, Any],
) -> None:
    """Find what a model leans on, without naming it: attributes in words that explain errors."""
    from debias_pt.settings import resolve

    settings = resolve(DataSettings, given, {"dataset": dataset})  # wrong words are refused before torch comes

    from debias_pt.workflows.discovery.run import discover as job

    from .format import print_json

    result = job(settings, vocabulary=vocabulary, html_path=html)
    print_json(result) if as_json else print_discovery(result)


def print_discovery(result: dict[str, Any]) -> None:
    """Print the result of ``discover``."""
    from debias_pt.utils.words import counted, first_of

    from .format import data_name, print_table
    from .output import print_guard

    say(
        f"{data_name(result)}, {result['model']}: cross-fitted heads get {result['head_errors']} of "
        f"{counted(result['images'], 'training image')} wrong"
    )
    if not result["found"]:
        say(f"nothing found: {result['reason']}")
    else:
        print_table(
            ["suspected attribute", "goes with", "score", "errors explained, %"], [_row(one) for one in result["found"]]
        )
    for one in result["found"]:
        print_guard({"guard": {"attributes": {one["name"]: one["guard"]}}})
        say(f'  --attribute "{one["attribute"]}"')
    for one in result["unnamed"]:
        near = (
            f"; nearest word {one['nearest_word']!r}, correlation {one['correlation']:.2f}"
            if one["nearest_word"]
            else ""
        )
        say(
            f"unnamed: {one['errors']} of {one['label']!r} taken for {one['predicted']!r} differ by "
            f"{one['effect']:.1f} standard deviations in a direction without a name{near} (--html shows images)"
        )
    words = result["words"]
    if words:
        ranked = ", ".join(one["word"] for one in words["ranked"][:10])
        say(f"words that errors carry: {ranked}" if ranked else "no word left to score")
        left = [
            f"{words[name]} {text}" for name, text in (("unread", "never read by the model"), ("repeated", "repeated"))
        ]
        aside = words["set_aside"]
        near = f"; {len(aside)} set aside as near the class names ({first_of(aside)})" if aside else ""
        say(f"{words['scored']} words scored ({words['source']}); {', '.join(left)}{near}")
    if result["html"]:
        say(f"written: {result['html']}")


def _row(one: dict[str, Any]) -> list[str]:
    from debias_pt.utils.words import first_of, percent

    from .format import interval

    goes = "; ".join(f"{value}: {first_of(names, 3)}" for value, names in one["classes"].items() if names)
    return [
        one["name"],
        goes,
        f"{one['score']:.2f}",
        f"{percent(one['explained'])} ({interval(one['explained_interval'])})",
    ]
