"""Promises: a flipped bit anywhere in a stored result is found and named, or the thing is made anew; never is a figure
another one. What a flip leaves readable is what was written."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from debias_pt.benchmarks.shared.results_store import ResultStore
from debias_pt.datasets.metadata_cache import Metadata, remembered
from debias_pt.errors import DebiasWarning, FingerprintError, UsageError
from debias_pt.features import cache as features
from debias_pt.features.cache import FeatureCache
from debias_pt.run import open_run
from debias_pt.training.tuner_files import read_tuner
from debias_pt.utils.files import read_tensors
from debias_pt.workflows.run_folder import RunFolder
from tests.faults.case import SUITES, Case
from tests.faults.records import scale

RUN: dict[str, Callable[[RunFolder], Any]] = {
    "config.json": lambda run: run.config,
    "run.json": lambda run: run.facts,
    "result.json": lambda run: run.result,
    "history.jsonl": lambda run: run.history(),
    "prompt.safetensors": lambda run: run.read_prompt(),
    "baseline.safetensors": lambda run: run.read_baseline(),
    "checkpoint.safetensors": lambda run: run.read_checkpoint(),
    "probe.safetensors": lambda run: run.read_probe(),
}


def flips(file: Path, seed: str, every: int) -> Iterator[str]:
    """Flip one bit in every so many bytes of a file, one at a time; each region is met."""
    whole, rng = file.read_bytes(), random.Random(seed)
    for start in range(0, len(whole), every):
        place, bit = min(start + rng.randrange(every), len(whole) - 1), rng.randrange(8)
        body = bytearray(whole)
        body[place] ^= 1 << bit
        file.write_bytes(body)
        yield f"{file.name}: bit {bit} of byte {place} of {len(whole)}"
    file.write_bytes(whole)


def held(found: Any, written: Any) -> bool:
    """Tell whether everything that was written is there, as it was."""
    if isinstance(written, Mapping):
        return all(name in found and held(found[name], value) for name, value in written.items())
    if isinstance(written, list | tuple):
        return len(found) == len(written) and all(map(held, found, written))
    if isinstance(written, torch.Tensor):
        return torch.equal(found, written)
    return bool(np.array_equal(found, written)) if isinstance(written, np.ndarray) else bool(found == written)


@pytest.fixture
def run(case: Case, tmp_path: Path) -> RunFolder:
    shutil.copytree(case.folder / "done", tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    run.write_checkpoint({"step": torch.tensor(3), "context": torch.randn(2, 4)})
    run.write_probe({"means": torch.randn(3, 2)})
    return run


@pytest.mark.parametrize("name", sorted(RUN))
def test_a_run_folder(run: RunFolder, counted: Any, name: str) -> None:
    written = RUN[name](run)
    assert written
    with counted(4, f"a flipped bit in {name} of a run: found and named, or without effect") as row:
        for what in flips(run.path / name, name, scale(61, 3)):
            try:
                found = RUN[name](run)
            except UsageError as error:
                assert str(run.path / name) in str(error), what
            else:
                assert held(found, written), what
            row.survived()
        assert held(RUN[name](run), written)


def test_a_tuner_and_an_export(case: Case, counted: Any, tmp_path: Path) -> None:
    tuner = open_run(case.folder / "done").tuner
    folder = tuner.save(tmp_path / "tuner")
    case.whole(["export", case.folder / "done", "--out", tmp_path / "export"])
    weights = tmp_path / "export" / "class_weights.safetensors"
    readers: dict[Path, Callable[[], Any]] = {
        folder / "tuner.json": lambda: vars(read_tuner(folder)),
        folder / "tuner.safetensors": lambda: vars(read_tuner(folder)),
        weights: lambda: read_tensors(weights),
    }
    with counted(4, "a flipped bit in a saved tuner or exported class weights: found and named") as row:
        for file, read in readers.items():
            written = read()
            for what in flips(file, file.name, scale(61, 3)):
                try:
                    assert held(read(), written), what
                except UsageError as error:
                    assert str(file.parent) in str(error), what
                row.survived()


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_results_of_a_suite_are_computed_anew(case: Case, counted: Any, tmp_path: Path, suite: str) -> None:
    cache = case.copy_cache(tmp_path / "cache")
    case.whole([*case.words("bench", suite), *SUITES[suite], "--json"], tmp_path, cache=cache)
    store = ResultStore(cache / "results")
    with counted(4, f"a flipped bit in a stored result of {suite}: the same result, or made anew") as row:
        for file in sorted(store.folder.iterdir())[: scale(2, 20)]:
            kept = json.loads(file.read_text())
            for what in flips(file, file.name, scale(61, 7)):
                found = store.find(kept["key"])
                assert found is None or held(found, kept["result"]), what
                row.survived()


def test_mapped_features_are_made_anew(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "MAPPED_BYTES", 0)
    cache, keys = FeatureCache(tmp_path, {"model": "tiny"}), [f"{i:02x}" * 32 for i in range(9)]
    rows = np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)
    cache.add(keys, rows)
    assert np.array_equal(features.table_features(cache.read(), keys, tmp_path, "birds"), rows)
    file = next((tmp_path / "tables").iterdir())
    with counted(4, "a flipped bit in a mapped table of features: made anew") as row:
        for what in flips(file, "npy", scale(7, 1)):
            assert np.array_equal(features.table_features(cache.read(), keys, tmp_path, "birds"), rows), what
            row.survived()


def test_the_cached_metadata_is_read_anew(counted: Any, tmp_path: Path) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text("x")
    whole = Metadata.of(["a.png", "b.png"], [0, 1], [1, 0], [0, 2])
    remembered(tmp_path, [table], lambda: whole)
    file = next((tmp_path / "metadata").iterdir())
    with counted(4, "a flipped bit in a data set's cached metadata: read anew") as row:
        for what in flips(file, "metadata", scale(31, 1)):
            found = remembered(tmp_path, [table], lambda: whole)
            assert found.names == whole.names, what
            assert all(np.array_equal(getattr(found, name), getattr(whole, name)) for name in ("y", "attribute")), what
            assert np.array_equal(found.split, whole.split), what
            row.survived()


def test_files_of_older_versions_are_read(run: RunFolder) -> None:
    result, facts, rows = run.result, run.facts, run.history()
    for name, value in (("result.json", result), ("run.json", facts)):
        (run.path / name).write_text(json.dumps(value))
    (run.path / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert (run.result, run.facts, run.history()) == (result, facts, rows)


def test_a_damaged_run_is_not_passed_over_in_silence(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    run.path.rename(tmp_path / "runs" / "one")
    file = tmp_path / "runs" / "one" / "result.json"
    file.write_text(file.read_text().replace('"worst_group"', '"worst_grouq"'))
    from debias_pt.workflows.run_folder import newest

    with pytest.warns(DebiasWarning, match=r"passed over: .*result\.json: damaged"), pytest.raises(UsageError):
        newest(finished=True)


def test_an_edited_settings_file_is_taken_and_said_to_be_edited(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    text = (case.folder / "done" / "config.json").read_text()
    file.write_text(text.replace('"steps": 12', '"steps": 3'))
    words = ["train", "waterbirds", "--config", file, "--no-baselines", "--out", tmp_path / "run"]
    assert "config.json: changed since it was written" in case.whole(words, tmp_path).err
    file.write_text(text)
    again = case.whole([*words[:-1], tmp_path / "same", "--steps", 3], tmp_path)
    assert "changed since" not in again.err
    with pytest.raises(FingerprintError, match="remove the line 'sha256' if the change is meant"):
        (tmp_path / "run" / "config.json").write_text(
            (tmp_path / "run" / "config.json").read_text().replace('"steps": 3', '"steps": 4')
        )
        _ = RunFolder(tmp_path / "run").config
