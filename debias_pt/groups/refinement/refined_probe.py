"""The probe whose zero-shot answers are refined on the training images."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from debias_pt.datasets.attributes import PseudoAttribute
from debias_pt.errors import DebiasWarning
from debias_pt.features.table import FeatureTable
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.refinement.mixture import RefinementError
from debias_pt.groups.refinement.pooling import Refinement, refine
from debias_pt.utils.registry import lookup

KINDS: dict[str, dict[str, bool]] = {  # by the name of the setting: options of refine()
    "calibrated": {"in_features": False},
    "mixture": {"in_features": True},
}


class RefinedProbe:
    """A zero-shot probe, calibrated on the training images and perhaps refined in their features.

    Parameters
    ----------
    probe : AttributeProbe
        What is refined. It asks as before; attribute labels are never read.
    kind : {"mixture", "calibrated"}
        ``"calibrated"`` finds each value's hump in the zero-shot scores and its share in each class;
        ``"mixture"`` pools that with a Gaussian mixture in the features.

    Attributes
    ----------
    refinements_ : dict of str to Refinement
        By attribute; one that could not be refined is missing, and answered zero-shot.
    facts_ : dict of str to dict
        By attribute: ``used``, ``reason`` if it could not be refined, else what was estimated.

    Raises
    ------
    UnknownNameError
        For another kind.

    Examples
    --------
    >>> refined = RefinedProbe(AttributeProbe(backbone, [place])).fit(table)     # doctest: +SKIP
    >>> groups = Groups.pseudo(table.y, table.class_names, refined.answer(table))  # doctest: +SKIP
    >>> PromptTuner(backbone, method="dpt-mixture").fit(table, groups)           # doctest: +SKIP
    """

    refinements_: dict[str, Refinement]
    facts_: dict[str, dict[str, Any]]

    def __init__(self, probe: AttributeProbe, kind: str = "mixture") -> None:
        self.options = lookup(KINDS, kind, "refined probe")
        self.probe, self.kind = probe, kind

    def fit(self, table: FeatureTable) -> RefinedProbe:
        """Fit on the table's ``train`` rows: their features and classes."""
        train = table.where("train")
        self.refinements_, self.facts_ = {}, {}
        of_all = self.probe.scores(train.features, train.y)
        for attribute, scores in zip(self.probe.attributes, of_all, strict=True):
            try:
                refinement, facts = refine(train.features, scores, train.y, len(table.class_names), **self.options)
            except RefinementError as error:
                warnings.warn(
                    f"the answers for {attribute.name!r} stay zero-shot: {error}; see other words, or more images",
                    DebiasWarning,
                    stacklevel=2,
                )
                self.facts_[attribute.name] = {"used": "zero-shot", "reason": str(error)}
                continue
            self.refinements_[attribute.name] = refinement
            self.facts_[attribute.name] = {"used": self.kind, **facts}
        return self

    def answer(self, table: FeatureTable) -> tuple[PseudoAttribute, ...]:
        """Answer for all rows of the table it was fitted on; only training rows use the shares of the classes.

        Elsewhere class and attribute may be as independent as in Waterbirds' validation split, where shares
        from training would be wrong for every second image of a small group.
        """
        train = table.split == "train"
        answers = zip(
            self.predict(table.features, table.y, prior=True), self.predict(table.features, table.y), strict=True
        )
        return tuple(
            PseudoAttribute(a.name, a.values, np.where(train[:, None], a.posterior, b.posterior)) for a, b in answers
        )

    def predict(
        self, features: NDArray[np.float32], y: NDArray[np.int64], *, prior: bool = False
    ) -> tuple[PseudoAttribute, ...]:
        """Answer for N images of classes y; see :meth:`Refinement.posterior` for `prior`."""
        answers = []
        for attribute, scores in zip(self.probe.attributes, self.probe.scores(features, y), strict=True):
            refinement = self.refinements_.get(attribute.name)
            posterior = (
                softmax(scores, axis=1)
                if refinement is None
                else refinement.posterior(features, scores, y, prior=prior)
            )
            answers.append(PseudoAttribute(attribute.name, tuple(attribute.values), posterior))
        return tuple(answers)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return what was fitted, for :meth:`load`."""
        return {
            f"{name}/{field.name}": torch.from_numpy(np.ascontiguousarray(getattr(refinement, field.name)))
            for name, refinement in self.refinements_.items()
            for field in fields(Refinement)
        }

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> RefinedProbe:
        """Take back what :meth:`state_dict` returned."""
        names = {key.rpartition("/")[0] for key in state}
        self.refinements_ = {
            name: Refinement(**{field.name: state[f"{name}/{field.name}"].numpy() for field in fields(Refinement)})
            for name in names
        }
        return self
