"""Command-line options generated from settings, so that every setting is declared once."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, get_type_hints

import typer

from debias_pt.settings import SPLITS, choices
from debias_pt.utils.typed import Kind, kinds

# Typer looks into every function that completes: not where nobody asks for it.
COMPLETING = "_DEBIAS_PT_COMPLETE" in os.environ


def dataset_names() -> list[str]:
    """Return the data sets that have a name, for the shell to complete."""
    from debias_pt.datasets import DATASETS

    return list(DATASETS)


def split_names() -> list[str]:
    """Return the splits, for the shell to complete."""
    return list(SPLITS)


DatasetName = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="Data set by name (debias-pt data list), or path (or s3://...) of a folder, a table or tar shards.",
        show_default=False,
        autocompletion=dataset_names,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]

Engine = Annotated[
    str | None, typer.Option(help="ray or ray:ADDRESS computes on a Ray cluster (docs/scale.md).", show_default=False)
]


def require_engine(engine: str) -> None:
    """Refuse an engine that cannot be used, before anything slow."""
    from debias_pt.cluster.join import check_engine

    check_engine(engine)


def names_in(text: str) -> list[str]:
    """Return the names in a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


Command = Callable[..., None]


def with_settings(
    kind: type, *, without: tuple[str, ...] = (), preset: Mapping[str, Any] = MappingProxyType({})
) -> Callable[[Command], Command]:
    """Give a command one option per setting; it receives the ones that were typed as ``given``.

    An option left out is left to the preset, the settings file or the default, in that order; help shows the `preset`.
    """

    def decorate(command: Command) -> Command:
        own = [p for p in inspect.signature(command).parameters.values() if p.name != "given"]
        hints = get_type_hints(command, include_extras=True)
        declared = kinds(kind)
        fields = [field for field in dataclasses.fields(kind) if field.name not in without]
        made = [_parameter(field, declared[field.name]) for field in fields]

        def run(**arguments: Any) -> None:
            given = {p.name: arguments.pop(p.name) for p in made}
            command(**arguments, given={name: value for name, value in given.items() if value not in (None, [])})

        run.__doc__ = command.__doc__
        run.__name__ = command.__name__
        parameters = [p.replace(annotation=hints[p.name], kind=p.KEYWORD_ONLY) for p in own]
        run.__signature__ = inspect.Signature([*parameters, *made])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*parameters, *made)}
        run.settings = {field.name: (field, preset.get(field.name, field.default)) for field in fields}  # type: ignore[attr-defined]
        return run

    return decorate


def _parameter(field: dataclasses.Field[Any], declared: Kind) -> inspect.Parameter:
    """Return a command's parameter for a setting; :class:`SettingsCommand` shows its choices and default."""
    flag = f"--{field.name.replace('_', '-')}"
    base: Any = list[str] if declared.base is tuple else declared.base
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if base is bool else flag,
        help=field.metadata["help"],
        show_default=False,
        rich_help_panel=field.metadata["section"],
        autocompletion=(lambda: list(choices(field))) if COMPLETING and field.metadata["choices"] else None,
    )
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[base | None, option]
    )
