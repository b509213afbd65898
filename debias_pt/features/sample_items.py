"""Items of data sets from Python as (image, label): tuples, rows of ``datasets``, streams."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from debias_pt.datasets.custom.table import USUAL
from debias_pt.errors import DatasetError

Columns = tuple[str | None, str | None]  # of the image and the label, where items are rows with names


def require_samples(samples: Any) -> int | None:
    """Return how many samples there are, None for a stream.

    Raises
    ------
    DatasetError
        If it is nothing that gives samples.
    """
    if hasattr(samples, "__len__") and hasattr(samples, "__getitem__"):
        return len(samples)
    if hasattr(samples, "__iter__"):
        return None
    raise DatasetError(f"samples are {type(samples).__name__}; a sequence, a data set or a stream of them expected")


def items_of(samples: Any, total: int | None) -> Iterator[Any]:
    """Yield items, each once.

    Raises
    ------
    DatasetError
        If a stream breaks off: a shard that is cut, a connection that is lost.
    """
    if total is None:
        number = 0
        try:
            for item in samples:
                yield item
                number += 1
        except (OSError, RuntimeError, ValueError, tarfile.TarError) as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise DatasetError(f"the stream of samples ends with an error after {number} of them: {reason}") from error
        return
    for number in range(total):
        yield samples[number]


def undecoded(samples: Any, columns: Columns) -> Any:
    """Return a Hugging Face data set whose images come as the bytes of their files; anything else as it is.

    The bytes are all that the cache needs to know an image again.
    """
    features = getattr(samples, "features", None)
    if not isinstance(features, Mapping) or not hasattr(samples, "cast_column"):
        return samples
    from datasets import Image

    column = _column(list(features), "image", columns[0], 0)
    return samples.cast_column(column, Image(decode=False)) if isinstance(features[column], Image) else samples


def pair(item: Any, number: int, columns: Columns) -> tuple[Any, Any]:
    """Return an item's image and label; an image of ``datasets`` as its bytes or its path.

    Raises
    ------
    DatasetError
        If the item is no such thing; names its number.
    """
    if isinstance(item, Mapping):
        names = list(item)
        image, label = (
            item[_column(names, role, asked, number)] for role, asked in zip(("image", "label"), columns, strict=True)
        )
        if isinstance(image, Mapping) and {"bytes", "path"} <= set(image):
            image = Path(image["path"]) if image["bytes"] is None else image["bytes"]
        return image, label
    try:
        return item[0], item[1]
    except (TypeError, IndexError, KeyError) as error:
        raise DatasetError(f"sample {number} is {type(item).__name__}; (image, label) expected") from error


def _column(names: Sequence[str], role: str, asked: str | None, number: int) -> str:
    usual = ("image", "img", "jpg", "png", *USUAL["image"]) if role == "image" else (*USUAL["label"], "cls")
    for name in (asked,) if asked is not None else usual:
        if name in names:
            return name
    wanted = repr(asked) if asked is not None else f"with a usual name for the {role}"
    raise DatasetError(
        f"sample {number} has no column {wanted}; it has {', '.join(map(str, names))}: give {role}_column"
    )
