"""Registries: plain dicts filled by a decorator, and one way to look a name up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from inspect import signature
from typing import Any, TypeVar

from debias_pt.errors import UnknownNameError, UsageError

T = TypeVar("T")


def register(registry: dict[str, T], name: str) -> Callable[[T], T]:
    """Return a decorator that files an object in `registry` under `name`.

    Parameters
    ----------
    registry : dict
        The registry to fill.
    name : str
        The name people will type.

    Raises
    ------
    KeyError
        If the name is taken.

    Examples
    --------
    >>> schedulers = {}
    >>> @register(schedulers, "mine")
    ... class Mine: ...
    >>> list(schedulers)
    ['mine']
    """

    def add(thing: T) -> T:
        if name in registry:
            raise KeyError(f"{name!r} is registered twice")
        registry[name] = thing
        return thing

    return add


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known name nearest to `name`, or an empty string.

    Examples
    --------
    >>> nearest("dtp", ["dpt", "erm"])
    " (did you mean 'dpt'?)"
    """
    match = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {match[0]!r}?)" if match else ""


def lookup(registry: Mapping[str, T], name: str, kind: str) -> T:
    """Return ``registry[name]``.

    Raises
    ------
    UnknownNameError
        If the name is not known; names the nearest one and lists all.

    Examples
    --------
    >>> lookup({"dpt": 1, "erm": 2}, "emr", "method")
    Traceback (most recent call last):
    debias_pt.errors.UnknownNameError: unknown method 'emr' (did you mean 'erm'?); known: dpt, erm
    """
    if name not in registry:
        raise UnknownNameError(f"unknown {kind} {name!r}{nearest(name, registry)}; known: {', '.join(registry)}")
    return registry[name]


def build(registry: Mapping[str, type[T]], name: str, kind: str, **options: Any) -> T:
    """Build the class filed under `name`; options that are None are left to its defaults.

    Raises
    ------
    UnknownNameError
        If the name is not known.
    UsageError
        If the class does not take an option that was given, or refuses its value.

    Examples
    --------
    >>> from fractions import Fraction
    >>> build({"rational": Fraction}, "rational", "number", numerator=3, denominator=None)
    Fraction(3, 1)
    >>> build({"rational": Fraction}, "rational", "number", q=1)
    Traceback (most recent call last):
    debias_pt.errors.UsageError: the number 'rational' does not take q; leave it out
    """
    chosen = lookup(registry, name, kind)
    given = {key: value for key, value in options.items() if value is not None}
    foreign = [key for key in given if key not in signature(chosen).parameters]
    if foreign:
        raise UsageError(f"the {kind} {name!r} does not take {', '.join(foreign)}; leave it out")
    return chosen(**given)
