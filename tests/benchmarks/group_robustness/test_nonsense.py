"""Promises: real words and nonsense are judged by the same guard, and counted apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from debias_pt.benchmarks.group_robustness.nonsense import NONSENSE, check_guard, count, table
from debias_pt.datasets.attributes import Attribute
from debias_pt.groups.verdict import ORDER
from debias_pt.settings import DataSettings


def test_the_list_is_well_formed() -> None:
    names = [Attribute.parse(text).name for text in NONSENSE]
    assert len(set(names)) == len(names) == 20


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
def test_every_pair_is_judged_but_those_left_out(waterbirds_root: Path, tiny_checkpoint: Path, cache_dir: Path) -> None:
    settings = DataSettings(
        data_root=str(waterbirds_root),
        check_counts=False,
        pretrained=f"local-dir:{tiny_checkpoint}",
        workers=0,
        cache_dir=str(cache_dir),
        attribute=("background=land|forest:water|lake",),
    )
    result = check_guard(settings, without=("pets", "season"))
    judged = [one["attribute"] for one in result["verdicts"]]
    assert judged[0] == "background"
    assert len(judged) == 19
    assert not {"pets", "season"} & set(judged)
    assert sum(result["counts"]["real"].values()) == 1
    assert sum(result["counts"]["nonsense"].values()) == 18
    assert {one["verdict"] for one in result["verdicts"]} <= set(ORDER)
    assert result["counts"]["nonsense"] == count(result["verdicts"], real=False)
    header, lines = table(result)
    assert len(lines) == 19
    assert all(len(line) == len(header) for line in lines)
