"""The images in shards, without labels."""

from __future__ import annotations

from debias_pt.datasets.shards.index import samples_of
from debias_pt.datasets.shards.names import expand
from debias_pt.utils.files import default_cache_dir
from debias_pt.utils.stores.addresses import Member


def images_in(text: str) -> list[str]:
    """Return the addresses of all images in shards.

    Raises
    ------
    DatasetError
        If a shard is missing, cut or damaged.
    """
    return [
        str(Member(shard, one["start"], one["size"], one["image"]))
        for shard in expand(text)
        for one in samples_of(shard, default_cache_dir())
    ]
