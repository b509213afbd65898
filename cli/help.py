"""Help by headings: the common options first, in one column, each with its choices and its default."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from typing import Any

from typer.core import TyperCommand

from debias_pt.settings import RUN, SECTIONS, choices

# Newer versions of typer show types as Python writes them.
VALUES = {"<str>": "TEXT", "<list[str]>": "TEXT", "<int>": "INTEGER", "<int range>": "INTEGER", "<float>": "FLOAT"}
COLUMN = 26  # characters of an option's name and value; longer ones get a line of their own


class SettingsCommand(TyperCommand):
    """A command that shows its settings under their headings, and its own options where they belong."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write plain help, where older versions of typer would draw boxes."""
        for write in (self.format_usage, self.format_help_text, self.format_options, self.format_epilog):
            write(ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the pieces of the usage line; newer versions of typer put braces around what must be given."""
        return [_argument(piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options; names that a registry knows are looked up here, and only here."""
        settings = getattr(self.callback, "settings", {})
        headings: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:  # hidden
                continue
            names, text = record
            if parameter.param_type_name == "argument":
                heading, names = "Arguments", _argument(names)
            else:
                heading = getattr(parameter, "rich_help_panel", None) or (RUN if settings else "Options")
            if parameter.name in settings:
                text += _known(*settings[parameter.name])
            headings.setdefault(heading, []).append((_short(names), re.sub(r" +\\?\[", " [", text)))
        for heading in sorted(headings, key=lambda name: SECTIONS.index(name) if name in SECTIONS else -1):
            if headings[heading]:
                with formatter.section(heading):
                    _write(formatter, headings[heading])


def _argument(piece: str) -> str:
    """Return ``RUN`` for ``{run} <str>``."""
    return piece.partition(" <")[0].strip("{}").replace("...}", "").upper()


def _known(setting: dataclasses.Field[Any], default: object) -> str:
    """Return a setting's choices and default, in brackets."""
    known = f"one of {', '.join(choices(setting))}" if setting.metadata["choices"] else ""
    shown = "on" if default is True else default
    parts = "; ".join(filter(None, (known, "" if shown in (None, ()) or shown is False else f"default: {shown}")))
    return f" [{parts}]" if parts else ""


def _short(names: str) -> str:
    """Return ``--[no-]draft`` for ``--draft / --no-draft``, and what a value is in one word."""
    for name, value in VALUES.items():
        names = names.replace(name, value)
    on, _, off = names.partition(" / ")
    return f"--[no-]{on[2:]}" if off == f"--no-{on[2:]}" else names


def _write(formatter: Any, rows: list[tuple[str, str]]) -> None:
    """Write a definition list: unlike the formatter's own, one column throughout, no name broken at a hyphen."""
    margin = " " * formatter.current_indent
    for names, text in rows:
        first = f"{margin}{names:<{COLUMN}}  "
        if len(names) > COLUMN:
            formatter.write(f"{margin}{names}\n")
            first = " " * len(f"{margin}{'':<{COLUMN}}  ")
        filled = textwrap.fill(
            text,
            formatter.width,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_on_hyphens=False,
            break_long_words=False,
        )
        formatter.write(f"{filled}\n")
