"""Promises: a run folder is whole or says what is missing; a killed run goes on bit by bit; nothing that belongs to
another model, data or setting is taken for it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from debias_pt.errors import FingerprintError, OutputError, RunError
from debias_pt.features.table import FeatureTable
from debias_pt.utils.files import read_tensors, write_bytes, write_json, write_tensors
from debias_pt.utils.fingerprint import require_match
from debias_pt.workflows.run_folder import RunFolder, new_path, newest, same_work
from tests.conftest import THREADS
from tests.helpers.signals import heed_interrupts
from tests.helpers.tiny_data import FOLDER, write_checkpoint

Cli = Any


def start(*words: object, cache: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "DEBIAS_PT_CACHE": str(cache), "OMP_NUM_THREADS": str(THREADS)}
    command = [sys.executable, "-m", "debias_pt", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=env, text=True, preexec_fn=heed_interrupts, **pipes)


def wait_for(path: Path, run: subprocess.Popen[str]) -> None:
    deadline = time.time() + 120
    while not path.exists() and run.poll() is None and time.time() < deadline:
        time.sleep(0.01)
    assert path.exists(), run.communicate()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_training_resumes_bit_by_bit(
    cli: Cli, tiny: list[str], cache_dir: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    options = [*tiny, "--steps", 600, "--seeds", 2, "--checkpoint-every", 20, "--batch-size", 30, "--no-baselines"]
    whole = cli("train", "waterbirds", *options, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    out = tmp_path / "stopped"
    run = start("train", "waterbirds", *options, "--out", out, cache=cache_dir)
    wait_for(out / "checkpoint.safetensors", run)
    run.send_signal(stop)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == (130 if stop is signal.SIGINT else -signal.SIGKILL)
    if stop is signal.SIGINT:
        assert errors.strip().splitlines()[-1].startswith("error: interrupted; ")
    assert not (out / "result.json").exists()
    assert {path.name for path in out.glob(".*")} <= {".lock"}
    done = int(read_tensors(out / "checkpoint.safetensors")[0]["step"])
    assert 0 < done < 600
    resumed = cli("train", "waterbirds", *options, "--out", out, "--resume", "--json")
    assert resumed.returncode == 0, resumed.stderr
    first, second = (read_tensors(tmp_path / name / "prompt.safetensors")[0] for name in ("whole", "stopped"))
    assert torch.equal(first["context"], second["context"])
    histories = [RunFolder(tmp_path / name).history() for name in ("whole", "stopped")]
    assert histories[0] == histories[1]
    assert [row["step"] for row in histories[1]] == list(range(600))
    assert not (out / "checkpoint.safetensors").exists()
    again = cli("train", "waterbirds", *options, "--out", out, "--resume", "--json")
    assert json.loads(again.stdout) == json.loads(resumed.stdout)
    other = cli("train", "waterbirds", *options, "--out", out, "--resume", "--split", "val")
    assert other.returncode == 2
    assert "finished, its result is of the 'test' split; for another: debias-pt eval" in other.stderr


def test_two_processes_cannot_train_in_one_run(cli: Cli, tiny: list[str], cache_dir: Path, tmp_path: Path) -> None:
    options = [*tiny, "--steps", 100_000, "--checkpoint-every", 1, "--out", tmp_path / "run"]
    run = start("train", "waterbirds", *options, cache=cache_dir)
    wait_for(tmp_path / "run" / "checkpoint.safetensors", run)
    second = cli("train", "waterbirds", *options, "--resume")
    run.kill()
    run.communicate()
    assert second.returncode == 2
    assert "another process is training in this run; wait for it" in second.stderr


def test_resuming_with_other_settings_or_model_is_refused(
    cli: Cli, tiny: list[str], cache_dir: Path, tmp_path: Path
) -> None:
    options = [*tiny, "--steps", 100_000, "--checkpoint-every", 1]
    run = start("train", "waterbirds", *options, "--out", tmp_path / "run", cache=cache_dir)
    wait_for(tmp_path / "run" / "checkpoint.safetensors", run)
    run.kill()
    run.communicate()
    other = cli("train", "waterbirds", *options, "--out", tmp_path / "run", "--resume", "--lr", 0.5)
    assert other.returncode == 2
    assert "its lr is 0.004, here it is 0.5; resume with the same settings: --config" in other.stderr
    fresh = cli("train", "waterbirds", *options, "--out", tmp_path / "run")
    assert fresh.returncode == 2
    assert "already holds a run; add --resume" in fresh.stderr
    model = write_checkpoint(tmp_path / Path(tiny[4].partition(":")[2]).name, seed=9)
    moved = [*options[:4], f"local-dir:{model}", *options[5:]]
    swapped = cli("train", "waterbirds", *moved, "--out", tmp_path / "run", "--resume")
    assert swapped.returncode == 2
    assert "its backbone weights is" in swapped.stderr
    unfinished = cli("eval", tmp_path / "run")
    assert unfinished.returncode == 2
    assert "not finished; resume with" in unfinished.stderr


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    runs = []
    for name, lr in (("first", 0.1), ("second", 0.2)):
        run = RunFolder.create(tmp_path / name, {"lr": lr})
        run.write_facts({"backbone": {"weights": "a"}, "data": {"rows": 1}, "group_counts": {}, "attributes": []})
        runs.append(run)
    runs[0].write_checkpoint({"x": torch.zeros(1)})
    (tmp_path / "first" / "checkpoint.safetensors").rename(tmp_path / "second" / "checkpoint.safetensors")
    with pytest.raises(FingerprintError, match=r"its settings lr is 0\.1, here it is 0\.2; delete it"):
        runs[1].read_checkpoint()
    (tmp_path / "second" / "checkpoint.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(FingerprintError, match="damaged or unreadable"):
        runs[1].read_checkpoint()


def test_evaluating_with_another_model_or_data_is_refused(
    cli: Cli, tiny: list[str], data_root: Path, tmp_path: Path
) -> None:
    trained = cli("train", "waterbirds", *tiny, "--steps", 2, "--out", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr
    other = write_checkpoint(tmp_path / "other", seed=3)
    swapped = cli("eval", tmp_path / "run", "--pretrained", f"local-dir:{other}")
    assert swapped.returncode == 2
    assert "its weights is '" in swapped.stderr
    assert "give the run's --model and --pretrained" in swapped.stderr
    renamed = shutil.copytree(tiny[4].partition(":")[2], tmp_path / "renamed")
    moved = cli("eval", tmp_path / "run", "--pretrained", f"local-dir:{renamed}")
    assert moved.returncode == 0, moved.stderr
    image = next((data_root / FOLDER).glob("*/test_0_*.jpg"))
    pixels = image.read_bytes()
    Image.new("RGB", (40, 36)).save(image)
    repainted = cli("eval", tmp_path / "run", "--data-root", data_root)
    assert repainted.returncode == 2
    assert "its content is '" in repainted.stderr
    image.write_bytes(pixels)
    metadata = data_root / FOLDER / "metadata.csv"
    metadata.write_text("".join(metadata.read_text().splitlines(keepends=True)[:-1]))
    changed = cli("eval", tmp_path / "run", "--data-root", data_root)
    assert changed.returncode == 2
    assert "give the run's --data-root" in changed.stderr


def test_history_drops_a_line_cut_short_by_a_kill(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.append_history([{"step": 0}, {"step": 1}, {"step": 2}])
    with open(tmp_path / "history.jsonl", "a") as file:
        file.write('{"step": 3, "lo')
    assert [row["step"] for row in run.history()] == [0, 1, 2]
    run.trim_history(2)
    run.append_history([{"step": 2}])
    assert [row["step"] for row in run.history()] == [0, 1, 2]


def test_newest_takes_finished_runs_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="no finished run under .*debias-pt train"):
        newest(finished=True)
    for name, finished in (("b", 1.0), ("a", 2.0), ("c", None)):
        run = RunFolder.create(tmp_path / "runs" / name, {"lr": name, "method": "dpt"})
        if finished:
            write_json(run.path / "result.json", {"finished": finished})
    assert newest(finished=True).path.name == "a"
    assert newest(finished=False, matching={"lr": "c", "method": "dpt", "device": "cuda"}).path.name == "c"
    with pytest.raises(RunError, match="no unfinished run with these settings"):
        newest(finished=False, matching={"lr": "d"})


def test_folders_of_other_tools_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("board", "{}"), ("list", "[1]"), ("torn", "{")):
        for file in ("config.json", "result.json"):
            (tmp_path / "runs" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "runs" / name / file).write_text(text)
    with pytest.raises(RunError, match="no finished run"):
        newest(finished=True)
    assert new_path("waterbirds", "dpt") != new_path("waterbirds", "dpt")


def test_what_may_move_and_what_may_not() -> None:
    assert same_work({"lr": 1.0, "device": "cpu"}, {"lr": 1.0, "device": "cuda"})
    assert not same_work({"lr": 1.0}, {"lr": 2.0})


def test_the_first_difference_is_named() -> None:
    with pytest.raises(FingerprintError, match="cache: its model weights is 'a', here it is 'b'; go"):
        require_match({"model": {"weights": "a", "x": 1}}, {"model": {"weights": "b", "x": 1}}, "cache", "go")
    require_match({"a": 1}, {"a": 1}, "", "")


def test_writing_fails_whole_with_the_old_file_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"old": True})

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"result\.json: cannot write \(No space left on device\); free some space"):
        write_json(path, {"new": True})
    assert json.loads(path.read_text()) == {"old": True}
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_tensors_round_trip_with_their_header(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", {"a": torch.arange(3)}, {"model": "tiny"})
    tensors, meta = read_tensors(tmp_path / "x.safetensors")
    assert tensors["a"].tolist() == [0, 1, 2]
    assert meta == {"model": "tiny"}
    from safetensors.torch import save

    write_bytes(tmp_path / "y.safetensors", save({"a": torch.arange(3)}))
    with pytest.raises(FingerprintError, match="not written by debias-pt"):
        read_tensors(tmp_path / "y.safetensors")


def test_a_full_disk_is_one_line(cli: Cli, tiny: list[str], table: FeatureTable, tmp_path: Path) -> None:
    """A limit on file sizes fails real writes in the middle of training, as a full disk does."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    words = ["train", "waterbirds", *tiny, "--steps", 200, "--checkpoint-every", 1, "--out", tmp_path / "run"]
    run = cli(*words, preexec_fn=limit)
    assert run.returncode == 2
    lines = [line for line in run.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1
    assert str(tmp_path / "run") in lines[0]
    assert "cannot write (File too large); free some space" in lines[0]
    assert not list((tmp_path / "run").glob(".*"))


def test_an_output_folder_that_cannot_be_written_is_one_line(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = cli("train", "waterbirds", *tiny, "--steps", 2, "--out", tmp_path / "file" / "run")
    assert run.returncode == 2
    assert "cannot create this folder, " in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_output_folder_is_one_line(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    run = cli("train", "waterbirds", *tiny, "--steps", 2, "--out", tmp_path / "locked" / "run")
    assert run.returncode == 2
    assert "is not a writable folder" in run.stderr
