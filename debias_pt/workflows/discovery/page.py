"""A discovery as one HTML file: no script, no address of another site, pictures inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parent / "page.html"


def page(result: dict[str, Any], sheets: list[dict[str, Any]]) -> str:
    """Return the page of a result of ``debias-pt discover``; whatever is in names and paths is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda value: f"{100 * value:.0f} %"
    text: str = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(result=result, sheets=sheets)
    return text
