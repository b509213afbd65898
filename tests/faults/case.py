"""What is killed: commands on tiny data with a tiny model, how they are repeated, and what must be the same then."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from debias_pt.features.cache import CachedRows, FeatureCache
from debias_pt.utils.cleanup import UNFINISHED
from debias_pt.utils.files import read_tensors
from tests.faults.victims import Ended, Victims
from tests.helpers.tiny_data import write_checkpoint, write_waterbirds

FIT = ["--steps", 12, "--checkpoint-every", 3, "--seeds", 2, "--batch-size", 16]
NEVER_THE_SAME = {"seconds", "run", "finished", "computed", "stored", "stored_rows", "written", "sha256"}
SMALL_SHARDS = "from debias_pt.features import encoding; encoding.SHARD_ROWS = 8"
SUITES = {
    "group-robustness": ["--rows", "zero-shot,erm,dpt", "--steps", 4, "--seeds", 2],
    "noisy-labels": ["--experiment", "losses", "--rates", "0,0.5", "--shots", 4, "--steps", 2, "--seeds", 2],
}
OUTPUTS = {
    "export": (["--out", "export"], ["export/class_weights.json", "export/class_weights.safetensors"]),
    "predict": (["data/waterbirds_v1.0", "--out", "said.csv"], ["said.csv"]),
    "report": (["--no-images", "--out", "page.html"], ["page.html"]),
}


@dataclass(frozen=True)
class Case:
    """A folder with data, a model, a cache and a finished run `done`."""

    victims: Victims
    folder: Path

    @classmethod
    def make(cls, victims: Victims, folder: Path) -> Case:
        case = cls(victims, folder)
        write_checkpoint(folder / "tiny")
        write_waterbirds(folder / "data")
        case.whole([*case.words("train"), *FIT, "--out", folder / "done"])
        return case

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def words(self, *command: object, workers: int = 0) -> list[object]:
        where = ["--data-root", self.folder / "data", "--no-check-counts", "--workers", workers]
        return [*command, "waterbirds", *where, "--pretrained", f"local-dir:{self.folder / 'tiny'}"]

    def whole(self, words: Sequence[object], cwd: Path | None = None, **options: Any) -> Ended:
        """Run a command to its end."""
        done = self.victims.run(words, cwd or self.folder, **{"cache": self.cache, **options})
        assert done.code == 0, done.err
        return done

    def copy_cache(self, to: Path) -> Path:
        """Return a cache with the features alone."""
        for name in ("features", "hashes", "metadata"):
            if (self.cache / name).exists():  # hashes of files that are seconds old are not kept
                shutil.copytree(self.cache / name, to / name)
        return to


def figures(value: Any) -> Any:
    """Return a result without what differs between two runs of the same command."""
    if isinstance(value, dict):
        return {name: figures(part) for name, part in value.items() if name not in NEVER_THE_SAME}
    return [figures(part) for part in value] if isinstance(value, list) else value


def trained(run: Path) -> list[Any]:
    """Return what must be bit-identical of two runs."""
    result = figures(json.loads((run / "result.json").read_text()))
    return [(run / "prompt.safetensors").read_bytes(), (run / "history.jsonl").read_bytes(), result]


def require_nothing_left(folder: Path) -> None:
    """What a killed process left unfinished must be gone once the same command has done its work."""
    assert [path for path in folder.rglob(".*") if UNFINISHED.fullmatch(path.name)] == []


def require_whole(folder: Path) -> None:
    """Read every file that has its final name: none may be half written."""
    for file in folder.rglob("[!.]*"):
        if file.suffix == ".json":
            json.loads(file.read_text())
        elif file.suffix == ".safetensors":
            read_tensors(file)


def held(cache: Path) -> CachedRows:
    folder = next((cache / "features").iterdir())
    found = FeatureCache(cache, json.loads((folder / "fingerprint.json").read_text()))
    return found.read()


def refused(ended: Ended) -> None:
    """One line, and no more."""
    assert ended.code in (1, 2), (ended.code, ended.err)
    assert "Traceback" not in ended.err, ended.err
    assert ended.err.strip().splitlines()[-1].startswith("error: "), ended.err
    assert ended.orphans_s is not None


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """Mount a file system of a few kilobytes, where this process may."""
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if done.returncode:
        pytest.skip("no right to mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
