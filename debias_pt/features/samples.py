"""Images that come from Python: sequences of (image, label), torch and WILDS data sets."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from debias_pt.datasets.images import open_rgb, to_rgb
from debias_pt.datasets.splits import Shares, split_of
from debias_pt.errors import DatasetError, ImageError, UsageError
from debias_pt.features.cache import FeatureCache, table_features
from debias_pt.features.encoding import EncodeStats, encode_tensors
from debias_pt.features.loader import default_workers
from debias_pt.features.sample_items import Columns, items_of, pair, require_samples, undecoded
from debias_pt.features.table import FeatureTable, join_tables, table_from_arrays
from debias_pt.models.backbone import Backbone
from debias_pt.utils.files import default_cache_dir
from debias_pt.utils.hashing import file_digest
from debias_pt.utils.progress import progress

ROWS = 256  # images held at a time


def encode_samples(
    backbone: Backbone,
    samples: Any,
    class_names: Sequence[str],
    *,
    split: str | Sequence[str] | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
    ids: Sequence[str] | None = None,
    shares: Shares | None = None,
    name: str = "samples",
    cache_dir: Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    workers: int | None = None,
) -> tuple[FeatureTable, EncodeStats]:
    """Encode images given as Python objects; those that were encoded before come from the cache.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    samples : sequence, stream, data set of torch, torchvision, ``datasets`` or WILDS; or a mapping of split to such
        N items ``(image, label, ...)``, or rows with an image and a label, each read once. A stream (an
        ``IterableDataset``, a generator) has no length. An image is a path, a PIL image, or an array or
        tensor: uint8 of shape (H, W) or (H, W, 3), or 0 to 1 of shape (3, H, W), without a model's
        normalisation. A label is a class's number or name.
    class_names : sequence of str
        K names, as used in prompts.
    split : str or sequence of str, optional
        One for all, or one per item. Default: the mapping's keys, or a WILDS data set's own, else drawn by
        `shares`.
    attributes : mapping of str to sequence of str, optional
        Annotated attributes, a value per item. Default: a WILDS data set's metadata, else none.
    ids : sequence of str, optional
        Unique names; default ``"0"``, ``"1"``, ...
    shares : Shares, optional
        How to draw splits that are not given.
    name : str
        The table's name.
    cache_dir : Path, optional
        Default: ``$DEBIAS_PT_CACHE`` or ``~/.cache/debias-pt``.
    image_column, label_column : str, optional
        Where items are rows with names; by default the usual ones are tried.
    workers : int, optional
        Threads that decode and preprocess; default one per core, at most 8. Images in the cache are not decoded if
        they come as paths or from ``datasets``.

    Returns
    -------
    table : FeatureTable
        N rows in order.
    stats : EncodeStats

    Raises
    ------
    DatasetError
        If an item is not (image, label), a label is unknown, or a split has another name; names the item.

    Examples
    --------
    >>> table, _ = encode_samples(backbone, [(image, "cat"), ...], ["cat", "dog"])   # doctest: +SKIP
    """
    if isinstance(samples, Mapping):
        more = {"image_column": image_column, "label_column": label_column, "workers": workers}
        return _by_split(backbone, samples, class_names, cache_dir, name, [split, attributes, ids, shares], more)
    start = time.perf_counter()
    cache = FeatureCache(cache_dir or default_cache_dir(), backbone.fingerprint)
    columns = (image_column, label_column)
    keys, y, encoded = _encode(backbone, samples, tuple(class_names), cache, columns, workers)
    table = table_from_arrays(
        table_features(cache.read(), keys, cache.folder, f"samples {name}"),
        y,
        class_names,
        split=_wilds_splits(samples) if split is None else split,
        attributes=_wilds_attributes(samples) if attributes is None else attributes,
        ids=ids,
        shares=shares,
        name=name,
        fingerprint=backbone.fingerprint,
        image_hashes=tuple(keys),
    )
    return table, EncodeStats(len(table), encoded, time.perf_counter() - start, str(cache.folder))


def _by_split(
    backbone: Backbone,
    samples: Mapping[str, Any],
    class_names: Sequence[str],
    cache_dir: Path | None,
    name: str,
    options: Sequence[object],
    more: Mapping[str, Any],
) -> tuple[FeatureTable, EncodeStats]:
    """Encode one set of samples per split."""
    if any(option is not None for option in options):
        raise UsageError("split, attributes, ids and shares go with one set of samples, not with a mapping of splits")
    parts = []
    for split, one in samples.items():
        part, stats_of = encode_samples(backbone, one, class_names, split=split, name=name, cache_dir=cache_dir, **more)
        parts.append((replace(part, ids=tuple(f"{split}/{i}" for i in range(len(part)))), stats_of))
    stats = [part for _, part in parts]
    whole = EncodeStats(
        sum(one.images for one in stats),
        sum(one.encoded for one in stats),
        sum(one.seconds for one in stats),
        stats[0].cache,
    )
    return join_tables([table for table, _ in parts]), whole


def _encode(
    backbone: Backbone,
    samples: Any,
    class_names: tuple[str, ...],
    cache: FeatureCache,
    columns: Columns,
    workers: int | None,
) -> tuple[list[str], NDArray[np.int64], int]:
    """Return every item's content hash and label, and how many were encoded now."""
    if backbone.decoder is not None:  # else the cache would file Pillow's features as the device's
        raise UsageError("samples in Python are decoded by Pillow; load the model with decode='cpu'")
    total = require_samples(samples)
    keys: list[str] = []
    labels: list[int] = []
    rows = cache.read()
    added: set[str] = set()
    items = enumerate(items_of(undecoded(samples, columns), total))
    threads = default_workers() if workers is None else max(1, workers)
    with ThreadPoolExecutor(threads) as pool, progress(f"encoding with {backbone.name}", total, "images") as advance:
        while some := [_item(item, number, class_names, columns) for number, item in islice(items, ROWS)]:
            unknown = set(rows.missing([one.key for one in some])) - added
            new = {one.key: one for one in some if one.key in unknown}
            if new:
                tensors = list(pool.map(partial(_preprocessed, backbone), new.values()))
                cache.add(list(new), encode_tensors(backbone, tensors, [one.what for one in new.values()]))
                added |= unknown
            keys += [one.key for one in some]
            labels += [one.label for one in some]
            advance(len(some))
    if not keys:
        raise DatasetError("there are no samples; give at least one (image, label)")
    return keys, np.array(labels, dtype=np.int64), len(added)


class _Item(NamedTuple):
    """A sample: content hash, image (a path, a file's bytes, or RGB), class number, and what to call it."""

    key: str
    image: Any
    label: int
    what: str


def _preprocessed(backbone: Backbone, item: _Item) -> torch.Tensor:
    if isinstance(item.image, bytes):
        return backbone.preprocess(open_rgb(item.what, backbone.decode_at_least, item.image))
    if isinstance(item.image, str | Path):
        return backbone.preprocess(open_rgb(item.image, backbone.decode_at_least))
    return backbone.preprocess(item.image)


def _item(item: Any, number: int, class_names: tuple[str, ...], columns: Columns) -> _Item:
    """Return an item with its image's content hash; files are not decoded for it."""
    image, given = pair(item, number, columns)
    label = _label(given, number, class_names)
    if isinstance(image, str | Path):
        return _Item(file_digest(str(image)), image, label, str(image))
    what = f"sample {number}"
    if isinstance(image, bytes):
        return _Item(hashlib.sha256(image).hexdigest(), image, label, what)
    try:
        rgb = to_rgb(image)
    except ImageError as error:
        raise DatasetError(f"sample {number}: {error}") from error
    return _Item(hashlib.sha256(f"RGB {rgb.size} ".encode() + rgb.tobytes()).hexdigest(), rgb, label, what)


def _label(label: Any, number: int, class_names: tuple[str, ...]) -> int:
    if isinstance(label, str) and label in class_names:
        return class_names.index(label)
    if isinstance(label, torch.Tensor | np.ndarray) and np.asarray(label).size == 1:
        label = label.item()
    if isinstance(label, int | np.integer) and 0 <= label < len(class_names):
        return int(label)
    raise DatasetError(
        f"sample {number} has the label {label!r}; 0 to {len(class_names) - 1} or a name expected "
        f"({', '.join(class_names)})"
    )


def _wilds_splits(samples: Any) -> list[str] | None:
    """Return the splits of a WILDS data set; anything else has none."""
    if not hasattr(samples, "split_array"):
        return None
    numbers = {int(number): part for part, number in samples.split_dict.items()}
    words = [numbers.get(int(number), str(number)) for number in samples.split_array]
    splits = [split_of(word) for word in words]
    if None in splits:
        raise DatasetError(
            f"the data set has a split {words[splits.index(None)]!r}; give split=, one of train, val, test per item"
        )
    return [part or "" for part in splits]


def _wilds_attributes(samples: Any) -> dict[str, list[str]]:
    """Return the metadata of a WILDS data set as words, without the label itself."""
    fields = getattr(samples, "metadata_fields", None) or []
    found = {}
    for column, field in enumerate(fields):
        if field in ("y", "from_source_domain"):
            continue
        numbers = [int(number) for number in samples.metadata_array[:, column]]
        words = (getattr(samples, "metadata_map", None) or {}).get(field)
        found[field] = [str(words[number]).strip() if words is not None else str(number) for number in numbers]
    return found
