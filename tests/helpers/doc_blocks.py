"""The code blocks of the documentation, fenced or indented, with the reason why one is not run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
FENCED = re.compile(
    r"(?:<!-- (?:checked, not run: (?P<reason>[^\n]+?)|[^\n]*?) -->\n)?^```(?P<lang>\w*)\n(?P<code>.*?)^```",
    re.M | re.S,
)
INDENTED = re.compile(r"(?<=\n\n)(?P<code>(?:    (?:debias-pt|python -m|pip) .*\n(?:    .*\n)*))")


@dataclass(frozen=True)
class Block:
    """One block of a page."""

    page: str
    lang: str
    code: str
    reason: str | None


def blocks(page: Path) -> list[Block]:
    """Return a page's blocks in their order."""
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(DOCS).as_posix()
    found = [(m.start(), Block(name, m["lang"], m["code"], m["reason"])) for m in FENCED.finditer(text)]
    bare = FENCED.sub(lambda m: "x" * len(m[0]), text)
    plain = [
        (m.start(), Block(name, "bash", re.sub(r"^    ", "", m["code"], flags=re.M), None))
        for m in INDENTED.finditer(bare)
    ]
    return [block for _, block in sorted(found + plain, key=lambda one: one[0])]


def commands(code: str) -> list[str]:
    """Return a shell block's commands, each on one line, without comments."""
    lines = re.sub(r"\\\n\s*", " ", code).splitlines()
    return [line for line in (re.sub(r"(^|\s)# .*", "", line).strip() for line in lines) if line]
