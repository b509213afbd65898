"""Promises: what docs/parity.md says of each item holds now, by implementations that share nothing with the library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from debias_pt.models.backbone import Backbone
from tests.parity.table import HEADER, ITEMS, Item, lines

PAGE = Path(__file__).resolve().parents[2] / "docs" / "parity.md"
NOW = HEADER.index("from its definition")


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_an_item_agrees_with_its_definition(item: Item, backbone: Backbone) -> None:
    assert item.measure(backbone) <= item.bound


def test_the_page_holds_the_table() -> None:
    """All of it but the column that rounding moves from machine to machine, which must keep to the bound."""
    rows = [row.strip("| \n").split(" | ") for row in PAGE.read_text().splitlines() if row.startswith("| ")]
    header, _, *body = [tuple(row) for row in rows]
    assert header == HEADER
    expected = lines(None)
    assert [row[:NOW] + row[NOW + 1 :] for row in body] == [row[:NOW] + row[NOW + 1 :] for row in expected]
    assert all(float(row[NOW]) <= item.bound for row, item in zip(body, ITEMS, strict=True))


def test_the_page_names_the_command_that_prints_it() -> None:
    assert re.search(r"^python -m tests\.parity$", PAGE.read_text(), flags=re.MULTILINE)
