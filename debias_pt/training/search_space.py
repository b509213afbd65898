"""What a search over settings tries: defaults by method, and spaces that a user writes as words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from debias_pt.errors import UsageError
from debias_pt.methods.composition import complete, method_of
from debias_pt.settings import FitSettings
from debias_pt.utils.registry import nearest
from debias_pt.utils.typed import kinds

SearchSpace = dict[str, Any]
# Settings that say which data or which question, not how to fit.
FIXED = ("seed", "seeds", "method", "fit_on", "select")


def default_space(settings: FitSettings) -> SearchSpace:
    """Return what is searched over if nothing is said: learning rate, steps, weight decay, the method's options.

    Raises
    ------
    UsageError
        For the ``standardized`` head, which is fitted to its optimum and has none of these.

    Examples
    --------
    >>> sorted(default_space(FitSettings(method="erm")))
    ['lr', 'steps', 'weight_decay']
    """
    settings = complete(settings)
    if settings.head == "standardized":
        raise UsageError(
            f"method {settings.method} with head standardized is fitted to its optimum, which has no settings to "
            "search by default; name some: --search soft=true,false"
        )
    common: SearchSpace = {
        "lr": (0.0005, 0.05, "log"),
        "steps": [50, 100, 200, 400],
        "weight_decay": [0.0, 0.0001, 0.01],
    }
    return common | dict(method_of(settings).search)


def parse_space(texts: Sequence[str]) -> SearchSpace:
    """Return the space that words describe.

    Parameters
    ----------
    texts : sequence of str
        ``"NAME=A,B,C"`` for a choice, ``"NAME=LOW:HIGH"`` or ``"NAME=LOW:HIGH:log"`` for a range.

    Raises
    ------
    UsageError
        For a setting that does not exist or is not searched over, a value of another type, an empty range.

    Examples
    --------
    >>> parse_space(["lr=0.001:0.1:log", "steps=100,200"])
    {'lr': (0.001, 0.1, 'log'), 'steps': [100, 200]}
    >>> parse_space(["stepz=1,2"])
    Traceback (most recent call last):
    debias_pt.errors.UsageError: --search stepz=1,2: unknown setting 'stepz' (did you mean 'steps'?)
    """
    return dict(_parsed(text) for text in texts)


def _parsed(text: str) -> tuple[str, Any]:
    known = kinds(FitSettings)
    name, equals, values = (part.strip() for part in text.partition("="))
    name = name.replace("-", "_")
    if not equals or not values:
        raise UsageError(f"--search {text}: give NAME=A,B,C or NAME=LOW:HIGH or NAME=LOW:HIGH:log")
    if name not in known:
        raise UsageError(f"--search {text}: unknown setting {name!r}{nearest(name, known)}")
    if name in FIXED or known[name].base is tuple:
        raise UsageError(f"--search {text}: {name} is not searched over; run tune once for each value")
    base = known[name].base
    if ":" not in values:
        return name, [_value(text, base, value) for value in values.split(",")]
    low, high, *more = values.split(":")
    if base not in (int, float) or more not in ([], ["log"]):
        raise UsageError(f"--search {text}: a range is LOW:HIGH or LOW:HIGH:log of numbers")
    ends = (_value(text, base, low), _value(text, base, high))
    if not ends[0] < ends[1] or (more and ends[0] <= 0):
        raise UsageError(f"--search {text}: the range {low} to {high} is empty{' or not above 0' if more else ''}")
    return name, (*ends, *more)


def _value(text: str, base: Any, value: str) -> Any:
    value = value.strip()
    if base is bool:
        if value not in ("true", "false"):
            raise UsageError(f"--search {text}: {value!r} is neither true nor false")
        return value == "true"
    try:
        read = base(value)
    except ValueError:
        raise UsageError(f"--search {text}: {value!r} is no {base.__name__}") from None
    if base is float and not math.isfinite(read):
        raise UsageError(f"--search {text}: {value!r} is not finite")
    return read
