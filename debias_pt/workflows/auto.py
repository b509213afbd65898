"""``--method auto``: the strongest method that the guard's verdict supports."""

from __future__ import annotations

import dataclasses

from debias_pt.groups.guard import DOUBTFUL, NOT_USABLE, USABLE
from debias_pt.settings import MADE_OF, TrainSettings

AUTO = "auto"
METHOD_FOR = {USABLE: "anchored", DOUBTFUL: "anchored", NOT_USABLE: "class-balanced"}


def chosen(settings: TrainSettings, verdict: str) -> TrainSettings:
    """Return the settings with the method that a verdict supports, and with all that this method is made of.

    What was set to something else than the default stays.

    Examples
    --------
    >>> chosen(TrainSettings(method="auto"), "usable").head
    'standardized'
    >>> chosen(TrainSettings(method="auto"), "not usable").method
    'class-balanced'
    """
    return with_method(settings, METHOD_FOR[verdict])


def with_method(settings: TrainSettings, method: str) -> TrainSettings:
    """Return the settings with another method; see :func:`chosen`."""
    default = TrainSettings()
    made_of = MADE_OF.get(method, {})
    left = {name: value for name, value in made_of.items() if getattr(settings, name) == getattr(default, name)}
    return dataclasses.replace(settings, method=method, **left)
