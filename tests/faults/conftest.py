"""Fixtures of the fault suite. Every test in this folder has the marker ``faults``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.faults.case import Case
from tests.faults.records import Row, row
from tests.faults.victims import ROOT, Victims


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victims]:
    found = Victims(tmp_path_factory.mktemp("victims"))
    yield found
    found.close()


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Callable[[int, str], AbstractContextManager[Row]]:
    """``with counted(1, "what is tried") as row: ... row.survived()``: a row of docs/reliability.md."""
    test = f"{request.path.relative_to(ROOT)}::{request.function.__name__}"
    return partial(_row, test)


def _row(test: str, section: int, name: str) -> AbstractContextManager[Row]:
    return row(section, name, test)


@pytest.fixture(scope="session")
def case(victims: Victims, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case.make(victims, tmp_path_factory.mktemp("case"))
