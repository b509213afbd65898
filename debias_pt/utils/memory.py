"""How much memory this process may still take."""

from __future__ import annotations

from pathlib import Path

import torch

from debias_pt.errors import UsageError

UNLIMITED = 1 << 60


def free_bytes(device: torch.device | str = "cpu") -> int:
    """Return how many bytes can still be taken on a device.

    On a CPU the least of what the system has left, what the process's own limit (``RLIMIT_DATA``, ``ulimit -d``)
    leaves, and what its control group leaves. A system that tells none of these is taken to have no limit.
    """
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return max(0, min(_of_system(), _of_limit(), _of_control_group()))


def _of_system() -> int:
    return _kib("/proc/meminfo", "MemAvailable:")


def _of_limit() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return UNLIMITED
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    used = _kib("/proc/self/status", "VmData:")
    return UNLIMITED if limit == resource.RLIM_INFINITY or used == UNLIMITED else limit - used


def _of_control_group() -> int:
    """Return what the control group (version 2) leaves, not counting cached pages of files."""
    try:
        own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        folder = Path("/sys/fs/cgroup") / own[3:].lstrip("/")
        limit = int((folder / "memory.max").read_text())
        used = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, StopIteration, ValueError):  # none, or "max"
        return UNLIMITED
    return limit - int(used["anon"])


def _kib(path: str, name: str) -> int:
    try:
        line = next(line for line in Path(path).read_text().splitlines() if line.startswith(name))
    except (OSError, StopIteration):
        return UNLIMITED
    return 1024 * int(line.split()[1])


def gib(size: float) -> str:
    """Return a number of bytes for people.

    Examples
    --------
    >>> gib(3 * 2**30), gib(2**20)
    ('3.0 GiB', '0.001 GiB')
    """
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 / 10 else f"{size / 2**30:.1g} GiB"


def require_free(needed: int, what: str, advice: str) -> None:
    """Refuse work that does not fit into memory, before it begins.

    Raises
    ------
    UsageError
        Says what is needed, what is free, and what to do.
    """
    free = free_bytes()
    if needed > free:
        raise UsageError(f"{what} needs about {gib(needed)} of memory, {gib(free)} are free; {advice}")
