"""Promises: a run folder, an archive, a table or a vocabulary from an enemy is refused in one line or read for what it
is: nothing hangs, nothing is written elsewhere, nothing is allocated because a header says so."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import stat
import struct
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias_pt.datasets.custom.table import read_table
from debias_pt.datasets.download import bombs as limits
from debias_pt.datasets.download.archive import unpack
from debias_pt.errors import DatasetError, DebiasError, FetchError, FingerprintError
from debias_pt.features.clip_retrieval import _read
from debias_pt.features.table import FeatureTable
from debias_pt.utils.checked_json import with_checksum
from debias_pt.utils.files import read_tensors
from debias_pt.workflows.run_folder import RunFolder
from tests.faults.case import Case
from tests.faults.records import LONG, scale

WRONG: list[Any] = [None, True, -1, 1e300, "x" * 50, "../../../etc/passwd", "\x1b[2J", [], [[[]]], {}, {"a": {"b": 1}}]
JSON_FILES = ("config.json", "run.json", "result.json")
TEXTS = ["", "[" * 100_000, '{"a":' * 100_000, "NaN", '{"dataset": NaN}', "[]", '"x"', "null", "1e999", '{"a": 1}',
         '{"a": 1' + "0" * 5000 + "}", "\0" * 100, '{"method": "dpt"}']  # fmt: skip
COMMANDS: dict[str, Callable[[Path], list[object]]] = {
    "eval": lambda run: ["eval", run, "--json"],
    "report": lambda run: ["report", run, "--no-images"],
    "export": lambda run: ["export", run],
    "compare": lambda run: ["compare", run, run],
}


def refused_or_read(case: Case, words: list[object], cwd: Path) -> None:
    """Run a command: it succeeds, or says one line; it writes nothing beside the run folder and its cache."""
    ended = case.victims.run(words, cwd, cache=case.cache)
    assert ended.code in (0, 1, 2), ended.err
    assert "Traceback" not in ended.err, ended.err
    lines = [line for line in ended.err.strip().splitlines() if line.startswith("error: ")]
    assert len(lines) == (ended.code != 0), ended.err
    assert ended.orphans_s is not None


def test_fields_of_other_types(case: Case, counted: Any, tmp_path: Path) -> None:
    rng = random.Random(0)
    whole = {name: json.loads((case.folder / "done" / name).read_text()) for name in JSON_FILES}
    with counted(4, "a run folder by an enemy: fields missing or of other types, checksums right") as row:
        for number in range(scale(3, 60)):
            run = tmp_path / "run"
            shutil.copytree(case.folder / "done", run)
            name = JSON_FILES[number % 3]
            value = {key: part for key, part in whole[name].items() if key != "sha256"}
            change(value, rng)
            (run / name).write_text(json.dumps(with_checksum(value)))
            command = sorted(COMMANDS)[(number // 3) % len(COMMANDS)]
            refused_or_read(case, COMMANDS[command](run), tmp_path)
            assert {path.name for path in tmp_path.iterdir()} == {"run"}, (name, value)
            shutil.rmtree(run)
            row.survived()


def change(value: Any, rng: random.Random) -> None:
    """Put something else somewhere into an object, or take something out."""
    place = rng.choice(sorted(value)) if isinstance(value, dict) else rng.randrange(len(value))
    inner = value[place]
    if isinstance(inner, dict | list) and inner and rng.random() < 0.6:
        change(inner, rng)
    elif isinstance(value, dict) and rng.random() < 0.3:
        del value[place]
    else:
        value[place] = rng.choice(WRONG)


def test_what_is_no_file_of_a_run(case: Case, counted: Any, tmp_path: Path) -> None:
    def pipe(path: Path) -> None:
        os.mkfifo(path)

    def device(path: Path) -> None:
        path.symlink_to("/dev/zero")

    def loop(path: Path) -> None:
        path.symlink_to(path)

    def sparse(path: Path) -> None:
        with open(path, "wb") as file:
            file.truncate(1 << 40)

    kinds: list[Callable[[Path], Any]] = [pipe, device, loop, sparse, lambda path: path.mkdir()]
    kinds += [lambda path, text=text: path.write_text(text) for text in TEXTS]  # type: ignore[misc]
    names = [*JSON_FILES, "history.jsonl", "prompt.safetensors", "baseline.safetensors", "checkpoint.safetensors"]
    readers: dict[str, Callable[[RunFolder], Any]] = {
        "config.json": lambda run: run.config, "run.json": lambda run: run.facts, "result.json": lambda run: run.result,
        "history.jsonl": lambda run: run.history(), "prompt.safetensors": lambda run: run.read_prompt(),
        "baseline.safetensors": lambda run: run.read_baseline(),
        "checkpoint.safetensors": lambda run: run.read_checkpoint(),
    }  # fmt: skip
    with counted(4, "pipes, devices, loops, 1 TiB of nothing, deep and odd JSON in a run folder: refused") as row:
        for name in names:
            for make in kinds:
                run = RunFolder(tmp_path / "run")
                shutil.copytree(case.folder / "done", run.path)
                (run.path / name).unlink(missing_ok=True)
                make(run.path / name)
                start = time.monotonic()
                try:
                    readers[name](run)
                except DebiasError as error:
                    assert "\n" not in str(error), name
                assert time.monotonic() - start < 10
                shutil.rmtree(run.path)
                row.survived()


def test_a_run_names_no_place_to_write_to(case: Case, counted: Any, tmp_path: Path) -> None:
    run, victim = tmp_path / "run", tmp_path / "victim"
    with counted(4, "a run folder with links, and a cache in another folder: nothing is written there") as row:
        for command in sorted(COMMANDS)[: scale(1, 4)]:
            shutil.copytree(case.folder / "done", run)
            victim.write_text("mine")
            config = {**RunFolder(run).config, "cache_dir": str(tmp_path / "elsewhere"), "download": True}
            (run / "config.json").write_text(json.dumps(with_checksum(config)))
            for name in (".lock", "report.html", "comparison.html"):
                (run / name).symlink_to(victim)
            refused_or_read(case, COMMANDS[command](run), tmp_path)
            again = [*case.words("train"), "--steps", 12, "--checkpoint-every", 3, "--seeds", 2, "--batch-size", 16]
            refused_or_read(case, [*again, "--out", run, "--resume"], tmp_path)
            assert victim.read_text() == "mine", command
            assert {path.name for path in tmp_path.iterdir()} == {"run", "victim"}, command
            shutil.rmtree(run)
            row.survived()


def promised(header: dict[str, Any], data: bytes = b"\0" * 64) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


HEADERS = [
    {"x": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}},
    {"x": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 64]}},
    {"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 64]}},
    {"x": {"dtype": "F32", "shape": [16], "data_offsets": [64, 0]}},
    {"x": {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}, "y": {"dtype": "F32", "shape": [16],
                                                                          "data_offsets": [0, 64]}},
    {"x": {"dtype": "pickle", "shape": [16], "data_offsets": [0, 64]}},
    {"__metadata__": {"debias_pt": "[" * 100_000}, "x": {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}},
    {"__metadata__": {"debias_pt": "{}", "crc32": "[1]"}},
    {"__metadata__": {"debias_pt": "{}", "crc32": "{\"x\": 1}"}},
]  # fmt: skip


def test_headers_that_promise_too_much(counted: Any, tmp_path: Path) -> None:
    with counted(4, "safetensors and npy headers that promise up to 2^62 bytes: refused, nothing allocated") as row:
        bodies = [promised(header) for header in HEADERS] + [struct.pack("<Q", 1 << 62) + b"{}", b"", b"\xff" * 9]
        tracemalloc.start()
        for body in bodies:
            file = tmp_path / "x.safetensors"
            file.write_bytes(body)
            with pytest.raises(FingerprintError, match="x.safetensors"):
                read_tensors(file)
            with pytest.raises(DebiasError):
                FeatureTable.load(file)
            row.survived(2)
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        for name in ("img_emb", "metadata"):
            (tmp_path / name).mkdir()
        parquet.write_table(pyarrow.table({"label": ["cat"]}), tmp_path / "metadata" / "0.parquet")
        for shape, kind in (((1 << 44, 8), "<f4"), ((1 << 62,), "<f8"), ((1, 8), "|O"), ((-1, 4), "<f4")):
            start = io.BytesIO()
            np.lib.format.write_array_header_1_0(start, {"descr": kind, "fortran_order": False, "shape": shape})
            (tmp_path / "img_emb" / "0.npy").write_bytes(start.getvalue() + b"\0" * 32)
            with pytest.raises(DatasetError, match="part 0 cannot be read"):
                _read(tmp_path)
            row.survived()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 26


def bombs(folder: Path) -> dict[str, Path]:
    """Write archives that unpack to more than they should, or to what is no file."""
    found = {}

    def tar(name: str, mode: str, *members: tuple[tarfile.TarInfo, bytes | None]) -> None:
        found[name] = folder / name
        with tarfile.open(found[name], mode) as archive:  # type: ignore[call-overload]
            for info, data in members:
                archive.addfile(info, None if data is None else io.BytesIO(data))

    def info(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
        made = tarfile.TarInfo(name)
        made.type, made.size, made.linkname = kind, size, link
        return made

    zeros = bytes(1 << 20)
    tar("ratio.tar.gz", "w:gz", *[(info(f"{i}", size=len(zeros)), zeros) for i in range(3)])
    tar("count.tar.gz", "w:gz", *[(info(f"{i}"), b"") for i in range(1200)])
    tar("links.tar.gz", "w:gz", (info("a", size=1 << 16), bytes(1 << 16)),
        *[(info(f"l{i}", tarfile.LNKTYPE, link="a"), None) for i in range(90)])  # fmt: skip
    tar("device.tar", "w", (info("zero", tarfile.CHRTYPE), None))
    tar("pipe.tar", "w", (info("pipe", tarfile.FIFOTYPE), None))
    tar("up.tar", "w", (info("../up", size=1), b"x"))
    tar("absolute.tar", "w", (info("/tmp/absolute", size=1), b"x"))
    tar("link-out.tar", "w", (info("l", tarfile.SYMTYPE, link="../../etc/passwd"), None))
    found["header.tar.gz"] = folder / "header.tar.gz"
    import gzip

    with gzip.open(found["header.tar.gz"], "wb") as file:
        head = info("pax", tarfile.XHDTYPE, size=1 << 34)
        file.write(head.tobuf(tarfile.GNU_FORMAT))
        for _ in range(9):
            file.write(bytes(1 << 20))
    for name, kind, body in (
        ("ratio.zip", stat.S_IFREG, bytes(3 << 20)), ("link.zip", stat.S_IFLNK, bytes(1 << 20)),
        ("up.zip", stat.S_IFREG, b"x"), ("pipe.zip", stat.S_IFIFO, b""),
    ):  # fmt: skip
        found[name] = folder / name
        with zipfile.ZipFile(found[name], "w", zipfile.ZIP_DEFLATED) as archive:
            member = zipfile.ZipInfo("../up" if name == "up.zip" else "member")
            member.external_attr, member.compress_type = (kind | 0o644) << 16, zipfile.ZIP_DEFLATED
            archive.writestr(member, body)
    return found


def test_archives(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALWAYS_BYTES", 1 << 20)
    monkeypatch.setattr(limits, "ALWAYS_MEMBERS", 1000)
    with counted(4, "archives: bombs by ratio, count, links and headers, escapes, devices, pipes: refused") as row:
        (tmp_path / "packed").mkdir()
        for name, file in bombs(tmp_path / "packed").items():
            into = tmp_path / "into" / name
            into.mkdir(parents=True)
            with pytest.raises(FetchError):
                unpack(file, into)
            assert sum(path.stat().st_size for path in into.rglob("*")) < 4 << 20, name
            shutil.rmtree(into)
            row.survived()
        assert {path.name for path in tmp_path.iterdir()} == {"packed", "into"}


ENCODED = {"utf-8": True, "utf-8-sig": True, "utf-16": False, "utf-32": False, "latin-1": False, "cp1252": False,
           "shift_jis": False, "utf-7": False}  # fmt: skip


def test_odd_encodings(counted: Any, tmp_path: Path) -> None:
    with counted(4, "tables in other encodings: read where they are UTF-8, else refused with the reason") as row:
        for encoding, fine in ENCODED.items():
            text = "image,label\na.png,caf\u00e9\n" if encoding != "shift_jis" else "image,label\na.png,\u732b\n"
            (tmp_path / "t.csv").write_bytes(text.encode(encoding))
            if fine:
                assert read_table(tmp_path / "t.csv").labels == ["caf\u00e9"]
            elif encoding == "utf-7":  # letters of ASCII: it is what it says
                read_table(tmp_path / "t.csv")
            else:
                with pytest.raises(DatasetError, match=r"t\.csv: not a valid \.csv table"):
                    read_table(tmp_path / "t.csv")
            row.survived()


@pytest.mark.skipif(not LONG, reason="takes a minute: DEBIAS_PT_FAULTS=long")
def test_a_table_of_ten_million_rows(counted: Any, tmp_path: Path) -> None:
    rows = 10_000_000
    file = tmp_path / "large.csv"
    with open(file, "w") as out:
        out.write("image,label,split\n")
        for first in range(0, rows, 100_000):
            out.write("".join(f"{i % 997}/{i}.jpg,c{i % 10},train\n" for i in range(first, first + 100_000)))
    with counted(4, "a table of 10,000,000 rows") as row:
        start = time.monotonic()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if len(read_table(file).ids) == rows else 1)
        _, status, used = os.wait4(pid, 0)
        assert status == 0
        row.note(f"read in {time.monotonic() - start:.0f} s with {used.ru_maxrss / 2**20:.1f} GiB of memory")
        row.survived()
