"""``--method auto``: the strongest method that the guard's verdict supports."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from debias_pt.groups.guard import DOUBTFUL, NOT_USABLE, USABLE
from debias_pt.settings import MADE_OF, TrainSettings

AUTO = "auto"
METHOD_FOR = {USABLE: "anchored", DOUBTFUL: "anchored", NOT_USABLE: "class-balanced"}


def chosen(settings: TrainSettings, verdict: str) -> TrainSettings:
    """Return the settings with the method that a verdict supports, and with the head and the rows of ``anchored``.

    Class balance too does better with these. What was set to something else than the default stays.

    Examples
    --------
    >>> chosen(TrainSettings(method="auto"), "usable").head
    'standardized'
    >>> settings = chosen(TrainSettings(method="auto"), "not usable")
    >>> settings.method, settings.head
    ('class-balanced', 'standardized')
    """
    return with_method(settings, METHOD_FOR[verdict], MADE_OF["anchored"])


def with_method(settings: TrainSettings, method: str, made_of: Mapping[str, Any] | None = None) -> TrainSettings:
    """Return the settings with another method, and with what it is made of, unless that is given."""
    default = TrainSettings()
    wanted = MADE_OF.get(method, {}) if made_of is None else made_of
    left = {name: value for name, value in wanted.items() if getattr(settings, name) == getattr(default, name)}
    return dataclasses.replace(settings, method=method, **left)
