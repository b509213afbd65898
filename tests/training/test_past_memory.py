"""Promises: what does not fit is read from its file, and says so; what fits is fitted as ever; a limit holds."""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.groups.inferred_groups import infer_groups
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings
from debias_pt.training import fit_plan
from debias_pt.training.data import BLOCK, POOL, Minibatches
from debias_pt.training.fit_plan import plan
from debias_pt.training.tuner import Tuner
from debias_pt.utils import memory
from tests.helpers.tiny_data import gaussian_table

SCRIPT = Path(__file__).parents[2] / "studies" / "fit_past_memory.py"


@pytest.fixture
def table(tmp_path: Path) -> FeatureTable:
    """A table whose features lie in a file, splits mixed."""
    plain = gaussian_table()
    plain = plain.rows(np.random.default_rng(0).permutation(len(plain)))
    np.save(tmp_path / "features.npy", plain.features)
    return replace(plain, features=np.load(tmp_path / "features.npy", mmap_mode="r"), fingerprint={})


@pytest.mark.parametrize("head", ["linear", "standardized"])
def test_a_fit_from_the_file_is_the_fit_from_memory(
    backbone: Backbone, table: FeatureTable, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = Groups.true(table.y, table.class_names, list(table.attributes.values()))
    options = {"method": "dpt", "head": head, "steps": 40, "batch_size": 64, "lr": 0.05, "seeds": 2}
    in_memory = Tuner(backbone, **options)
    monkeypatch.setattr("debias_pt.training.run_group.BLOCK", 10**6)
    # One block and one pool: the rows of a batch differ from those in memory only by the draw, so draw them alike.
    monkeypatch.setattr("debias_pt.training.data._permutation", lambda n, seed, epoch, block=None: torch.arange(n))
    in_memory.fit(replace(table, features=np.array(table.features)), groups)
    monkeypatch.setattr(fit_plan, "free_bytes", lambda device: 1000)
    from_file = Tuner(backbone, **options)
    with pytest.warns(DebiasWarning, match="minibatches of 64 rows are read from the file in shuffled blocks"):
        from_file.fit(table, groups)
    assert from_file.class_weights_ == pytest.approx(in_memory.class_weights_, abs=2e-5)
    assert (from_file.predict(table) == in_memory.predict(table)).all()


def test_what_fits_is_a_full_batch_and_nothing_is_said(backbone: Backbone, table: FeatureTable) -> None:
    groups = Groups.true(table.y, table.class_names, list(table.attributes.values()))
    run_group = Tuner(backbone, method="dpt", head="linear").run_group(table, groups)
    assert run_group.minibatches.whole
    assert isinstance(run_group.train.features, torch.Tensor)


def test_an_epoch_in_blocks_has_every_row_once_and_batches_lie_together() -> None:
    n = 3 * BLOCK * POOL // 2 + 17
    batches = Minibatches(n, 4096, seeds=[0], block=BLOCK)
    epoch = torch.cat([batches.rows(step)[0] for step in range(math.ceil(n / 4096))])  # type: ignore[index]
    assert torch.equal(epoch.sort().values, torch.arange(n))
    pool = epoch[: BLOCK * POOL - BLOCK]
    assert len((pool // BLOCK).unique()) <= POOL + 1  # of 385; the last block, cut short, shifts the others
    assert not torch.equal(epoch, torch.cat([batches.rows(step)[0] for step in range(33, 33 + 49)])[:n])  # type: ignore[index]


def test_inferring_groups_refuses_before_it_begins(table: FeatureTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device="cpu": 1000)
    with pytest.raises(
        UsageError, match=r"inferring groups from 400 rows of 24 features needs about .* are free; take"
    ):
        infer_groups(table)


def test_the_processs_own_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (2**40, 2**40))
    assert 0 < memory.free_bytes() < 2**40
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1, 1))
    assert memory.free_bytes() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts mapped memory on Linux only")
def test_a_limit_of_the_operating_system_holds(tmp_path: Path) -> None:
    # Torch alone takes some 900 MB of the limit; the features would take 460 more.
    words = [str(tmp_path / "a.npy"), "--rows", "150000", "--limit-gib", "1.15", "--steps", "40"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "are read from the file in shuffled blocks" in done.stderr
    result = json.loads(done.stdout)
    assert result["worst_group"] > 0.9
    assert result["answers"] == [150000, 2]


def mapped(folder: Path, dtype: str) -> FeatureTable:
    """Twenty rows of eight features in a file; two classes."""
    np.save(folder / "features.npy", np.tile(np.eye(8)[0], (20, 1)).astype(dtype))
    features = np.load(folder / "features.npy", mmap_mode="r")
    split = np.repeat(["train", "val"], [12, 8])
    return FeatureTable(tuple(map(str, range(20))), features, np.arange(20) % 2, split, ("a", "b"))


@pytest.mark.parametrize(
    ("dtype", "batch_size", "needed"),
    [
        ("float32", None, 4 * 160 + 4 * 3 * 2 * 12 * 5),
        ("float16", None, 6 * 160 + 4 * 3 * 2 * 12 * 5),
        ("float32", 4, 4 * 160 + 4 * 3 * 2 * 4 * 5),
    ],
)
def test_what_is_needed_and_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, batch_size: int | None, needed: int
) -> None:
    """Features, and five copies of the logits of 3 runs and 2 classes, of 7 tenths of what is free."""
    table = mapped(tmp_path, dtype)
    settings = FitSettings(seeds=3, steps=6, batch_size=batch_size)
    enough = math.ceil(needed / 0.7) + 1
    monkeypatch.setattr(fit_plan, "free_bytes", lambda device: enough)
    assert plan(table, 12, settings) == fit_plan.FitPlan(settings, mapped=False)
    monkeypatch.setattr(fit_plan, "free_bytes", lambda device: enough - 3)
    batch = batch_size or 12
    with pytest.warns(DebiasWarning, match=rf"minibatches of {batch} rows .*; 6 steps see {6 * batch / 12:.2g} times "):
        found = plan(table, 12, settings)
    assert (found.mapped, found.settings.batch_size, found.settings.steps) == (True, batch, 6)
    in_memory = replace(table, features=np.array(table.features))
    assert not plan(in_memory, 12, settings).mapped
    assert (fit_plan.BATCH, fit_plan.COPIES, fit_plan.LEFT) == (8192, 5, 0.7)
