"""Promises: every parser of ours reads any bytes, or raises an error of ours in one line; with Atheris:
``python -m tests.faults.atheris_fuzz``."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.parsers import PARSERS, TOKENS, bent, parse, seeds
from tests.faults.records import scale

FOUND = Path(__file__).parent / "seeds"  # inputs that once broke something
SEEDS = seeds()


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_any_bytes(counted: Any, name: str) -> None:
    @settings(max_examples=scale(15, 300), deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join)))
    def anything(data: bytes) -> None:
        parse(name, data)
        row.survived()

    rng = random.Random(name)
    with counted(4, f"the parser {name}: any bytes are read, or refused in one line") as row, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anything()
        for _ in range(scale(15, 600)):
            parse(name, bent(SEEDS[name], rng))
            row.survived()
        for file in sorted((FOUND / name).glob("*")):
            parse(name, file.read_bytes())
            row.survived()


def test_good_inputs_are_read() -> None:
    from debias_pt.errors import DebiasError

    refused = []
    for name, data in SEEDS.items():
        ending, read = PARSERS[name]
        try:
            parse_whole(ending, read, data)
        except DebiasError as error:
            refused.append((name, str(error)))
    assert {name for name, _ in refused} <= {"shots"}, refused


def parse_whole(ending: str, read: Any, data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, ending)
        file.write_bytes(data)
        read(file)
