"""Knowing images in a store without reading them: address, size, and the store's own mark of their version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from debias_pt.errors import DatasetError, FetchError
from debias_pt.utils.fingerprint import digest
from debias_pt.utils.progress import progress
from debias_pt.utils.stores.access import children, information, path_in_store
from debias_pt.utils.stores.addresses import is_web, shown

AT_ONCE = 32  # requests
LISTED = 8  # from so many images in a folder on, it is listed: one request for up to a thousand
# A mark of the content, where a store has one; else when it was written.
MARKS = ("ETag", "etag", "md5Hash", "crc32c", "blob_id", "Content-MD5")
TIMES = ("Last-Modified", "LastModified", "last_modified", "updated", "mtime", "created")


def version_key(url: str, info: Mapping[str, Any]) -> str:
    """Return a key for a file's version: 64 hexadecimal digits; empty if the store says nothing to tell versions by.

    A signature in the address does not matter, so that images signed anew are known again.
    """
    for names in (MARKS, TIMES):
        for name in names:
            if info.get(name) not in (None, ""):
                return digest(["in a store", shown(url), info.get("size"), name, str(info[name])])
    return ""


def version_keys(urls: Sequence[str]) -> dict[str, str]:
    """Return the keys of those files that are there, by address.

    Raises
    ------
    DebiasError
        If the store refuses, or does not answer.
    """
    found: dict[str, str] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool, progress("looking up images", len(urls), "images") as advance:
        for some in pool.map(_of_folder, _requests(urls)):
            found |= some
            advance(len(some))
    return found


def _requests(urls: Iterable[str]) -> Iterator[tuple[str | None, list[str]]]:
    """Yield folders to list with the images wanted of them, and single images."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for url in urls:
        by_folder[url.rpartition("/")[0]].append(url)
    for folder, some in by_folder.items():
        if len(some) >= LISTED and not is_web(folder):
            yield folder, some
        else:
            yield from ((None, [url]) for url in some)


def _of_folder(request: tuple[str | None, list[str]]) -> dict[str, str]:
    folder, urls = request
    if folder is not None:
        try:
            infos = {one["name"]: one for one in children(folder) if one["type"] == "file"}
        except FetchError:
            raise
        except DatasetError:
            pass  # to read files, one need not be allowed to list them
        else:
            own = path_in_store(folder).rstrip("/")
            names = {url: f"{own}/{url.rpartition('/')[2]}" for url in urls}
            return {url: version_key(url, infos[name]) for url, name in names.items() if name in infos}
    seen = {url: information(url) for url in urls}
    return {url: version_key(url, info) for url, info in seen.items() if info is not None and info["type"] == "file"}
