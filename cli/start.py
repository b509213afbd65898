"""A quick start: the command line never compiles, so torch's compiler stays out of its process.

It saves a cached ``train --steps 1`` a fifth of its processor time (4.7 s instead of 5.9 s) and 150 MiB: importing
``torch._dynamo`` takes as long as importing torch. torchvision does it to ask one question, torch's optimisers to mark
functions that the compiler must leave alone. A stand-in answers both; whatever else is asked of it, or by a version of
these libraries that goes about it in another way, is answered by the real one. The library leaves torch as it is.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

COMPILER, UTILS = "torch._dynamo", "torch._dynamo.utils"


class StandIn(ModuleType):
    """A placeholder, replaced by the real module when a missing attribute is accessed."""

    def __getattr__(self, name: str) -> Any:
        submodules = self.__name__ == COMPILER and name == "__path__"
        if name.startswith("__") and not submodules:  # the import system looks around
            raise AttributeError(name)
        for module in (COMPILER, UTILS):
            if isinstance(sys.modules.get(module), StandIn):
                del sys.modules[module]
        return getattr(import_module(self.__name__), name)


def leave_compiler_out() -> None:
    """Put the placeholder where torch's compiler would be imported, unless it already is."""
    if COMPILER in sys.modules:
        return
    compiler, utils = StandIn(COMPILER), StandIn(UTILS)
    compiler.disable, compiler.graph_break = _as_it_is, _nothing  # type: ignore[attr-defined]
    utils.is_compile_supported = _ask_the_real_one  # type: ignore[attr-defined]
    sys.modules.update({COMPILER: compiler, UTILS: utils})


def _as_it_is(function: Callable[..., Any] | None = None, *options: object, **more: object) -> Callable[..., Any]:
    """Do what ``torch._dynamo.disable`` does to a function where nothing is compiled."""
    return function if function is not None else lambda function: function


def _nothing() -> None:
    """Break no graph."""


def _ask_the_real_one(device_type: Any) -> bool:
    return bool(import_module(UTILS).is_compile_supported(device_type))


def print_message(text: str) -> None:
    """Write a line to standard error, above a progress bar if there is one."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


class _ToStderr(logging.Handler):
    """Writes messages as they are to whatever standard error is now."""

    def emit(self, record: logging.LogRecord) -> None:
        print_message(record.getMessage())


def log_to_stderr() -> None:
    """Show the library's log; as a library it leaves this to the program it is part of."""
    log = logging.getLogger("debias_pt")
    log.setLevel(logging.INFO)
    log.propagate = False  # open_clip may give the root logger a handler, and every line would come twice
    if not any(isinstance(handler, _ToStderr) for handler in log.handlers):
        log.addHandler(_ToStderr())
