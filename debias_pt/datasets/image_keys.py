"""Keys of images in the feature cache: the hash of their content, or of their version, where a store tells it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from debias_pt.datasets.base import ImageDataset
from debias_pt.errors import ImageError
from debias_pt.utils.hashing import content_hashes, file_digest
from debias_pt.utils.stores.addresses import is_file_here, shown

AT_ONCE = 16  # requests


def image_keys(
    dataset: ImageDataset, names: Sequence[str], index_dir: Path, bad: dict[str, str] | None = None
) -> list[str]:
    """Return the key of each image, 64 hexadecimal digits.

    Parameters
    ----------
    dataset : ImageDataset
    names : sequence of str
        Ids of some of its images.
    index_dir : Path
        Where the hashes of files on this machine are remembered.
    bad : dict, optional
        Collects images that are missing or unreadable, id to reason, instead of raising; their key is empty.

    Raises
    ------
    ImageError
        If an image is missing or unreadable and there is no `bad`.
    """
    if isinstance(dataset.root, Path) and not dataset.files:
        return content_hashes(dataset.root, names, index_dir, bad)
    keys = {name: dataset.keys[name] for name in names if dataset.keys.get(name)}
    rest = [name for name in names if name not in keys]
    here = [name for name in rest if is_file_here(dataset.path(name))]
    if here:
        keys |= zip(here, content_hashes(Path(dataset.root), here, index_dir, bad), strict=True)
    away = [name for name in rest if name not in keys]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, found in zip(away, pool.map(lambda name: _read(dataset, name), away), strict=True):
            if isinstance(found, ImageError) and bad is None:
                raise found
            if isinstance(found, ImageError) and bad is not None:
                bad[name] = str(found)
            keys[name] = "" if isinstance(found, ImageError) else found
    return [keys[name] for name in names]


def _read(dataset: ImageDataset, name: str) -> str | ImageError:
    """Hash the content of an image whose store says nothing to tell versions by."""
    address = dataset.path(name)
    if name not in dataset.keys:
        return ImageError(f"{shown(address)}: no such image file; check the data set's folder")
    try:
        return file_digest(address)
    except ImageError as error:
        return error
