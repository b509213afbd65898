"""What is killed: commands on tiny data with a tiny model, how they are repeated, and what must be the same then."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debias_pt.utils.cleanup import UNFINISHED
from debias_pt.utils.files import read_tensors
from tests.faults.victims import Ended, Victims
from tests.helpers.tiny_data import write_checkpoint, write_waterbirds

FIT = ["--steps", 12, "--checkpoint-every", 3, "--seeds", 2, "--batch-size", 16]
NEVER_THE_SAME = {"seconds", "run", "finished", "computed", "stored", "stored_rows", "written", "sha256"}


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
