"""Promises: each tracking library, the real one, offline, is told what ``history.jsonl`` holds; a resumed run goes on;
a library that fails ends the tracking, not the fit; one that is missing is named before any work."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from debias_pt.cli.main import main
from debias_pt.errors import DebiasWarning, UnknownNameError, UsageError
from debias_pt.settings import TrainSettings, resolve
from debias_pt.training.callbacks import Callback
from debias_pt.training.loop import Training
from debias_pt.training.trackers import TRACKERS, base
from debias_pt.training.trackers.base import Tracker, figures_of, require_trackers
from debias_pt.training.trackers.libraries import MLflow
from debias_pt.workflows.run_folder import RunFolder
from debias_pt.workflows.train import train

pytestmark = [
    pytest.mark.filterwarnings("ignore:groups of the", "ignore:the pseudo group"),  # tiny data
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
]
GROUPS = ["landbird, land", "landbird, water", "waterbird, land", "waterbird, water"]
Go = Callable[..., Path]


@pytest.fixture
def go(tiny: list[str], waterbirds_root: Path, tiny_checkpoint: Path, cache_dir: Path, tmp_path: Path) -> Go:
    """Train in this process: ``go(track=["tensorboard"])`` is the run's folder."""
    given = {
        "data_root": str(waterbirds_root), "check_counts": False, "pretrained": f"local-dir:{tiny_checkpoint}",
        "cache_dir": str(cache_dir), "workers": 0, "steps": 4, "seeds": 2, "out": str(tmp_path / "run"),
        "checkpoint_every": 2,
    }  # fmt: skip

    def run(**more: Any) -> Path:
        train(resolve(TrainSettings, given), baselines=False, **more)
        return tmp_path / "run"

    return run


def expected(run: Path) -> list[dict[str, float]]:
    return [figures_of(row, GROUPS) for row in RunFolder(run).history()]


def by_step(found: Mapping[str, list[tuple[int, float]]]) -> list[dict[str, float]]:
    steps: dict[int, dict[str, float]] = {}
    for name, values in found.items():
        for step, value in values:
            steps.setdefault(step, {})[name] = value
    assert sorted(steps) == list(range(len(steps)))
    return [steps[step] for step in sorted(steps)]


def require_equal(found: list[dict[str, float]], run: Path) -> None:
    wanted = expected(run)
    assert len(found) == len(wanted) == 4
    assert set(wanted[0]) >= {"loss", "lr", "p_bar/waterbird, land", "group_weights/waterbird, land"}
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, rel=1e-6, abs=1e-6)


def events(run: Path) -> dict[str, list[tuple[int, float]]]:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    return {name: [(one.step, one.value) for one in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_tensorboard(go: Go, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboard")
    run = go(track=["tensorboard"])
    assert capsys.readouterr().out == ""
    require_equal(by_step(events(run)), run)


class Stop(Callback):
    """Stops a fit as a user would."""

    def on_step(self, training: Training) -> None:
        if training.step_ == 3:
            raise KeyboardInterrupt


def test_a_resumed_run_goes_on_where_it_was(go: Go) -> None:
    pytest.importorskip("tensorboard")
    with pytest.raises(KeyboardInterrupt):
        go(track=["tensorboard"], callbacks=[Stop()])
    run = go(track=["tensorboard"], resume=True)
    require_equal(by_step(events(run)), run)


def test_mlflow(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    place = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place)
    monkeypatch.chdir(tmp_path)
    run = go(track=["mlflow"])
    client = mlflow.MlflowClient(place)
    (one,) = client.search_runs([client.get_experiment_by_name("debias-pt").experiment_id])
    assert one.info.status == "FINISHED"
    assert one.data.params["method"] == "dpt"
    names = {name.replace(",", ""): name for name in expected(run)[0]}
    assert set(one.data.metrics) == set(names)
    found = {
        full: [(m.step, m.value) for m in client.get_metric_history(one.info.run_id, name)]
        for name, full in names.items()
    }
    require_equal(by_step(found), run)


def test_mlflows_names_stay_apart(tmp_path: Path) -> None:
    tracker = MLflow(tmp_path, {})
    tracker._names = {}
    found = [tracker._name(name) for name in ("p_bar/a, b", "p_bar/a b", "p_bar/<a> b", "p_bar/a, b")]
    assert found[0] == found[3] == "p_bar/a b"
    assert len(set(found)) == 3


def wandb_records(data: bytes, block: int = 32768) -> Iterator[bytes]:
    """Read wandb's own file: blocks of pieces (checksum, length, kind), kind 2 and 3 being continued."""
    place, record = 7, b""
    while place + 7 <= len(data):
        if block - place % block < 7:
            place += block - place % block
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield record
            record = b""


def test_wandb_offline(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = go(track=["wandb"])
    (file,) = (run / "wandb").glob("offline-run-*/*.wandb")
    found: dict[str, list[tuple[int, float]]] = {}
    for data in wandb_records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        values = {(item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in record.history.item}
        for name, value in values.items():
            if not name.startswith("_"):
                found.setdefault(name, []).append((values["_step"], value))
    require_equal(by_step(found), run)


def test_trackio(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    import trackio.sqlite_storage as storage
    import trackio.utils as utils

    for module in (storage, utils):
        monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path / "trackio")
    run = go(track=["trackio"])
    assert capsys.readouterr().out == ""
    (file,) = (tmp_path / "trackio").glob("debias-pt*.db")
    rows = sqlite3.connect(file).execute("select step, metrics from metrics order by step").fetchall()
    found: dict[str, list[tuple[int, float]]] = {}
    for step, metrics in rows:
        for name, value in json.loads(metrics).items():
            found.setdefault(name, []).append((step, value))
    require_equal(by_step(found), run)


# What may go wrong


class Failing(Tracker):
    """Fails as a server does that is gone."""

    needs = "json"

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        if step == 1:
            raise ConnectionError("the server is gone")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    TRACKERS["failing"] = Failing
    yield
    del TRACKERS["failing"]


def test_a_library_that_fails_ends_the_tracking_not_the_fit(go: Go, failing: None) -> None:
    with pytest.warns(DebiasWarning, match=r"tracking with json has stopped \(ConnectionError: the server is gone\)"):
        run = go(track=["failing"])
    assert len(RunFolder(run).history()) == 4
    assert RunFolder(run).finished


def test_what_cannot_be_tracked_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnknownNameError, match="unknown tracker 'tensorbord' \\(did you mean 'tensorboard'\\?\\)"):
        require_trackers(["tensorbord"])
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs wandb, which is not installed; pip install 'debias-pt\[wandb\]'"):
        require_trackers(["wandb"])
    with pytest.raises(SystemExit) as stop:
        main(["train", "waterbirds-mini", "--track", "mlflow", "--out", str(tmp_path / "run")])
    assert stop.value.code == 2
    assert "--track mlflow needs mlflow" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_tracker_from_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("mine", f"{__name__}:Failing", "debias_pt.trackers")
    monkeypatch.setitem(vars(TRACKERS), "_outside", {"mine": entry})
    monkeypatch.setitem(vars(TRACKERS), "_things", dict(TRACKERS._things))
    assert TRACKERS["mine"].needs == "json"
    assert {"tensorboard", "wandb", "mlflow", "trackio", "mine"} <= set(TRACKERS)


def test_figures_are_means_over_seeds_without_empty_groups() -> None:
    row = {"lr": 0.1, "loss": [1.0, 3.0], "val_accuracy": [[0.5, None], [1.0, None]], "p_bar": [[0.1, 0.2], [0.3, 0.4]]}
    found = figures_of(row, ["a", "b"])
    assert found == pytest.approx({"lr": 0.1, "loss": 2.0, "val_accuracy/a": 0.75, "p_bar/a": 0.2, "p_bar/b": 0.3})
