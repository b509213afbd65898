"""Promises: a checkpoint with a damaged or hostile configuration, vocabulary, tokenizer or header is loaded, or refused
in one line; no library beneath brings the program down."""

from __future__ import annotations

import logging
import random
import resource
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from debias_pt.errors import BackboneError
from debias_pt.models.backbone import Backbone
from tests.faults.parsers import bent
from tests.faults.records import scale
from tests.helpers.other_checkpoints import FOLDERS, write_transformers
from tests.helpers.tiny_data import write_checkpoint


@contextmanager
def memory_limit(more: int) -> Iterator[None]:
    """Refuse this process more than so many further bytes: a configuration can ask for a model of any size."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def write(kind: str, folder: Path) -> str:
    if kind == "open_clip":
        write_checkpoint(folder)
        return f"local-dir:{folder}"
    pytest.importorskip("transformers")
    return f"hf:{write_transformers(folder, kind)}"


@pytest.mark.parametrize("kind", ["open_clip", *FOLDERS])
def test_a_damaged_checkpoint(counted: Any, tmp_path: Path, kind: str) -> None:
    rng, name = random.Random(kind), write(kind, tmp_path / "model")
    logging.disable(logging.CRITICAL)
    files = sorted(file for file in (tmp_path / "model").iterdir() if file.is_file())
    with (
        counted(4, f"a checkpoint ({kind}) with a damaged configuration, vocabulary or header: one line") as row,
        warnings.catch_warnings(),
        memory_limit(6 << 30),
    ):
        warnings.simplefilter("ignore")
        for file in files:
            whole = file.read_bytes()
            head, tail = whole[:2000], whole[2000:]
            for _ in range(scale(1, 6)):
                file.write_bytes(bent(head, rng) + tail)
                try:
                    Backbone.load(name)
                except BackboneError as error:
                    assert "\n" not in str(error), file.name
                except BaseException as error:
                    raise AssertionError(f"{file.name}: {type(error)}") from error
                row.survived()
            file.write_bytes(whole)
        Backbone.load(name)
    logging.disable(logging.NOTSET)
