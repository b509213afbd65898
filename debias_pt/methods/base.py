"""What a method is made of; light to import, since help lists all methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from debias_pt.errors import UsageError
from debias_pt.settings import FIT_ON, PARTS, PROBES, SELECTIONS, ZERO_SHOT, require_choice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from debias_pt.features.table import FeatureTable
    from debias_pt.groups.groups import Groups
    from debias_pt.groups.verdict import Verdict
    from debias_pt.models.heads import HeadKind
    from debias_pt.reweighting import Reweighter

    GroupMaker = Callable[[FeatureTable, NDArray[np.bool_]], Groups]
    Choose = Callable[["Evidence"], "Choice"]

# Where groups come from.
PROBE, INFERRED, BOTH, CLASSES = "probe", "inferred", "probe+inferred", "classes"
SOURCES = (PROBE, INFERRED, BOTH, CLASSES)


@dataclass(frozen=True)
class Evidence:
    """What a method that chooses another one is told.

    Parameters
    ----------
    words : mapping of str to Verdict
        The guard's verdicts, by attribute; empty if none is named.
    inferred : Verdict or None
        Of values inferred from the images; None if there are none.
    annotated : bool
        Whether the groups to fit with are annotated.
    """

    words: Mapping[str, Verdict] = field(default_factory=dict)
    inferred: Verdict | None = None
    annotated: bool = False


@dataclass(frozen=True)
class Choice:
    """The method that was chosen.

    Parameters
    ----------
    method : str
    why : str
        In a line.
    parts : mapping
        Parts that it is to have, where the user set none.
    """

    method: str
    why: str
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """The parts of a method. What a user sets replaces a part, unless the part is `fixed`.

    Parameters
    ----------
    scheduler : str or type of Reweighter
        How groups are weighted: a name, or a class of your own.
    groups : {"probe", "inferred", "probe+inferred", "classes"} or callable
        Where groups come from: an attribute that the model is asked about, values inferred from images and class
        labels, both, or the classes alone. A callable takes the table and the rows to fit on, a mask ``(N,)``, and
        returns the groups of all N rows.
    probe : str
        Which probe is asked, of ``PROBES``.
    head : str or HeadKind
        What is learned: a name, or a head of your own.
    soft : bool
        Spread each sample over groups by its probability, instead of taking the most probable one.
    fit_on : {"train", "train+val"}
        The rows to fit on.
    select : str
        Which step to keep, of ``SELECTIONS``.
    fixed : tuple of str
        Parts that make the method what it is; a setting that says otherwise is refused.
    search : mapping
        What `debias-pt tune` searches over besides learning rate, steps and weight decay.
    choose : callable, optional
        For a method that only chooses another one: takes the :class:`Evidence`, returns the :class:`Choice`.
    candidates : tuple of str
        What it chooses from.

    Examples
    --------
    >>> from debias_pt.methods import METHODS
    >>> METHODS["dpt"].scheduler, METHODS["dpt"].groups, METHODS["dpt"].head
    ('dpt', 'probe', 'prompt')
    """

    scheduler: str | type[Reweighter] = "erm"
    groups: str | GroupMaker = PROBE
    probe: str = ZERO_SHOT
    head: str | HeadKind = "prompt"
    soft: bool = False
    fit_on: str = "train"
    select: str = "last"
    fixed: tuple[str, ...] = ()
    search: Mapping[str, Any] = field(default_factory=dict)
    choose: Choose | None = None
    candidates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not callable(self.groups) and self.groups not in SOURCES:
            raise UsageError(f"a method's groups are {self.groups!r}; give one of {', '.join(SOURCES)}, or a function")
        for part in self.fixed:
            require_choice("a method's fixed part", part, PARTS)
        require_choice("a method's probe", self.probe, PROBES)
        require_choice("a method's fit_on", self.fit_on, FIT_ON)
        require_choice("a method's select", self.select, SELECTIONS)

    @property
    def uses_groups(self) -> bool:
        """Whether the fit depends on any groups but the classes."""
        return self.groups != CLASSES

    @property
    def asks_attribute(self) -> bool:
        """Whether groups are made of an attribute, which has to be named or annotated."""
        return self.groups in (PROBE, BOTH)

    @property
    def infer_groups(self) -> bool:
        """Whether groups are split by values inferred from the images."""
        return self.groups in (INFERRED, BOTH)

    @property
    def makes_groups(self) -> bool:
        """Whether the method has a function of its own that makes groups."""
        return callable(self.groups)
