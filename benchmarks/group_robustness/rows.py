"""The table's rows. To add one, write an entry here, and a file in ``rivals/`` if nothing there fits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from debias_pt.methods import METHODS
from debias_pt.models.zero_shot import TEMPLATE
from debias_pt.utils.registry import lookup

from .case import CLASSES, Fit
from .groupings import Annotated, Classes, Probed, Shuffled
from .rivals.afr import AFR
from .rivals.chosen import Chosen
from .rivals.confusion_cells import ConfusionCells
from .rivals.dfr import DFR
from .rivals.jtt import JTT
from .rivals.loop import Loop
from .rivals.ppa import PPA
from .rivals.probe_ensemble import ProbeEnsemble
from .rivals.projection import Projection
from .rivals.separation import Separation
from .rivals.zero_shot import TEMPLATES, ZeroShot


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Parameters
    ----------
    name : str
        As typed with ``--rows``.
    title : str
        As shown.
    fit : Fit
        How it makes its predictions.
    """

    name: str
    title: str
    fit: Fit

    @property
    def attribute_labels(self) -> list[str]:
        """The attribute labels it sees."""
        return [label for label in self.fit.labels if label != CLASSES]

    @property
    def oracle(self) -> bool:
        """Whether it sees any."""
        return bool(self.attribute_labels)

    @property
    def fitted_on(self) -> str:
        """The split it is fitted on, which may be better balanced than training is."""
        return str(getattr(self.fit, "fitted_on", "train"))


# Class balance with what `anchored` learns and the rows that it is fitted on.
SAME_HEAD = {"method": "class-balanced", "head": "standardized", "fit_on": "train+val"}
_ALL = (
    Row("zero-shot", f"zero-shot ({TEMPLATE!r})", ZeroShot()),
    Row("zero-shot-ensemble", f"zero-shot, {len(TEMPLATES)} templates", ZeroShot(TEMPLATES)),
    Row("sage", "zero-shot, template by separation (after SAGE)", Separation()),
    Row("sage-set", "zero-shot, one template by separation", Separation(by_image=False)),
    Row("orth-proj", "Orth-Proj", Projection()),
    Row("orth-cal", "Orth-Cal", Projection(strength=1000.0)),
    Row("erm", "erm", Loop({"method": "erm"})),
    Row("class-balanced", "class-balanced", Loop({"method": "class-balanced"})),
    Row("cvar", "cvar", Loop({"method": "cvar"})),
    Row("jtt", "JTT", JTT()),
    Row("balanced-shuffled", "balanced, shuffled attribute", Loop({"method": "balanced"}, Shuffled())),
    Row("dpt-shuffled", "dpt, shuffled attribute", Loop({"method": "dpt"}, Shuffled())),
    Row("balanced", "balanced", Loop({"method": "balanced"})),
    Row("group-dro", "group-dro", Loop({"method": "group-dro"})),
    Row("dpt", "dpt", Loop({"method": "dpt"})),
    Row("dpt-mixture", "dpt-mixture", Loop({"method": "dpt-mixture"})),
    Row("anchored", "anchored", Loop({"method": "anchored"})),
    Row("anchored-words", "anchored, groups from words alone", Loop({"method": "anchored", "infer_groups": False})),
    Row("inferred", "inferred (no words)", Loop({"method": "inferred"})),
    Row("anchored-prompt", "anchored, prompt", Loop({"method": "anchored", "head": "prompt"})),
    Row(
        "anchored-penalized-prompt",
        "anchored, penalized prompt",
        Loop({"method": "anchored", "head": "penalized-prompt"}),
    ),
    Row("anchored-group-prompt", "anchored, group prompts", Loop({"method": "anchored", "head": "group-prompt"})),
    Row("auto", "auto", Chosen("auto")),
    Row("anchored-classes", "class-balanced, with the head and the rows of anchored", Loop(SAME_HEAD)),
    Row("anchored-true", "anchored (oracle: true groups)", Loop({"method": "anchored"}, Annotated())),
    Row("probe-ensemble", "last-layer ensemble over probes", ProbeEnsemble()),
    Row("afr", "AFR, linear head", AFR()),
    Row("fg-ccdb", "FG-CCDB's weights, linear head", ConfusionCells()),
    Row("ppa", "PPA, linear head", PPA()),
    Row("ppa-probe", "PPA with our probe, linear head", PPA(probe=True)),
    Row("linear", "erm, linear head", Loop({"head": "linear", "method": "erm"})),
    Row("linear-dpt", "dpt, linear head", Loop({"head": "linear", "method": "dpt"})),
    Row("class-balanced-val", "class balance on validation, linear head", DFR(Classes())),
    Row("dfr-pseudo", "DFR, linear head (pseudo groups of validation)", DFR(Probed("mixture"))),
    Row("balanced-true", "balanced (oracle: true groups)", Loop({"method": "balanced"}, Annotated())),
    Row("group-dro-true", "group-dro (oracle: true groups)", Loop({"method": "group-dro"}, Annotated())),
    Row("dpt-true", "dpt (oracle: true groups)", Loop({"method": "dpt"}, Annotated())),
    Row(
        "linear-dpt-true",
        "dpt, linear head (oracle: true groups)",
        Loop({"head": "linear", "method": "dpt"}, Annotated()),
    ),
    Row("dfr", "DFR, linear head (oracle: validation groups)", DFR()),
)
_NAMED = {row.name: row for row in _ALL}
# A method without an entry above, such as one of another package, has a row of its own name.
ROWS: dict[str, Row] = {
    **_NAMED,
    **{name: Row(name, name, Loop({"method": name})) for name in METHODS if name not in _NAMED},
}

# What every method without annotation has to beat, since balancing groups balances classes too.
BASELINE = "class-balanced"

# Class balance with the same head and rows: in every table that has a row with that head.
CONTROL = "anchored-classes"

# The same rows with true groups.
ORACLES = {
    "balanced": "balanced-true",
    "group-dro": "group-dro-true",
    "dpt": "dpt-true",
    "dpt-mixture": "dpt-true",
    "anchored": "anchored-true",
    "inferred": "anchored-true",
    "linear-dpt": "linear-dpt-true",
}


def choose(names: Sequence[str]) -> list[Row]:
    """Return rows by name; all of them for no name.

    The `CONTROL` comes before the first row that has its head, named or not: what such a row gains over class-balanced
    prompts is in part the head's.

    Raises
    ------
    UnknownNameError
        For a row that does not exist, with the nearest.

    Examples
    --------
    >>> [row.title for row in choose(["dpt-true", "erm"])]
    ['dpt (oracle: true groups)', 'erm']
    """
    rows = [lookup(ROWS, name, "row") for name in dict.fromkeys(names)] if names else list(ROWS.values())
    place = next((i for i, row in enumerate(rows) if has_the_controls_head(row)), None)
    if place is not None and ROWS[CONTROL] not in rows:
        rows.insert(place, ROWS[CONTROL])
    return rows


def has_the_controls_head(row: Row) -> bool:
    """Return whether a row learns what the `CONTROL` learns: the linear head on standardized features.

    Examples
    --------
    >>> [has_the_controls_head(ROWS[name]) for name in ("anchored", "auto", "anchored-prompt", "erm")]
    [True, True, False, False]
    """
    if isinstance(row.fit, Loop):
        return bool(row.fit.options.get("head", METHODS[row.fit.options["method"]].head) == SAME_HEAD["head"])
    return isinstance(row.fit, Chosen | ConfusionCells | ProbeEnsemble)
