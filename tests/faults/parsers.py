"""Every parser of ours as a function of bytes, which may raise its own errors and nothing else; and seeds for each."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from debias_pt.datasets.attributes import Attribute
from debias_pt.datasets.coop_shots import read_shots
from debias_pt.datasets.coop_split import read_split
from debias_pt.datasets.custom.table import read_table
from debias_pt.datasets.download.archive import unpack
from debias_pt.discovery.words import read_vocabulary
from debias_pt.errors import DebiasError
from debias_pt.features.table import FeatureTable
from debias_pt.settings import TrainSettings, resolve
from debias_pt.training.search_space import parse_space
from debias_pt.utils.checked_json import checked_lines, read_checked, read_checked_lines, with_checksum
from debias_pt.utils.files import read_arrays, read_json, read_tensors, write_tensors
from debias_pt.utils.hashing import _read_index
from debias_pt.workflows.run_folder import RunFolder

TOKENS = [
    b'{"', b'": ', b"[" * 40, b"NaN", b"1e999", b"-" * 9, b"\0", b"\xff\xfe", b"null", b'"sha256": 0', b"..",
    b"/etc/passwd", b"\x80\x04", b"PK\x03\x04", b"\x1f\x8b\x08", b"PAR1", b",", b"\n", b"=", b"|", b":", b"}",
]  # fmt: skip


def settings(file: Path) -> object:
    found = read_json(file)
    return resolve(TrainSettings, found) if isinstance(found, dict) else None


def run_folder(file: Path) -> object:
    """Read all of a run folder whose files are the same bytes."""
    for name in ("config.json", "result.json", "run.json", "history.jsonl"):
        (file.parent / name).write_bytes(file.read_bytes())
    run = RunFolder(file.parent)
    return [read() for read in (lambda: run.config, lambda: run.result, lambda: run.facts, run.history)]


def unpacked(file: Path) -> None:
    into = file.parent / "into"
    into.mkdir()
    unpack(file, into)
    assert {path.name for path in file.parent.iterdir()} == {file.name, "into"}


def words(file: Path) -> object:
    text = file.read_bytes().decode(errors="surrogateescape")
    return Attribute.parse(text)


def space(file: Path) -> object:
    return parse_space(file.read_bytes().decode(errors="surrogateescape").splitlines())


PARSERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "table.csv": ("x.csv", read_table), "table.tsv": ("x.tsv", read_table), "table.jsonl": ("x.jsonl", read_table),
    "table.parquet": ("x.parquet", read_table), "json": ("x.json", read_json), "checked": ("x.json", read_checked),
    "history": ("x.jsonl", lambda file: list(read_checked_lines(file))), "settings": ("x.json", settings),
    "run": ("x.json", run_folder), "tensors": ("x.safetensors", read_tensors),
    "arrays": ("x.safetensors", lambda file: read_arrays(file, ["x"])),
    "features": ("x.safetensors", FeatureTable.load), "features.parquet": ("x.parquet", FeatureTable.load),
    "archive": ("x.tar", unpacked), "vocabulary": ("x.txt", lambda file: read_vocabulary(str(file))),
    "split": ("x.json", read_split), "shots": ("x.pkl", read_shots), "hashes": ("x.json", _read_index),
    "attribute": ("x.txt", words), "space": ("x.txt", space),
}  # fmt: skip


def parse(name: str, data: bytes) -> None:
    """Read bytes; an error that is not ours goes on."""
    ending, read = PARSERS[name]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, ending)
        file.write_bytes(data)
        try:
            read(file)
        except DebiasError as error:
            assert "\n" not in str(error), name


def seeds() -> dict[str, bytes]:
    """Return a good input of each kind, from which others are made."""
    import io
    import tarfile

    import pyarrow
    from pyarrow import parquet as parquet_files

    with tempfile.TemporaryDirectory() as folder:
        write_tensors(Path(folder, "x"), {"x": torch.ones(2, 3)}, {"class_names": ["cat"]})
        tensors = Path(folder, "x").read_bytes()
        table = FeatureTable(
            ids=("a", "b"), features=np.eye(2, 4, dtype=np.float32), y=np.array([0, 1]),
            split=np.array(["train", "val"]), class_names=("cat", "dog"),
        )  # fmt: skip
        features = table.save(Path(folder, "t.safetensors")).read_bytes()
        parquet = table.save(Path(folder, "t.parquet")).read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo("a/b.txt")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    listed = io.BytesIO()
    parquet_files.write_table(pyarrow.table({"image": ["a.png", "b.png"], "label": ["cat", "dog"]}), listed)
    csv = b"image,label,split\na.png,cat,train\nb.png,dog,test\n"
    lines = b'{"image": "a.png", "label": "cat"}\n'
    checked = json.dumps(with_checksum({"method": "dpt", "steps": 3, "seeds": [0], "lr": 0.1})).encode()
    split = json.dumps({part: [[f"{part}.jpg", 0, "cat"]] for part in ("train", "val", "test")}).encode()
    found = {
        "table.csv": csv, "table.tsv": csv.replace(b",", b"\t"), "table.jsonl": lines,
        "table.parquet": listed.getvalue(),
        "settings": b'{"method": "dpt", "steps": 3, "lr": 0.1}',
        "history": checked_lines([{"step": 0, "loss": [0.5]}, {"step": 1, "loss": [0.4]}]).encode(),
        "tensors": tensors, "arrays": tensors, "features": features, "features.parquet": parquet,
        "archive": packed.getvalue(), "vocabulary": b"water\nland\n", "split": split, "shots": b"\x80\x04}.",
        "attribute": b"background=land:water", "space": b"lr=0.001:0.1:log\nsteps=16,32\n",
    }  # fmt: skip
    return {name: found.get(name, checked) for name in PARSERS}


def bent(data: bytes, rng: random.Random) -> bytes:
    """Change a good input: bytes, tokens put in, parts doubled or cut out."""
    body = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
        kind = rng.randrange(5)
        if kind == 0:
            body[place:end] = b""
        elif kind == 1:
            body[place:place] = body[place:end]
        elif kind == 2:
            body[place:place] = rng.choice(TOKENS)
        elif kind == 3:
            body[place:end] = rng.choice(TOKENS)
        elif place < len(body):
            body[place] = rng.randrange(256)
    return bytes(body)
