"""Promises: whatever a text holds, it is shown and not interpreted; a page asks for nothing from elsewhere; every
chart has a table; what is long is folded, and nothing of it is lost."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.groups.metrics import GroupReport
from debias_pt.pages.blocks import (
    Bar,
    BarChart,
    Charts,
    Code,
    Facts,
    Gallery,
    Line,
    LineChart,
    Listing,
    Number,
    Page,
    Paragraph,
    Picture,
    Section,
    Table,
)
from debias_pt.pages.charts import draw, ticks
from debias_pt.pages.render import fragment, html
from debias_pt.pages.text import named
from tests.helpers.report_case import Parsed


def page_of(text: str) -> Page:
    table = Table(text, [text, text], [[text, Number(text, 0.5)]])
    line = LineChart(text, text, [Line(text, [0, 1], [0.5, None])], table, 0.5, text)
    blocks = [
        Paragraph(text), Listing([text]), Code(text), Facts([(text, text)]), table, Charts([line]),
        BarChart(text, [Bar(text, 0.5, (0.2, 0.7), 0.1, text)], table, text, text),
        Gallery(text, [Picture("", text, text), Picture("data:,", text, text, True)]),
    ]  # fmt: skip
    return Page(text, text, [Paragraph(text, "lead")], [Section(text, blocks)], text)


PLAIN = Parsed(html(page_of("cat")))


@given(st.text(min_size=1))
def test_a_text_is_never_markup(text: str) -> None:
    parsed = Parsed(html(page_of(text)))
    assert parsed.tags == PLAIN.tags
    assert [one[:2] for one in parsed.attributes] == [one[:2] for one in PLAIN.attributes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\"'><img src=x onerror=alert(1)>", "\"'><img src=x onerror=alert(1)>"),
        ("red \x1b[31m", r"red \x1b[31m"),
        ("nul \x00", r"nul \x00"),
        ("turned \u202e round", r"turned \u202e round"),
        ("not UTF-8 \udc80", r"not UTF-8 \udc80"),
        ("{{ 7 * 7 }} {% raw %}", "{{ 7 * 7 }} {% raw %}"),
    ],
)
def test_it_is_shown_as_it_is(text: str, expected: str) -> None:
    written = html(page_of(text)).encode()  # what is no character would fail here
    parsed = Parsed(written.decode())
    assert parsed.texts.count(expected) > 10
    assert ("img", "alt", expected) in parsed.attributes


def test_words_from_right_to_left_leave_the_sentence_in_order() -> None:
    assert named("עוף") == "\u2068עוף\u2069"
    assert named("\u2069\u2069 עוף").count("\u2069") == 1  # it cannot close what it did not open


def test_a_page_asks_for_nothing_from_elsewhere() -> None:
    text = html(page_of("cat"))
    assert "script" not in PLAIN.tags
    places = [value for _, name, value in PLAIN.attributes if name in ("src", "href")]
    assert places
    assert all(place.startswith(("data:", "#")) for place in places)
    assert "url(" not in text
    assert "@import" not in text


def test_every_chart_has_a_table_and_every_picture_an_alternative() -> None:
    assert PLAIN.tags.count("table") == 3  # of the table, the line chart and the bar chart
    roles = [value for tag, name, value in PLAIN.attributes if (name, value) == ("role", "img")]
    assert len(roles) == 2
    assert ("div", "aria-label", "cat: cat 50 %") in PLAIN.attributes
    assert ("img", "alt", "cat") in PLAIN.attributes


def test_what_is_long_is_folded_and_nothing_is_lost() -> None:
    rows = [[f"row {i}", Number(str(i), i)] for i in range(1000)]
    parsed = Parsed(fragment(Table("long", ["row", "n"], rows)))
    assert parsed.tags.count("table") == 2
    assert parsed.tags.count("details") == 1
    assert parsed.numbers == set(range(1000))
    assert "Show the other 988 rows" in parsed.texts
    bars = [Bar(f"bar {i}", 0.5) for i in range(1000)]
    parsed = Parsed(fragment(BarChart("many", bars, Table("long", ["row", "n"], rows))))
    assert parsed.tags.count("rect") == 200
    assert "Show 188 more (the other 800 stand in the table only)" in parsed.texts
    assert Parsed(fragment(Table("short", ["row", "n"], rows[:16]))).tags.count("details") == 0


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_and_within(low: float, span: float) -> None:
    if low + span <= low + 1e-9 * abs(low):
        return
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 6
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in found)


@given(st.lists(st.one_of(st.none(), st.floats(-1e3, 1e3)), min_size=1, max_size=300))
def test_lines_stay_inside_the_drawing(values: list[float | None]) -> None:
    chart = LineChart("t", "step", [Line("a", list(range(len(values))), values)], Table("", ["a"], []))
    drawing = draw(chart)
    places = [tuple(map(float, pair.split(","))) for piece in drawing.strokes[0].pieces for pair in piece.split()]
    assert len(places) <= 100
    assert all(drawing.left <= x <= drawing.right and drawing.top <= y <= drawing.bottom for x, y in places)
    if len(values) <= 100:
        assert len(places) == sum(value is not None for value in values)


def test_a_group_report_shows_itself() -> None:
    labels = (("<b>cat</b>", "in"), ("<b>cat</b>", "out"))
    report = GroupReport(np.array([[9, 4]]), np.array([10, 10]), np.array([5, 5]), labels, "true", (0,))
    parsed = Parsed(report._repr_html_())
    assert parsed.numbers == {0.9, 0.4}
    assert "b" not in parsed.tags
    assert "<b>cat</b>, out" in parsed.texts


def test_pages_are_light() -> None:
    code = "import sys\nimport debias_pt.pages.render\nprint(*[n for n in ('torch', 'numpy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


def test_the_style_has_one_accent_colour() -> None:
    style = re.search(r"<style>(.*?)</style>", html(page_of("cat")), re.DOTALL)
    assert style
    colours = set(re.findall(r"#[0-9a-f]{3,6}", style[1]))
    coloured = [c for c in colours if len(c) == 7 and max(_channels(c)) - min(_channels(c)) > 40]
    assert coloured == ["#9c2a1b"]


def _channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
