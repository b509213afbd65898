"""Command-line options made from settings, so that every setting is declared once."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

DatasetName = Annotated[
    str,
    typer.Argument(
        help="Data set by name (debias-pt data list), or path of a folder or table of images.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def names_in(text: str) -> list[str]:
    """Return names that were typed joined by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def with_settings(kind: type, *, without: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per setting; it receives those that were given as ``given``.

    An option left out is left to the preset, the settings file or the default, in that order.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command).parameters.values() if p.name != "given"]
        hints = get_type_hints(command, include_extras=True)
        made = [_parameter(field) for field in dataclasses.fields(kind) if field.name not in without]

        def run(**arguments: Any) -> None:
            given = {p.name: arguments.pop(p.name) for p in made}
            command(**arguments, given={name: value for name, value in given.items() if value not in (None, [])})

        run.__doc__ = command.__doc__
        run.__name__ = command.__name__
        parameters = [p.replace(annotation=hints[p.name], kind=p.KEYWORD_ONLY) for p in own]
        run.__signature__ = inspect.Signature([*parameters, *made])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*parameters, *made)}
        return run

    return decorate


def _parameter(field: dataclasses.Field[Any]) -> inspect.Parameter:
    declared = str(field.type)
    base = {"str": str, "int": int, "float": float, "bool": bool, "tuple": list[str]}[
        declared.split("[")[0].split(" ")[0]
    ]
    text = field.metadata["help"]
    shown = "" if field.default in (None, (), False, True) else f" [default: {field.default}]"
    flag = f"--{field.name.replace('_', '-')}"
    if base is bool:
        flag = f"{flag}/--no-{flag[2:]}"
    option = typer.Option(flag, help=text + shown, show_default=False)
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[base | None, option]
    )
