"""The run folder: settings, what they were used on, history and results.

::

    runs/waterbirds-dpt-20260101-120000/
        config.json          resolved settings; ``debias-pt train --config`` takes it back
        run.json             versions, fingerprints, group counts, probe
        history.jsonl        one row per step
        checkpoint.safetensors   while training; ``--resume`` continues from it
        skipped.csv, splits.csv  images left out, splits drawn, if there are any
        prompt.safetensors   what was learned
        probe.safetensors    the probe, if it was refined on the training images
        baseline.safetensors     what the same head learned without group weights, for comparison
        result.json          the figures

All of them carry checksums, which are compared whenever they are read.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias_pt.errors import DebiasWarning, FingerprintError, OutputError, RunError, UsageError
from debias_pt.methods import METHODS
from debias_pt.settings import identity
from debias_pt.utils.checked_json import (
    Fields,
    checked_lines,
    read_checked,
    read_checked_lines,
    require_kinds,
    with_checksum,
)
from debias_pt.utils.files import (
    locked,
    make_folder,
    nearest_existing,
    read_tensors,
    write_json,
    write_json_once,
    write_tensors,
    write_text,
)
from debias_pt.utils.fingerprint import require_match
from debias_pt.utils.stores.addresses import short_name

if TYPE_CHECKING:
    from torch import Tensor

RUNS = Path("runs")
# Types of the fields that are used before anything else is known of a run; a stranger's file may hold anything.
FACTS: dict[str, Any] = {"backbone": dict, "data": dict, "group_counts": dict, "attributes": list}
RESULT: dict[str, Any] = {
    "dataset": str, "split": str, "method": str, "synthetic": bool, "oracle": bool, "attribute_labels_used": list,
    "groups": list, "seeds": list, "finished": (int, float),
}  # fmt: skip
PROMPT: dict[str, Any] = {"class_names": list, "seeds": list, "backbone": dict}


@dataclass(frozen=True)
class RunFolder:
    """One run on disk; every file is written atomically.

    Parameters
    ----------
    path : Path
        The folder.

    Examples
    --------
    >>> import tempfile
    >>> run = RunFolder(Path(tempfile.mkdtemp()))
    >>> run.append_history([{"step": 0}, {"step": 1}])
    >>> run.trim_history(1)
    >>> run.history()
    [{'step': 0}]
    """

    path: Path

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> RunFolder:
        """Make a new run folder and write its settings.

        Raises
        ------
        RunError
            If the folder already holds a run.
        OutputError
            If the folder cannot be written to.
        """
        run = cls(make_folder(path))
        cls.require_free(path)
        if not write_json_once(path / "config.json", with_checksum(config)):  # of several processes, one makes it
            cls.require_free(path)
        return run

    @staticmethod
    def require_free(path: Path) -> None:
        """Raise if no run can start there, before any work is done.

        Raises
        ------
        RunError
            If the folder already holds a run.
        OutputError
            If it cannot be written to.
        """
        if (path / "config.json").exists():
            raise RunError(f"{path}: already holds a run; add --resume to continue it, or choose another --out")
        place = nearest_existing(path)
        if not place.is_dir() or not os.access(place, os.W_OK):
            raise OutputError(f"{path}: cannot create this folder, {place} is not a writable folder; choose another")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open a run folder.

        Raises
        ------
        RunError
            If there is none.
        """
        if not (path / "config.json").is_file():
            raise RunError(f"{path}: no run here (no config.json); give the folder that debias-pt train named")
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved settings."""
        return dict(read_checked(self.path / "config.json"))

    @property
    def finished(self) -> bool:
        """Whether the run has a result."""
        return (self.path / "result.json").is_file()

    @property
    def result(self) -> dict[str, Any]:
        """The figures."""
        return read_checked(self.path / "result.json", **RESULT)

    @property
    def facts(self) -> dict[str, Any]:
        """Versions, fingerprints, group counts, probe."""
        return read_checked(self.path / "run.json", **FACTS)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Lock the run for writing.

        Raises
        ------
        RunError
            If another process is training in it.
        """

        def refuse() -> None:
            raise RunError(f"{self.path}: another process is training in this run; wait for it")

        with locked(self.path, refuse, "--out"):
            try:
                yield
            finally:
                (self.path / ".lock").unlink(missing_ok=True)

    def require_backbone(self, fingerprint: Mapping[str, Any]) -> None:
        """Raise if the model is not the one the run was started with."""
        if (self.path / "run.json").exists():
            advice = "resume with what it was started with, or start another run"
            require_match({"backbone": self.facts["backbone"]}, {"backbone": dict(fingerprint)}, str(self.path), advice)

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Write what the run uses; on resuming, raise if it has changed.

        Raises
        ------
        FingerprintError
            If model, data or groups differ from those the run started with.
        """
        if not (self.path / "run.json").exists():
            write_json(self.path / "run.json", with_checksum(facts))
            return
        parts = ("backbone", "data", "group_counts", "attributes")
        found, wanted = ({part: source[part] for part in parts} for source in (self.facts, facts))
        require_match(found, wanted, str(self.path), "resume with what it was started with, or start another run")

    def append_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append one JSON line per step."""
        try:
            with open(self.path / "history.jsonl", "a", encoding="utf-8") as file:
                file.write(checked_lines(rows))
        except OSError as error:
            raise OutputError(f"{self.path}: cannot write ({error.strerror}); free some space") from error

    def history(self) -> list[dict[str, Any]]:
        """Return all rows; of an unfinished run without a last line that a kill cut short.

        Raises
        ------
        FingerprintError
            If a row is damaged.
        """
        return list(read_checked_lines(self.path / "history.jsonl", growing=not self.finished))

    def trim_history(self, step: int) -> None:
        """Drop the rows from a step on, which a resumed run will write again."""
        rows = islice(read_checked_lines(self.path / "history.jsonl"), step)  # what is dropped may be damaged
        write_text(self.path / "history.jsonl", checked_lines(row for row in rows if row["step"] < step))

    def write_checkpoint(self, state: Mapping[str, Tensor]) -> None:
        """Replace the checkpoint."""
        write_tensors(self.path / "checkpoint.safetensors", state, self._identity())

    def read_checkpoint(self) -> dict[str, Tensor] | None:
        """Return the checkpoint's state, or None if there is none.

        Raises
        ------
        FingerprintError
            If it is damaged, or belongs to other settings, another model or other data.
        """
        path = self.path / "checkpoint.safetensors"
        if not path.exists():
            return None
        state, meta = read_tensors(path)
        require_match(meta, self._identity(), str(path), "delete it and start again")
        return state

    def _identity(self) -> dict[str, Any]:
        facts = self.facts
        return {"settings": fixed(self.config), "backbone": facts["backbone"], "data": facts["data"]}

    def finish(self, prompt: Mapping[str, Tensor], meta: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Write what was learned and the figures; remove the checkpoint, which is no longer needed."""
        write_tensors(self.path / "prompt.safetensors", prompt, meta)
        write_json(self.path / "result.json", with_checksum(result))
        (self.path / "checkpoint.safetensors").unlink(missing_ok=True)

    def write_baseline(self, prompt: Mapping[str, Tensor]) -> None:
        """Write what the same head learned without group weights, which the run is compared with."""
        write_tensors(self.path / "baseline.safetensors", prompt, self._identity())

    def read_baseline(self) -> dict[str, Tensor] | None:
        """Return what the same head learned without group weights, or None if there is no such baseline."""
        path = self.path / "baseline.safetensors"
        return read_tensors(path)[0] if path.exists() else None

    def write_probe(self, state: Mapping[str, Tensor]) -> None:
        """Write what a refined probe has fitted."""
        write_tensors(self.path / "probe.safetensors", state, self._identity())

    def read_probe(self) -> dict[str, Tensor]:
        """Return what a refined probe has fitted; empty if it was not refined."""
        path = self.path / "probe.safetensors"
        return read_tensors(path)[0] if path.exists() else {}

    def read_prompt(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what was learned.

        Raises
        ------
        RunError
            If the run is not finished.
        """
        if not self.finished:
            raise RunError(f"{self.path}: not finished; resume with debias-pt train ... --out {self.path} --resume")
        path = self.path / "prompt.safetensors"
        state, meta = read_tensors(path)
        return state, require_kinds(Fields(meta, path), **PROMPT)


def new_path(dataset: str, method: str) -> Path:
    """Make a new folder under ``./runs``, named after data set, method and time, and return it."""
    make_folder(RUNS)
    stem = f"{short_name(dataset)}-{method}-{time.strftime('%Y%m%d-%H%M%S')}"
    for path in (RUNS / stem, *(RUNS / f"{stem}-{i}" for i in range(2, 1000))):
        try:
            path.mkdir()  # two processes cannot both make it
        except FileExistsError:
            continue
        return path
    raise RunError(f"{RUNS / stem}: a thousand folders of this name exist; choose an --out")


def newest(*, finished: bool, matching: Mapping[str, Any] | None = None) -> RunFolder:
    """Return the newest run under ``./runs`` that is finished, or not, and has these settings.

    Raises
    ------
    RunError
        If there is none.
    """
    runs = [RunFolder(path.parent) for path in RUNS.glob("*/config.json") if _is_ours(path.parent, finished)]
    fitting = [run for run in runs if matching is None or same_work(run.config, matching)]
    if not fitting:
        kind = "finished" if finished else "unfinished"
        extra = " with these settings" if matching is not None else ""
        raise RunError(f"no {kind} run{extra} under {RUNS.resolve()}; name its folder, or train one: debias-pt train")
    return max(fitting, key=lambda run: run.result["finished"] if finished else _modified(run))


def _is_ours(folder: Path, finished: bool) -> bool:
    """Tell whether a folder is a run of this library, finished or not; others may keep theirs here too."""
    run = RunFolder(folder)
    try:
        if "method" not in run.config:
            return False
        return "finished" in run.result if finished else not run.finished
    except UsageError as error:
        if isinstance(error, FingerprintError) and (folder / "run.json").exists():
            warnings.warn(f"this run is passed over: {error}", DebiasWarning, stacklevel=3)
        return False


def _modified(run: RunFolder) -> float:
    return (run.path / "config.json").stat().st_mtime


# Settings that may change when a run is resumed: where things are, and how fast.
MOVABLE = {
    "checkpoint_every", "workers", "cache_dir", "download", "encode_batch_size", "split", "data_root",
    "device", "model", "pretrained", "words",
}  # fmt: skip


def same_work(config: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two settings ask for the same training."""
    return fixed(with_probe(config)) == fixed(with_probe(other))


def with_probe(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the probe's name, which older runs left to the method."""
    method = METHODS.get(str(config.get("method")))
    return {**config, "probe": config.get("probe") or (method.probe if method else None)}


def find_run(path: str | Path | None = None) -> RunFolder:
    """Return a run by its folder, or the newest finished one under ``./runs``.

    Raises
    ------
    RunError
        If there is none.
    """
    return newest(finished=True) if path is None else RunFolder.open(Path(path))


def fixed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a resumed run must share; model and data are matched by fingerprint."""
    return {name: value for name, value in json.loads(json.dumps(identity(config))).items() if name not in MOVABLE}
