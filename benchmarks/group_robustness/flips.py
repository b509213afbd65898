"""How good must a probe be? True attributes, a share of them flipped. Everything here is an oracle."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from debias_pt.features import SPLITS
from debias_pt.groups import Groups

from .case import TRAIN_ATTRIBUTES, VAL_ATTRIBUTES, Case

KINDS = ("uniform", "zero-shot", "zero-shot, most likely first")


@dataclass(frozen=True)
class Flipped:
    """Class x true attribute with exactly a share of the attributes of every split flipped.

    Parameters
    ----------
    kind : str
        ``"uniform"``: every sample is as likely to be flipped. ``"zero-shot"``: as likely as the probe's posterior
        of a wrong value says, drawn without replacement. ``"zero-shot, most likely first"``: those for which that
        posterior is highest; at the probe's own error rate this is the probe, for an attribute of two values.
    share : float
        Of the samples of every split, in [0, 1].
    seed : int
        Of the draw, which all runs share.
    """

    kind: str
    share: float
    seed: int = 0
    labels: ClassVar[tuple[str, ...]] = (TRAIN_ATTRIBUTES, VAL_ATTRIBUTES)

    def __call__(self, case: Case) -> Groups:
        """Return the groups of all rows."""
        true = case.prepared.require_true("the ablation probe-noise")
        likely = case.prepared.pseudo.posterior.copy()
        rows = np.arange(len(true))
        likely[rows, true.attribute] = 0.0
        values = true.attribute.copy()
        for number, split in enumerate(SPLITS):
            inside = np.flatnonzero(case.prepared.table.split == split)
            rng = np.random.default_rng([self.seed, number])
            chosen = inside[self.choose(likely[inside].sum(axis=1), rng)]
            wrong = rng.random(likely[chosen].shape) if self.kind == "uniform" else likely[chosen]
            wrong[np.arange(len(chosen)), true.attribute[chosen]] = -1.0
            values[chosen] = wrong.argmax(axis=1)
        return dataclasses.replace(true, posterior=np.eye(len(true.attribute_names))[values])

    def choose(self, wrong: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Choose the samples of one split to flip, from the probe's posterior of a wrong value ``(n,)``."""
        size = round(self.share * len(wrong))
        if self.kind == "uniform":
            return rng.choice(len(wrong), size, replace=False)
        if self.kind == "zero-shot":
            # The k largest of log p + Gumbel noise are k draws without replacement.
            wrong = np.log(wrong + 1e-300) + rng.gumbel(size=len(wrong))
        return np.argsort(-wrong, kind="stable")[:size]

    def for_selection(self, case: Case) -> Groups:
        """Return the same groups: steps are selected with the same errors."""
        return self(case)
