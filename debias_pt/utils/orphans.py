"""Worker processes that end when their parent does, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


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
