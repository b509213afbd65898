"""Names of a package that are imported when they are first used, so that importing the package costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    homes : mapping of str to str
        Each public name, and the module below the package that defines it.

    Examples
    --------
    >>> lazy_names("json", {"JSONDecoder": "decoder"})("JSONDecoder").__name__
    'JSONDecoder'
    >>> lazy_names("json", {})("JSNDecoder")
    Traceback (most recent call last):
    AttributeError: module 'json' has no attribute 'JSNDecoder'
    """

    def get(name: str) -> Any:
        if name in homes:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
