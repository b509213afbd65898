"""The probe whose zero-shot answers are refined on the training images."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from debias_pt.datasets.attributes import PseudoAttribute
from debias_pt.errors import DebiasWarning, UnknownNameError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.refinement.anchored import anchor, with_estimated_shares
from debias_pt.groups.refinement.biased_head import BiasedHead, biased_head_of
from debias_pt.groups.refinement.mixture import Array, RefinementError
from debias_pt.groups.refinement.pooling import Refinement, refine
from debias_pt.settings import PROBES, ZERO_SHOT
from debias_pt.utils.memory import require_free
from debias_pt.utils.registry import nearest

KINDS = tuple(name for name in PROBES if name != ZERO_SHOT)
DOUBLE_COPIES = 4  # of the features in double precision: themselves, a fold, its standardised rows, the mixture's


class RefinedProbe:
    """A zero-shot probe, calibrated on the training images and optionally refined in their features.

    Parameters
    ----------
    probe : AttributeProbe
        The probe to refine. Its questions stay the same; attribute labels are never read.
    kind : {"mixture", "calibrated", "anchored"}
        ``"calibrated"`` finds each value's peak in the zero-shot scores and its share in each class;
        ``"mixture"`` pools that with a Gaussian mixture in the features; ``"anchored"`` lets a biased head confirm
        the scores first, and takes neither the features nor the training shares for rows that it was not fitted on.

    Attributes
    ----------
    refinements_ : dict of str to Refinement
        By attribute; one that could not be refined is missing, and answered zero-shot, or left open by the
        anchored probe: equal shares, which change no weight if groups are soft.
    training_ : dict of str to ndarray, shape (N, V)
        By attribute: what the anchored probe says of the training rows, in their order.
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
    >>> Tuner(backbone, method="dpt-mixture").fit(table, groups)           # doctest: +SKIP
    """

    refinements_: dict[str, Refinement]
    training_: dict[str, Array]
    facts_: dict[str, dict[str, Any]]

    def __init__(self, probe: AttributeProbe, kind: str = "mixture") -> None:
        if kind not in KINDS:
            raise UnknownNameError(f"unknown refined probe {kind!r}{nearest(kind, KINDS)}; known: {', '.join(KINDS)}")
        self.probe, self.kind = probe, kind

    def fit(self, table: FeatureTable) -> RefinedProbe:
        """Fit on the table's ``train`` rows: their features and classes."""
        n, dim = int((table.split == "train").sum()), table.features.shape[1]
        advice = "take --probe zero-shot with --method dpt or balanced, which read minibatches, or fit on fewer rows"
        require_free(DOUBLE_COPIES * 8 * n * dim, f"the {self.kind} probe of {n:,} rows of {dim} features", advice)
        train = table.where("train")
        self.refinements_, self.training_, self.facts_ = {}, {}, {}
        of_all = self.probe.scores(train.features, train.y)
        head = biased_head_of(train) if self.kind == "anchored" else None  # one for all attributes
        for attribute, scores in zip(self.probe.attributes, of_all, strict=True):
            try:
                refinement, facts = self._fit_one(attribute.name, train, scores, head)
            except RefinementError as error:
                stay = "are left open" if self.kind == "anchored" else "stay zero-shot"
                warnings.warn(
                    f"the answers for {attribute.name!r} {stay}: {error}; see other words, or more images",
                    DebiasWarning,
                    stacklevel=2,
                )
                used = "nothing" if self.kind == "anchored" else "zero-shot"
                self.facts_[attribute.name] = {"used": used, "reason": str(error)}
                continue
            self.refinements_[attribute.name] = refinement
            self.facts_[attribute.name] = {"used": self.kind, **facts}
        return self

    def _fit_one(
        self, name: str, train: FeatureTable, scores: Array, head: BiasedHead | None
    ) -> tuple[Refinement, dict[str, Any]]:
        if self.kind != "anchored":
            return refine(train.features, scores, train.y, len(train.class_names), in_features=self.kind == "mixture")
        answers = anchor(train.features, scores, train.y, len(train.class_names), head)
        self.training_[name] = answers.training
        return answers.refinement, answers.facts

    def answer(self, table: FeatureTable) -> tuple[PseudoAttribute, ...]:
        """Answer for all rows of the table it was fitted on; only training rows use the shares of the classes.

        Elsewhere class and attribute may be as independent as in Waterbirds' validation split, where shares
        from training would be wrong for half of the images in a small group. The anchored probe estimates
        the shares of the validation rows from these rows themselves.
        """
        if self.kind == "anchored":
            return tuple(self._answer_anchored(one, table) for one in self.predict(table.features, table.y))
        train = table.split == "train"
        answers = zip(
            self.predict(table.features, table.y, prior=True), self.predict(table.features, table.y), strict=True
        )
        return tuple(replace(a, posterior=np.where(train[:, None], a.posterior, b.posterior)) for a, b in answers)

    def _answer_anchored(self, equal: PseudoAttribute, table: FeatureTable) -> PseudoAttribute:
        if equal.name not in self.training_:  # left open: its groups are as good as the classes
            return replace(equal, posterior=np.full_like(equal.posterior, 1 / len(equal.values)))
        posterior, val = equal.posterior.copy(), table.split == "val"
        posterior[table.split == "train"] = self.training_[equal.name]
        posterior[val] = with_estimated_shares(posterior[val], table.y[val], len(table.class_names))
        return replace(equal, posterior=posterior)

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
            answers.append(PseudoAttribute(attribute.name, tuple(attribute.values), posterior, self.kind))
        return tuple(answers)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return what was fitted, for :meth:`load`."""
        return {
            f"{name}/{field.name}": torch.from_numpy(np.ascontiguousarray(getattr(refinement, field.name)))
            for name, refinement in self.refinements_.items()
            for field in fields(Refinement)
        }

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> RefinedProbe:
        """Restore what :meth:`state_dict` returned."""
        names = {key.rpartition("/")[0] for key in state}
        self.refinements_ = {
            name: Refinement(**{field.name: state[f"{name}/{field.name}"].numpy() for field in fields(Refinement)})
            for name in names
        }
        return self
