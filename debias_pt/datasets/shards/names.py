"""Which tar files a data set's name means."""

from __future__ import annotations

import glob
import re
from fnmatch import fnmatchcase

from debias_pt.datasets.splits import split_of
from debias_pt.errors import DatasetError, UsageError
from debias_pt.utils.stores.access import children
from debias_pt.utils.stores.addresses import is_remote, is_web
from debias_pt.utils.stores.place import StorePath, place

NEEDS = "reading tar shards needs webdataset, which is not installed; pip install 'debias-pt[stores]'"


def expand(text: str) -> list[str]:
    """Return the shards in their order: ``{0000..0009}`` and ``{a,b}`` as in webdataset, ``*`` where it can be listed.

    Parameters
    ----------
    text : str
        One pattern, or several joined by ``::``.

    Raises
    ------
    UsageError
        If webdataset is missing.
    DatasetError
        If a pattern with ``*`` fits no file, or a shard is named twice.
    """
    try:
        from webdataset.shardlists import expand_urls
    except ImportError as error:
        raise UsageError(f"{text}: {NEEDS}") from error
    found = [shard for pattern in expand_urls(text) for shard in _fitting(pattern)]
    twice = next((shard for shard in found if found.count(shard) > 1), None) if len(set(found)) < len(found) else None
    if twice is not None:
        raise DatasetError(f"{text}: names the shard {twice} twice; leave one out")
    return found


def _fitting(pattern: str) -> list[str]:
    if is_remote(pattern):
        place(pattern)  # refuses passwords and signatures
    if "*" not in pattern:
        return [pattern]
    if is_web(pattern):
        raise DatasetError(f"{pattern}: the web has no listings to find * in; write the numbers, as in {{0000..0009}}")
    found = _in_store(pattern) if is_remote(pattern) else sorted(glob.glob(pattern))
    if not found:
        raise DatasetError(f"{pattern}: no shard of this name; correct it")
    return found


def _in_store(pattern: str) -> list[str]:
    folder = StorePath(pattern).parent
    names = (one["name"].rstrip("/").rsplit("/", 1)[-1] for one in children(folder.url))
    return sorted(f"{folder.url}/{name}" for name in names if fnmatchcase(name, pattern.rsplit("/", 1)[-1]))


def split_by_name(shard: str) -> str | None:
    """Return the split that a word of a shard's name is, or its whole folder's name, or None.

    Examples
    --------
    >>> split_by_name("birds-train-0001.tar"), split_by_name("s3://bucket/val/0001.tar"), split_by_name("a.tar")
    ('train', 'val', None)
    """
    *_, folder, name = ("", *shard.split("/"))
    words = [*re.split(r"[^A-Za-z]+", name), folder]
    return next((split for word in words if (split := split_of(word))), None)
