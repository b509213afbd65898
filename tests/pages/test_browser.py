"""Promises, in a real browser: a report opens from disk without an error or a request, with or without JavaScript;
nothing sticks out at three widths; axe finds no serious violation; it works by keyboard."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from debias_pt.pages.render import html
from debias_pt.reports.build import page
from tests.helpers.report_case import evidence_of

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("DEBIAS_PT_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
EVIL = ["<img src=http://x.invalid/a onerror=alert(1)>", "עוף מים", "a very long class name " * 8, "w" * 150]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip(f"no browser ({', '.join(NAMES)}, or its path in DEBIAS_PT_CHROMIUM)")
    with playwright.sync_playwright() as driver:
        try:
            started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"{CHROMIUM} does not start: {str(error).splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    cases = {"plain": (["landbird", "waterbird"], ["land", "water"], True), "evil": (EVIL, ["in", "<b>"], False)}
    found = {}
    for name, (classes, values, images) in cases.items():
        found[name] = folder / f"{name}.html"
        evidence = evidence_of(folder / name, classes, values, images=images, seeds=2)
        found[name].write_text(html(page([evidence])), encoding="utf-8")
    return found


@pytest.mark.parametrize("name", ["plain", "evil"])
@pytest.mark.parametrize("script", [True, False])
def test_it_opens_quietly_at_three_widths(browser: Any, pages: dict[str, Path], name: str, script: bool) -> None:
    said: list[str] = []
    context = browser.new_context(java_script_enabled=script)
    tab = context.new_page()
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("dialog", lambda dialog: said.append(dialog.message))
    tab.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)
    for width in (380, 800, 1280):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.goto(pages[name].as_uri())
        assert tab.locator("h1").is_visible()
        assert tab.locator("section").count() == 8
        if script:
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    context.close()


@pytest.mark.parametrize("name", ["plain", "evil"])
def test_axe_finds_nothing_serious(browser: Any, pages: dict[str, Path], name: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe: pip install axe-playwright-python"
    )
    context = browser.new_context(bypass_csp=True)  # axe is a script, which the page itself allows nobody
    tab = context.new_page()
    tab.goto(pages[name].as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = axe.Axe().run(tab).response
    assert len(found["passes"]) > 15
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    context.close()


def test_every_image_shows_and_has_words(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.new_page()
    tab.goto(pages["plain"].as_uri())
    images = tab.evaluate("[...document.images].map(one => [one.naturalWidth, one.alt])")
    assert images
    assert all(width > 0 and alt for width, alt in images)
    tab.close()


def test_it_works_by_keyboard(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.new_page()
    tab.goto(pages["plain"].as_uri())
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the report"
    folded = tab.locator("details.figures").first
    assert folded.get_attribute("open") is None
    folded.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert folded.locator("table").is_visible()
    tab.close()


def test_paper_shows_the_tables(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.new_page()
    tab.goto(pages["plain"].as_uri())
    tab.emulate_media(media="print")
    assert tab.locator("details.figures table").first.bounding_box()["height"] > 20
    assert not tab.locator("nav").is_visible()
    tab.close()
