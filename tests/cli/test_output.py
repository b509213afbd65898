"""Promises: a wide table is cut into parts that fit, with whole words and figures; a report names small and pseudo
groups for what they are, and one image is not "1 images"."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.cli import format, output, tables
from tests.helpers.printed_report import result

GROUPS = [
    f"{label}, {value}"
    for label in ("landbird", "waterbird")
    for value in ("land+small", "land+large", "water+small", "water+large")
]


@pytest.mark.parametrize("width", [80, 120])
def test_eight_groups_fit(width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(format, "WIDTH", width)
    methods = ["class-balanced", "dpt (oracle)"]
    format.print_table(["method", *GROUPS], [[name, *["96.7 ± 10.6"] * 8] for name in methods], title="by group")
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    parts = text.count("class-balanced ")
    assert parts == text.count("dpt (oracle) ") == 2
    assert text.count("96.7 ± 10.6") == 16
    for word in ("landbird,", "waterbird,", "land+small", "water+large"):
        assert word in text


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(20, 130))
def test_every_column_stands_in_one_part(sizes: list[int], width: int) -> None:
    columns = ["x" * size for size in sizes]
    parts = format.column_parts(columns, [], width)
    assert [i for part in parts for i in part if i] == list(range(1, len(columns)))
    assert all(part[0] == 0 for part in parts)
    for part in parts:  # what fits, and one column at least
        assert len(part) <= 2 or sum(sizes[i] + 3 for i in part) - 1 <= width


def test_a_report_by_pseudo_groups_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_report(result())
    text = capsys.readouterr().out
    assert "report by: class x place, PSEUDO: as the probe answers, nothing is annotated" in text
    assert "pseudo group" in text
    assert "cat, in (few!)" in text
    assert "dog, in (none!)" in text
    assert "worst pseudo group: cat, in (1 image: too few for a figure to rely on)" in text
    assert "step selection: last, kept step 7 of 9; attribute labels used: none" in text
    assert "how good the probe is cannot be said of 'place'" in text


def test_one_is_not_a_plural(capsys: pytest.CaptureFixture[str]) -> None:
    verified = {
        "dataset": "x", "synthetic": False, "splits": {}, "problems": [{"where": "a.jpg", "what": "no such file"}],
        "images": 1, "folder": "photos", "read_images": False, "ok": False,
    }  # fmt: skip
    tables.print_verified(verified)
    assert capsys.readouterr().out.endswith("1 image in photos: 1 problem\n")


def test_a_long_heading_leaves_no_column_out(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["encoding", "seconds (quartiles)", "times as fast as bare image tower", "images/s"]
    for name, figures in itertools.product((20, 60, 90), (1, 22, 30)):
        format.print_table(columns, [["n" * name, "1" * figures, "2" * figures, "345"]])
        said = capsys.readouterr().out
        assert "images/s" in said
        assert "345" in said
