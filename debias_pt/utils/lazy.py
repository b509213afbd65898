"""Names of a package that are imported when they are first used, so that importing the package costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any


def lazy_names(package: str) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``: a name comes from where the package's ``if TYPE_CHECKING:`` block imports it.

    Type checkers and editors read the same block, so each name is written once with its home. The block is read, from
    the package's source, when the first name is used.

    Parameters
    ----------
    package : str
        The package's ``__name__``.

    Examples
    --------
    >>> get = lazy_names("debias_pt.groups")
    >>> get("Groups").__name__
    'Groups'
    >>> get("Group")
    Traceback (most recent call last):
    AttributeError: module 'debias_pt.groups' has no attribute 'Group'
    """
    homes = cache(lambda: _homes(package))

    def get(name: str) -> Any:
        if name.startswith("__") or name not in homes():  # the import system looks around
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, there = homes()[name]
        return getattr(import_module(module), there)

    return get


def _homes(package: str) -> dict[str, tuple[str, str]]:
    """Return each name that the package's source imports, with its module and what it is called there."""
    import ast
    from inspect import getsource

    nodes = ast.walk(ast.parse(getsource(sys.modules[package])))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.asname or alias.name: (node.module or "", alias.name) for node in imports for alias in node.names}
