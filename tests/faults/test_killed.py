"""Promises: whatever stops a command, what it said was done is there, the same command goes on to the same bits, no
half file is taken for a whole one, no lock and no unfinished file stays, and no worker lives 5 s longer."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias_pt.models.heads import HEADS
from tests.faults.case import (
    FIT,
    OUTPUTS,
    SMALL_SHARDS,
    SUITES,
    Case,
    figures,
    held,
    require_nothing_left,
    require_whole,
    trained,
)
from tests.faults.records import Row, scale
from tests.faults.victims import Ended, Victims
from tests.helpers.http_server import Mirror, left, tar, tree
from tests.helpers.tiny_data import FOLDER, SIZES, write_waterbirds

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STOPPED = {0, -9, -15, -2, 130, 143}  # 0: it was done before the moment came


def kills(times: int, changes: int, seconds: float, seed: str) -> Iterator[dict[str, Any]]:
    """Draw moments: three of four right before a change to files, one by the clock."""
    rng = random.Random(seed)
    for i in range(times):
        when = {"after": rng.uniform(0, seconds)} if i % 4 == 3 else {"at": rng.randint(1, max(1, changes))}
        yield {**when, "number": SIGNALS[i % 3]}


def stop(case: Case, row: Row, words: list[object], cwd: Path, **options: Any) -> Ended:
    ended = case.victims.run(words, cwd, **options)
    assert ended.code in STOPPED, ended.err
    assert "Traceback" not in ended.err, ended.err
    assert ended.orphans_s is not None, "a worker lives 5 s longer"
    require_whole(cwd)
    return ended


def timed(work: Callable[[], Ended]) -> tuple[Ended, float]:
    start = time.monotonic()
    return work(), time.monotonic() - start


@pytest.mark.parametrize("head", sorted(HEADS))
def test_train(case: Case, counted: Any, tmp_path: Path, head: str) -> None:
    words = [*case.words("train"), *FIT, "--head", head, "--no-baselines", "--out"]
    whole, seconds = timed(lambda: case.whole([*words, tmp_path / "whole"]))
    with counted(1, f"train --head {head}, killed and resumed to the same bits") as row:
        for i, kill in enumerate(kills(scale(1, 10), 30, seconds, head)):
            cwd = tmp_path / str(i)
            cwd.mkdir()
            ended = stop(case, row, [*words, cwd / "run"], cwd, cache=case.cache, **kill)
            made = (cwd / "run" / "config.json").exists()
            again = case.whole([*words, cwd / "run", *(["--resume"] if made else [])], cwd)
            assert "another process" not in again.err
            assert trained(cwd / "run") == trained(tmp_path / "whole"), (kill, ended.code)
            require_nothing_left(cwd)
            row.survived()
            shutil.rmtree(cwd)
    assert whole.code == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_encode(case: Case, counted: Any, tmp_path: Path, workers: int) -> None:
    words = [*case.words("encode", workers=workers), "--encode-batch-size", 8]
    options: dict[str, Any] = {"patch": SMALL_SHARDS}
    whole, seconds = timed(lambda: case.whole(words, tmp_path, cache=tmp_path / "whole", **options))
    expected = held(tmp_path / "whole")
    longest = 0.0
    with counted(1, f"encode --workers {workers}, killed and repeated to the same features") as row:
        for i, kill in enumerate(kills(scale(2, 20), whole.changes, seconds, f"encode {workers}")):
            cache = tmp_path / f"cache{i}"
            ended = stop(case, row, words, tmp_path, cache=cache, **kill, **options)
            longest = max(longest, ended.orphans_s or 0)
            again = case.whole(words, tmp_path, cache=cache, **options)
            assert "waiting" not in again.err
            require_nothing_left(cache)
            found = held(cache)
            assert found.keys.tolist() == expected.keys.tolist()
            keys = [key.hex() for key in expected.keys.tolist()]
            assert np.allclose(found.gather(keys), expected.gather(keys), atol=1e-6)
            row.survived()
        row.note(f"the last worker lived {longest:.1f} s longer than its parent")


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_suites(case: Case, counted: Any, tmp_path: Path, suite: str) -> None:
    words = [*case.words("bench", suite), *SUITES[suite], "--json"]
    cache = case.copy_cache(tmp_path / "cache")
    whole, seconds = timed(lambda: case.whole(words, tmp_path, cache=cache))
    with counted(1, f"bench {suite}, killed and repeated to the same figures") as row:
        for i, kill in enumerate(kills(scale(1, 15), whole.changes, seconds, suite)):
            cache = case.copy_cache(tmp_path / f"cache{i}")
            stop(case, row, words, tmp_path, cache=cache, **kill)
            again = case.whole(words, tmp_path, cache=cache)
            assert figures(json.loads(again.out)) == figures(json.loads(whole.out))
            require_nothing_left(cache)
            row.survived()
            shutil.rmtree(cache)


@pytest.mark.parametrize("command", sorted(OUTPUTS))
def test_outputs(case: Case, counted: Any, tmp_path: Path, command: str) -> None:
    options, files = OUTPUTS[command]
    (tmp_path / "data").symlink_to(case.folder / "data")
    words = [command, case.folder / "done", *options]
    whole, seconds = timed(lambda: case.whole(words, tmp_path))
    expected = [(tmp_path / name).read_bytes() for name in files]
    with counted(1, f"{command} over an older one, killed: the old or the new, whole") as row:
        for kill in kills(scale(2, 15), whole.changes, seconds, command):
            stop(case, row, words, tmp_path, cache=case.cache, **kill)
            assert [(tmp_path / name).read_bytes() for name in files] == expected
            case.whole(words, tmp_path)
            assert [(tmp_path / name).read_bytes() for name in files] == expected
            require_nothing_left(tmp_path)
            row.survived()


PUBLISHED = """
import dataclasses
from debias_pt.datasets import DATASETS
from debias_pt.datasets.named import waterbirds
waterbirds.COUNTS.update({sizes})
source = DATASETS["waterbirds"]
archive = dataclasses.replace(waterbirds.ARCHIVE, url="{url}", files={files})
DATASETS["waterbirds"] = dataclasses.replace(source, card=dataclasses.replace(source.card, archive=archive))
"""


def test_fetch(victims: Victims, counted: Any, mirror: Mirror, tmp_path: Path) -> None:
    content = tree(write_waterbirds(tmp_path / "source") / FOLDER)
    mirror.body = tar(content, top=f"{FOLDER}/")
    known = {"metadata.csv": hashlib.sha256(content["metadata.csv"]).hexdigest()}
    patch = PUBLISHED.format(sizes=SIZES, url=mirror.url, files=known)
    options: dict[str, Any] = {"cache": tmp_path / "cache", "patch": patch, "env": {"no_proxy": "127.0.0.1"}}
    case = Case(victims, tmp_path)
    words = ["data", "fetch", "waterbirds", "--data-root", "data"]

    def fetched(name: str, **kill: Any) -> Ended:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        if kill:
            stop(case, row, words, root, **options, **kill)
            assert not (root / "data" / FOLDER).exists() or tree(root / "data" / FOLDER) == content
        ended = case.whole(words, root, **options)
        assert tree(root / "data" / FOLDER) == content
        assert left(root / "data") == [FOLDER]
        return ended

    whole, seconds = timed(lambda: fetched("whole"))
    with counted(1, "data fetch, killed and repeated: the whole set, and nothing beside it") as row:
        for i, kill in enumerate(kills(scale(3, 20), whole.changes, seconds, "fetch")):
            fetched(str(i), **kill)
            row.survived()
