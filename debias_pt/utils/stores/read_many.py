"""Reading several files of stores at once; files that lie side by side in a tar file by one request."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from debias_pt.errors import DebiasError
from debias_pt.utils.stores.access import read_bytes
from debias_pt.utils.stores.addresses import member_of

AT_ONCE = 16  # requests of each process
GAP = 1 << 16  # bytes between two files of a shard (headers, labels) that are read with them
MOST = 1 << 25  # bytes of one request

Content = bytes | DebiasError


def read_together(addresses: Sequence[str]) -> list[Content]:
    """Return the content of each file, or the error that says why there is none."""
    requests = _requests(addresses)
    found: dict[int, Content] = {}
    with ThreadPoolExecutor(min(AT_ONCE, len(requests)) or 1) as pool:
        for some in pool.map(lambda request: _read(addresses, request), requests):
            found |= some
    return [found[i] for i in range(len(addresses))]


def _requests(addresses: Sequence[str]) -> list[list[int]]:
    """Return which files are read by one request each."""
    members = sorted((member, i) for i, address in enumerate(addresses) if (member := member_of(address)))
    requests: list[list[int]] = []
    last = None
    for member, i in members:
        near = last is not None and member.shard == last.shard and 0 <= member.start - (last.start + last.size) <= GAP
        first = member_of(addresses[requests[-1][0]]) if requests else None
        if near and first is not None and member.start + member.size - first.start <= MOST:
            requests[-1].append(i)
        else:
            requests.append([i])
        last = member
    inside = {i for _, i in members}
    return requests + [[i] for i in range(len(addresses)) if i not in inside]


def _read(addresses: Sequence[str], request: Sequence[int]) -> dict[int, Content]:
    try:
        members = [member_of(addresses[i]) for i in request]
        first, last = members[0], members[-1]
        if first is None or last is None or first is last:
            return {i: read_bytes(addresses[i]) for i in request}
        block = read_bytes(first.shard, first.start, last.start + last.size)
    except DebiasError as error:
        return dict.fromkeys(request, error)
    places = [(one.start - first.start, one.size) for one in members if one is not None]
    return {i: block[start : start + size] for i, (start, size) in zip(request, places, strict=True)}
