"""Promises: the same settings give the same bits, in another process with another hash seed too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import torch

from debias_pt.utils.files import read_tensors


def test_another_process_gives_the_same_bits(
    cli: Callable[..., CompletedProcess[str]], train_tiny: Callable[..., Path], tiny: list[str], tmp_path: Path
) -> None:
    """Minibatches and a refined probe: orders, draws and groups all come from seeds."""
    here = train_tiny(tmp_path / "one", method="dpt-mixture", seeds=2, steps=4, batch_size=16, baselines=False)
    options = ["--method", "dpt-mixture", "--seeds", "2", "--steps", "4", "--batch-size", "16"]
    there = tmp_path / "two"
    done = cli("train", "waterbirds", *tiny, *options, "--out", there, env={"PYTHONHASHSEED": "7"})
    assert done.returncode == 0, done.stderr
    assert (here / "history.jsonl").read_bytes() == (there / "history.jsonl").read_bytes()
    for name in ("prompt.safetensors", "probe.safetensors"):
        if not (here / name).exists():  # the tiny words may tell nothing
            assert not (there / name).exists()
            continue
        one, two = (read_tensors(run / name)[0] for run in (here, there))
        assert one.keys() == two.keys()
        for key in one:
            assert torch.equal(one[key], two[key]), key
