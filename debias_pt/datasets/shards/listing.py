"""Shards as a data set: their samples as rows, labels and splits from the files beside the images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from debias_pt.datasets.custom.listing import AS_USUAL, CustomData, Listing
from debias_pt.datasets.custom.table import USUAL, read_columns
from debias_pt.datasets.shards.index import Sample, samples_of
from debias_pt.datasets.shards.names import expand, split_by_name
from debias_pt.errors import DatasetError
from debias_pt.utils.progress import progress
from debias_pt.utils.stores.addresses import Member, is_remote
from debias_pt.utils.stores.place import place

LABELS = (*USUAL["label"], "cls", "txt")


def read_shards(text: str, own: CustomData = AS_USUAL, cache_dir: Path | None = None) -> Listing:
    """List the samples of all shards; each is read once, from its beginning to its end, several at a time.

    Parameters
    ----------
    text : str
        As :func:`debias_pt.datasets.shards.names.expand` takes it.
    own : CustomData
        Which column is what; columns are the endings beside the image (``cls``, ``txt``) and the fields of ``json``.
    cache_dir : Path, optional
        Where to remember what is in a shard.

    Raises
    ------
    DatasetError
        If a shard is missing, cut or damaged, or a sample lacks a label; names the shard and the sample.
    """
    if own.image_column or own.image_root:
        raise DatasetError(
            f"--image-{'column' if own.image_column else 'root'} is for tables, and {text} are shards, whose "
            "images are known by their endings; leave it out"
        )
    shards = expand(text)
    root = _common_folder(shards)
    rows = [(shard, sample) for shard, some in zip(shards, _all(shards, cache_dir), strict=True) for sample in some]
    ids = [f"{shard[len(root) :].lstrip('/')}/{sample['image']}" for shard, sample in rows]
    table = _table([sample for _, sample in rows])
    label = own.label_column or next((name for name in LABELS if name in table), None)
    if label is None:
        raise DatasetError(
            f"{text}: no label beside the images ({', '.join(LABELS)} looked for); there is "
            f"{', '.join(table) or 'nothing'}: name it with --label-column"
        )
    labels, splits, attributes = read_columns(
        text, table, replace(own, label_column=label), lambda row: f"the sample {ids[row - 1]}"
    )
    files = {
        name: str(Member(shard, sample["start"], sample["size"], sample["image"]))
        for name, (shard, sample) in zip(ids, rows, strict=True)
    }
    keys = {name: sample["sha256"] for name, (_, sample) in zip(ids, rows, strict=True)}
    named = splits or _by_name(text, [shard for shard, _ in rows])
    return Listing(text, place(root or "."), ids, labels, named, attributes, files, keys)


def _all(shards: Sequence[str], cache_dir: Path | None) -> list[list[Sample]]:
    threads = min(len(shards), 16 if is_remote(shards[0]) else (os.cpu_count() or 1))
    found = []
    with ThreadPoolExecutor(threads) as pool, progress("reading shards", len(shards), "shards") as advance:
        for samples in pool.map(partial(samples_of, cache_dir=cache_dir), shards):
            found.append(samples)
            advance(1)
    return found


def _common_folder(shards: Sequence[str]) -> str:
    parts = zip(*(shard.split("/")[:-1] for shard in shards), strict=False)
    return "/".join(names[0] for names in takewhile(lambda names: len(set(names)) == 1, parts))


def _table(samples: Sequence[Sample]) -> dict[str, list[Any]]:
    columns = dict.fromkeys(name for sample in samples for name in sample["columns"])
    return {name: [sample["columns"].get(name) for sample in samples] for name in columns}


def _by_name(text: str, shards: Sequence[str]) -> list[str] | None:
    """Return the splits that the shards' names tell: of all, or of none."""
    told = {shard: split_by_name(shard) for shard in dict.fromkeys(shards)}
    if not any(told.values()):
        return None
    silent = next((shard for shard, split in told.items() if split is None), None)
    if silent is not None:
        raise DatasetError(
            f"{text}: some shards are named after splits and others are not, such as {silent}; name all, or give a "
            "--split-column"
        )
    return [told[shard] or "" for shard in shards]
