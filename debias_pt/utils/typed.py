"""Types of settings and options: read from the annotations, in one place, for values from Python, JSON and text."""

from __future__ import annotations

from functools import cache
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from debias_pt.errors import UsageError


class Kind(NamedTuple):
    """What a value may be.

    Parameters
    ----------
    base : type
        ``str``, ``int``, ``float`` or ``bool``; ``tuple`` for several strings; else ``object``.
    optional : bool
        Whether it may be None.

    Examples
    --------
    >>> Kind.of(int | None)
    Kind(base=<class 'int'>, optional=True)
    >>> Kind(float).of_text("2")
    2.0
    """

    base: type
    optional: bool = False

    @classmethod
    def of(cls, hint: Any) -> Kind:
        """Return what an annotation says, or its text; ``object`` where it is none of the simple types."""
        hint = _read(hint) if isinstance(hint, str) else hint
        parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        base = next((part for part in parts if part is not NoneType), object)
        base = get_origin(base) or base
        return cls(base if base in (str, int, float, bool, tuple) else object, NoneType in parts)

    def take(self, name: str, value: Any) -> Any:
        """Return a setting's value as its type; JSON has no tuples and writes 2 for 2.0.

        Raises
        ------
        UsageError
            If it is of another type.
        """
        if value is None and self.optional:
            return None
        if self.base is tuple and isinstance(value, list | tuple):
            return tuple(str(item) for item in value)
        if self.base is tuple and isinstance(value, str):  # one of several
            return (value,)
        if self.base is float and type(value) is int:
            return float(value)
        if type(value) is not self.base:
            seen = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}..."
            raise UsageError(f"setting {name!r} is {seen}; {self.base.__name__} expected")
        return value

    def of_text(self, text: str) -> Any:
        """Return what a word stands for; where the type is not known, a number if it is one.

        Raises
        ------
        ValueError
            If it stands for nothing of this type.
        """
        if self.base is bool:
            if text.lower() not in ("true", "false"):
                raise ValueError(text)
            return text.lower() == "true"
        if self.base in (int, float):
            return self.base(text)
        if self.base is object:
            try:
                return float(text)
            except ValueError:
                return text
        return text


def kinds(built: Any) -> dict[str, Kind]:
    """Return what each parameter of a class, or of a function, may be.

    Examples
    --------
    >>> def power(of: float, label: str | None = None) -> float: ...
    >>> kinds(power)["of"]
    Kind(base=<class 'float'>, optional=False)
    """
    function = vars(built).get("__init__") if isinstance(built, type) else built
    return {name: Kind.of(hint) for name, hint in getattr(function, "__annotations__", {}).items() if name != "return"}


@cache
def _read(text: str) -> Any:
    """Return what an annotation's text means, as far as built-in types go."""
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"it": text}))["it"]
    except (NameError, TypeError, SyntaxError):
        return object
