"""Few-shot files as CoOp's code writes them, and its rule in plain loops."""

from __future__ import annotations

import pickle
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from unittest import mock


def write_shots(file: Path, train: Sequence[tuple[str, int]], val: Sequence[tuple[str, int]]) -> None:
    """Pickle records of the class that CoOp's code has them in, under that class's name."""
    names = ["dassl", "dassl.data", "dassl.data.datasets", "dassl.data.datasets.base_dataset"]
    modules = {name: ModuleType(name) for name in names}
    record = type("Datum", (), {"__module__": names[-1]})
    modules[names[-1]].Datum = record  # type: ignore[attr-defined]

    def made(path: str, label: int) -> object:
        one = record()
        vars(one).update(_impath=path, _label=label, _domain=0, _classname="a name")
        return one

    content = {"train": [made(*one) for one in train], "val": [made(*one) for one in val]}
    file.parent.mkdir(parents=True, exist_ok=True)
    with mock.patch.dict(sys.modules, modules):
        file.write_bytes(pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL))


def drawn_in_plain_loops(
    train: Sequence[tuple[str, int]], val: Sequence[tuple[str, int]], shots: int, seed: int
) -> tuple[list[str], list[str]]:
    """Draw as CoOp's code does, by the global generator as there; images are (path, label) in the file's order."""
    before = random.getstate()
    random.seed(seed)
    try:
        found: tuple[list[str], list[str]] = ([], [])
        for part, images, wanted in ((0, train, shots), (1, val, min(shots, 4))):
            of_label: dict[int, list[str]] = {}
            for path, label in images:
                of_label.setdefault(label, []).append(path)
            for paths in of_label.values():
                found[part].extend(random.sample(paths, wanted) if len(paths) >= wanted else paths)
        return found
    finally:
        random.setstate(before)
