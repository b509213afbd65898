"""Names of the public API in docstrings become links: `Tuner`, :class:`Tuner`, `Groups.true`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
ROLE = re.compile(r":(?:class|func|meth|attr|data|mod|exc):`~?([\w.]+)`")
NAME = re.compile(r"(?<![`\[\w])`([A-Za-z_][\w.]*)`(?!`)")


def documented() -> dict[str, str]:
    """Return each public name, and with its class, and the path that the API reference documents it under."""
    paths = [
        path for page in REFERENCE.glob("*.md") for path in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.M)
    ]
    return {path.rpartition(".")[2]: path for path in paths} | {path: path for path in paths}


class Crosslinks(griffe.Extension):
    """Turn names in docstrings into links before the page is written."""

    def __init__(self) -> None:
        self.known = documented()

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Walk a package that was read."""
        self._walk(pkg)

    def _walk(self, item: griffe.Object) -> None:
        if item.docstring:
            item.docstring.value = self._linked(item.docstring.value, item)
        for member in item.members.values():
            if not member.is_alias:
                self._walk(member)  # type: ignore[arg-type]

    def _linked(self, text: str, item: griffe.Object) -> str:
        def link(match: re.Match[str]) -> str:
            path = self._path(match[1], item)
            return f"[`{match[1]}`][{path}]" if path else f"`{match[1]}`"

        return NAME.sub(link, ROLE.sub(r"`\1`", text))

    def _path(self, name: str, item: griffe.Object) -> str | None:
        owner, _, member = name.rpartition(".")
        if name in self.known:
            return None if name == item.name else self.known[name]
        if owner in self.known and member.islower() and not member.startswith("_"):
            found = item.modules_collection[self.known[owner]]
            return f"{self.known[owner]}.{member}" if member in found.members else None
        return None
