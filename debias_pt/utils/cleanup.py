"""What a process leaves when it dies: workers, which end with it, and unfinished files, which later ones remove."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import sys
import time
import uuid
import zlib
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

PR_SET_PDEATHSIG = 1
UNFINISHED = re.compile(r"\..*\b(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{12}\.unfinished", re.DOTALL)
LONG_AGO_S = 7 * 86400.0  # when even another machine's process has left its file


def end_with_parent(parent: int) -> None:
    """Have this process killed as soon as its parent is gone; elsewhere than on Linux torch's own watch must do.

    Parameters
    ----------
    parent : int
        The parent's process id, in case it is gone already.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def unfinished_name(name: str) -> str:
    """Return a new hidden name for a file or folder that will be called `name`; it says whose it is.

    Examples
    --------
    >>> UNFINISHED.fullmatch(unfinished_name("result.json"))["pid"] == str(os.getpid())
    True
    """
    return f".{name}.{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:12]}.unfinished"


@lru_cache(maxsize=4096)
def remove_unfinished(folder: Path) -> None:
    """Remove what dead processes left unfinished in a folder; once in a process, for a folder may be large.

    A process of this machine is asked for by its id; another machine's file goes if it has not changed for a week.
    """
    with suppress(OSError):
        for entry in os.scandir(folder):
            found = UNFINISHED.fullmatch(entry.name)
            if found and (_is_dead(found) or entry.stat(follow_symlinks=False).st_mtime < time.time() - LONG_AGO_S):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


def _is_dead(found: re.Match[str]) -> bool:
    if found["machine"] != _machine() or os.name != "posix":
        return False
    try:
        os.kill(int(found["pid"]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:  # it is somebody else's
        pass
    return False


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return a short name of where process ids mean the same: the host, or a container on it."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32(f'{socket.gethostname()} {space}'.encode()):08x}"
