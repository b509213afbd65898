"""Promises: features that are the same cost nothing; what changes them is measured, and shown in a table."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from debias_pt.benchmarks.speed.case import SpeedCase, load_case
from debias_pt.settings import TrainSettings
from studies import encoding_numerics as numerics


@pytest.fixture
def case(waterbirds_root: Path, tiny_checkpoint: Path, cache_dir: Path) -> SpeedCase:
    settings = TrainSettings(
        data_root=str(waterbirds_root),
        check_counts=False,
        pretrained=f"local-dir:{tiny_checkpoint}",
        cache_dir=str(cache_dir),
        workers=0,
    )
    return load_case(settings, rounds=1, quick=True, random_weights=False)


def test_the_numerical_cost_of_nothing_is_nothing(case: SpeedCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numerics, "ENLARGED", 128)
    found, note = numerics.measure(case)
    bf16, draft, decoded = found
    assert 0.9 < bf16["least_cosine"] < 0.9999999
    assert draft["images"] <= bf16["images"]
    assert decoded["least_cosine"] > 0.999
    monkeypatch.setattr(numerics, "_encode", lambda case, pixels, lower=None: torch.ones(len(pixels), 24) / 24**0.5)
    for row in numerics.measure(case)[0]:
        assert (row["changed_predictions"], round(row["least_cosine"], 5)) == (0.0, 1.0)
    header, lines = numerics.numerics_table(found)
    assert [len(line) for line in lines] == 3 * [len(header)]
    assert "zero-shot predictions of 2 classes" in note
