"""Importing open_clip without torch's compiler: nothing here compiles, and its import takes longer than torch's own.

torchvision and timm import ``torch._dynamo`` to mark functions that it must leave alone, and so do torch's optimisers
when one is first built. Here it stays out until somebody asks for it; where a version of these libraries goes about it
in another way, it is imported as ever.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar
from unittest.mock import patch

import torch

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)
UTILS = "torch._dynamo.utils"


@contextmanager
def uncompiled() -> Iterator[None]:
    """Keep ``torch._dynamo`` out of what is imported in this block, and out of torch's optimisers.

    Examples
    --------
    >>> with uncompiled():
    ...     import open_clip
    """
    if UTILS in sys.modules:
        yield
        return
    _leave_optimisers_alone()
    sys.modules[UTILS] = _Utils(UTILS)
    try:
        with patch.object(torch.compiler, "disable", _as_it_is):
            yield
    finally:
        if isinstance(sys.modules.get(UTILS), _Utils):
            del sys.modules[UTILS]


class _Utils(ModuleType):
    """Stands for the compiler's helpers while torchvision takes one of them; all else loads the real ones."""

    @staticmethod
    def is_compile_supported(device_type: Any) -> bool:
        return bool(import_module(UTILS).is_compile_supported(device_type))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop(UTILS, None)
        return getattr(import_module(UTILS), name)


def _as_it_is(function: Callable[..., Any] | None = None, *details: object, **more: object) -> Callable[..., Any]:
    return function if function is not None else lambda function: function


def _leave_optimisers_alone() -> None:
    """Mark the methods that torch would ask its compiler to leave alone as left alone already."""
    for method in vars(torch.optim.Optimizer).values():
        inner = getattr(method, "__wrapped__", None)
        if inner is not None and not hasattr(inner, "__dynamo_disable"):
            inner.__dict__["__dynamo_disable"] = inner


def eager(kind: type[Kind]) -> type[Kind]:
    """Return an optimiser of this kind whose step does not import the compiler to ask it for a graph break.

    Examples
    --------
    >>> eager(torch.optim.SGD)([torch.nn.Parameter(torch.zeros(1))], lr=0.1).__class__.__name__
    'SGD'
    """
    return type(kind.__name__, (kind,), {"step": torch.no_grad()(inspect.unwrap(kind.step))})
