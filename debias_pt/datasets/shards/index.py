"""What is in a shard: its samples with their labels, where their images lie and what these hash to; remembered."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from debias_pt.datasets.image_formats import is_image
from debias_pt.datasets.shards.members import Packed, members
from debias_pt.errors import DatasetError, DebiasError, UsageError
from debias_pt.utils.checked_json import read_checked, with_checksum
from debias_pt.utils.files import make_folder, write_json
from debias_pt.utils.fingerprint import digest
from debias_pt.utils.hashing import RACY_NS
from debias_pt.utils.stores.access import information
from debias_pt.utils.stores.addresses import is_remote, shown
from debias_pt.utils.stores.versions import version_key

EDITION = 1  # raise it when the same shards are read differently
WORDS = 1 << 16  # bytes of a file that may be a label
Sample = dict[str, Any]  # name, image, start, size, sha256, columns


def samples_of(shard: str, cache_dir: Path | None) -> list[Sample]:
    """Return a shard's samples, read whole only if it is not the one that is remembered.

    Raises
    ------
    DatasetError
        If it is missing, cut or damaged, or a sample is not understood; names the shard and the file or sample.
    """
    key = _version(shard)
    file = cache_dir / "shards" / f"{key[:32]}.json" if cache_dir and key else None
    known = _remembered(file) if file else None
    if known is not None:
        return known
    samples = [_sample(shard, name, parts) for name, parts in _grouped(shard)]
    if not samples:
        raise DatasetError(f"{shown(shard)}: holds no sample; leave it out")
    if file:
        _remember(file, samples)
    return samples


def _version(shard: str) -> str:
    """Return a key for the shard as it is now; empty if a change could not be told."""
    if is_remote(shard):
        info = information(shard)
        if info is None:
            raise DatasetError(f"{shown(shard)}: no such shard; check its name")
        found = version_key(shard, info)
        return found and digest([found, EDITION])
    try:
        status = os.stat(shard)
    except OSError as error:
        raise DatasetError(f"{shard}: no such shard ({error.strerror}); check its name") from error
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < RACY_NS:
        return ""
    stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    return digest([os.path.abspath(shard), *stamp, EDITION])


def _grouped(shard: str) -> Iterator[tuple[str, dict[str, Packed]]]:
    """Yield samples by webdataset's rule: files that follow each other and share their name up to the first dot."""
    from webdataset.tariterators import group_by_keys

    files = ({"fname": one.name, "data": one, "__url__": shard} for one in members(shard))
    try:
        for sample in group_by_keys(files):
            yield sample["__key__"], {name: one for name, one in sample.items() if isinstance(one, Packed)}
    except DebiasError:
        raise
    except ValueError as error:
        raise DatasetError(f"{shown(shard)}: {str(error.args[0]).split(' dict_keys')[0]}; write it again") from error


def _sample(shard: str, name: str, parts: dict[str, Packed]) -> Sample:
    images = [part for ending, part in parts.items() if is_image(f"x.{ending}")]
    if len(images) != 1:
        seen = f"{len(images)} images ({', '.join(one.name for one in images)})" if images else "no image"
        raise DatasetError(f"{shown(shard)}: the sample {name!r} has {seen}, one expected ({', '.join(parts)})")
    image = images[0]
    columns: dict[str, Any] = {}
    for ending, part in parts.items():
        if part is not image and len(part.content) <= WORDS:
            columns |= _columns(shard, ending, part)
    return {
        "image": image.name,
        "start": image.start,
        "size": len(image.content),
        "sha256": hashlib.sha256(image.content).hexdigest(),
        "columns": columns,
    }


def _columns(shard: str, ending: str, part: Packed) -> dict[str, Any]:
    """Return what a file next to an image says: the fields of a JSON object, or one word; nothing for other data."""
    try:
        text = part.content.decode("utf-8")
        if ending != "json":
            return {ending: text.strip()}
        found = json.loads(text)
    except UnicodeDecodeError:
        return {}
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{shown(shard)}: {part.name!r} is not valid JSON ({error}); write it again") from error
    return found if isinstance(found, dict) else {"json": found}


def _remembered(file: Path) -> list[Sample] | None:
    try:
        samples: list[Sample] = read_checked(file, samples=list)["samples"]
    except UsageError:  # missing, damaged or something else
        return None
    return samples


def _remember(file: Path, samples: list[Sample]) -> None:
    try:
        make_folder(file.parent)
        write_json(file, with_checksum({"samples": samples}))
    except UsageError:
        pass  # it only saves time
