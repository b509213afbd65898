"""From blocks to HTML: everything is escaped, and what cannot be shown is written out."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from debias_pt.pages.blocks import Block, Page
from debias_pt.pages.charts import draw
from debias_pt.pages.text import finalized


def html(page: Page) -> str:
    """Return a page as one HTML document."""
    return _environment().get_template("page.html").render(page=page)


def fragment(*blocks: Block) -> str:
    """Return blocks as HTML for a notebook, with their style."""
    return _environment().get_template("fragment.html").render(blocks=blocks)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("debias_pt.pages"),
        autoescape=True,
        finalize=finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (files("debias_pt.pages") / "templates" / "style.css").read_text(encoding="utf-8")
    environment.globals |= {"draw": draw, "style": Markup(style)}
    environment.tests["kind"] = lambda block, name: type(block).__name__ == name
    return environment
