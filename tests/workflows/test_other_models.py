"""Promises: train and eval work with models whose text towers are not CLIP's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.helpers.other_checkpoints import write_open_clip, write_transformers

pytest.importorskip("transformers")


@pytest.mark.parametrize("model", ["hf:siglip2", "local-dir:nllb-clip-base"])
def test_a_run_goes_to_its_table_and_is_reported_again(
    model: str, cli: Cli, waterbirds_root: Path, tmp_path: Path
) -> None:
    scheme, _, name = model.partition(":")
    folder = write_transformers(tmp_path / "m", name) if scheme == "hf" else write_open_clip(tmp_path / "m", name)
    data = ["--data-root", waterbirds_root, "--no-check-counts", "--workers", 0]
    words = ["train", "waterbirds", *data, "--model", f"{scheme}:{folder}", "--steps", 2, "--no-baselines"]
    done = cli(*words, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    trained = json.loads(done.stdout)
    assert 0 <= trained["worst_group_accuracy"] <= 1
    if scheme == "hf":
        again = json.loads(cli("eval", trained["run"], "--json", cwd=tmp_path).stdout)
        assert again["worst_group_accuracy"] == trained["worst_group_accuracy"]
