"""Pages as files."""

from __future__ import annotations

from pathlib import Path

from debias_pt.errors import UsageError
from debias_pt.pages.blocks import Page
from debias_pt.pages.render import html
from debias_pt.utils.files import make_folder, require_writable, write_text

ENDINGS = (".html", ".htm")


def require_page(file: Path, option: str) -> None:
    """Refuse a file name that no page has, or that cannot be written, before anything is computed.

    Raises
    ------
    UsageError
        If it does not end in .html or .htm.
    OutputError
        If it cannot be written.
    """
    if file.suffix.lower() not in ENDINGS:
        raise UsageError(f"{file}: ends in {file.suffix or 'nothing'!r}; a page is a .html file: give it such a name")
    require_writable(file, option)


def write_page(file: Path, page: Page) -> None:
    """Write a page atomically; its folder is created."""
    make_folder(file.parent)
    write_text(file, html(page))
