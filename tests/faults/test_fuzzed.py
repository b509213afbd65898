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

from tests.faults.parsers import PARSERS, parse, seeds
from tests.faults.records import scale

FOUND = Path(__file__).parent / "seeds"  # inputs that once broke something
TOKENS = [
    b'{"', b'": ', b"[" * 40, b"NaN", b"1e999", b"-" * 9, b"\0", b"\xff\xfe", b"null", b'"sha256": 0', b"..",
    b"/etc/passwd", b"\x80\x04", b"PK\x03\x04", b"\x1f\x8b\x08", b"PAR1", b",", b"\n", b"=", b"|", b":", b"}",
]  # fmt: skip
SEEDS = seeds()


def bent(data: bytes, rng: random.Random) -> bytes:
    """Change a good input: bytes, tokens put in, parts doubled or cut out."""
    body = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
        kind = rng.randrange(5)
        if kind == 0:
            body[place:end] = b""
        elif kind == 1:
            body[place:place] = body[place:end]
        elif kind == 2:
            body[place:place] = rng.choice(TOKENS)
        elif kind == 3:
            body[place:end] = rng.choice(TOKENS)
        elif place < len(body):
            body[place] = rng.randrange(256)
    return bytes(body)


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
