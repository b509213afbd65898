"""The most memory that a piece of work takes at once: what it allocates is counted, on a CPU array by array."""

from __future__ import annotations

import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that operations make, until they are freed, and of NumPy arrays beside them.

    Attributes
    ----------
    peak : int
        The most bytes at once; inputs that were there before are not counted.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what is new of its results; views are not."""
        found = func(*args, **(kwargs or {}))
        given = {one.untyped_storage()._cdata for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)}
        for one in tree_leaves(found):
            if isinstance(one, torch.Tensor) and one.untyped_storage()._cdata not in given:
                given.add(one.untyped_storage()._cdata)
                self._add(one.untyped_storage())
        self.look()
        return found

    def _add(self, storage: torch.UntypedStorage) -> None:
        self.now += storage.nbytes()
        weakref.finalize(storage, self._freed, storage.nbytes())

    def _freed(self, size: int) -> None:
        self.now -= size

    def look(self) -> None:
        """Take the arrays of the time since the last look into account."""
        arrays = tracemalloc.get_traced_memory()[1]
        self.peak = max(self.peak, self.now + arrays)
        tracemalloc.reset_peak()


def peak_bytes(call: Callable[[], object], device: torch.device) -> tuple[object, int]:
    """Return a call's result, and the most bytes that it had allocated at once.

    Counting takes time: do not time the call as well.

    Examples
    --------
    >>> peak_bytes(lambda: torch.ones(1000).exp().sum(), torch.device("cpu"))[1] >= 8000
    True
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        return call(), torch.cuda.max_memory_allocated(device) - before
    counting, tracing = Allocations(), tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        with counting:
            found = call()
        counting.look()
    finally:
        if not tracing:
            tracemalloc.stop()
    return found, counting.peak - before
