"""``--method auto``: the strongest method that the guard's verdict supports."""

from __future__ import annotations

import dataclasses

from debias_pt.groups.guard import DOUBTFUL, NOT_USABLE, USABLE
from debias_pt.settings import MADE_OF, TrainSettings

AUTO = "auto"
METHOD_FOR = {USABLE: "anchored", DOUBTFUL: "anchored", NOT_USABLE: "inferred"}


def chosen(settings: TrainSettings, verdict: str) -> TrainSettings:
    """Return the settings with the method that a verdict supports, and with what it is made of.

    What was set to something else than the default stays.

    Examples
    --------
    >>> chosen(TrainSettings(method="auto"), "usable").head
    'standardized'
    >>> settings = chosen(TrainSettings(method="auto"), "not usable")
    >>> settings.method, settings.head
    ('inferred', 'standardized')
    """
    return with_method(settings, METHOD_FOR[verdict])


def with_method(settings: TrainSettings, method: str) -> TrainSettings:
    """Return the settings with another method, and with what it is made of, unless that is given."""
    default = TrainSettings()
    wanted = MADE_OF.get(method, {})
    left = {name: value for name, value in wanted.items() if getattr(settings, name) == getattr(default, name)}
    return dataclasses.replace(settings, method=method, **left)
