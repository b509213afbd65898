"""The lines of docs/export.md that need no debias-pt."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
LINES = DOCS.split("<!-- open_clip -->\n```python\n")[1].split("```")[0]


def run_lines(folder: Path, image: Path) -> dict[str, Any]:
    """Run the lines of the document in a folder that holds an export, and return their variables."""
    shutil.copy(image, folder / "photo.jpg")
    names: dict[str, Any] = {}
    exec(LINES, names)
    return names
