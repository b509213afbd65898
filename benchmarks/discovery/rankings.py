"""Ways to rank words by how much a head leans on them: four from the literature, on the same errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from debias_pt.discovery.embedding import Array
from debias_pt.discovery.set_aside import unit
from debias_pt.groups.refinement.biased_head import fit_biased_head

from ..group_robustness.rivals.projection import off_span
from .case import DiscoveryCase

SLICES, PARTS, WEIGHT = 25, 32, 10.0  # Domino's slices, principal components, and weight of label and prediction


@dataclass(frozen=True)
class Ranking:
    """A name, and a function from a case to a score per word, higher for what the head leans on more."""

    name: str
    source: str
    score: Callable[[DiscoveryCase], Array]


def b2t(case: DiscoveryCase) -> Array:
    """Score words by similarity to a class's errors minus similarity to its right answers, the best class."""
    wrong = case.errors.predicted != case.y
    rows = []
    for k in range(len(case.train.class_names)):
        own = case.y == k
        if (own & wrong).any() and (own & ~wrong).any():
            rows.append((case.x[own & wrong].mean(axis=0) - case.x[own & ~wrong].mean(axis=0)) @ case.embedded.T)
    return np.max(rows, axis=0) if rows else np.zeros(len(case.words))


def ppa(case: DiscoveryCase) -> Array:
    """Score words by the class logits of a head fitted off the span of the class texts."""
    projection = off_span(case.classes)
    head = fit_biased_head(case.x @ projection, case.y, len(case.train.class_names))
    return np.asarray((case.relative @ projection @ head.weights.T).max(axis=1))


def domino(case: DiscoveryCase) -> Array:
    """Score words by the best slice of a mixture over features, label and prediction that errs more than average."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    classes = np.eye(len(case.train.class_names))
    parts = PCA(min(PARTS, *case.x.shape), random_state=0).fit_transform(case.x)
    parts = parts / parts.std(axis=0).max()
    columns = np.hstack([parts, WEIGHT * classes[case.y], WEIGHT * classes[case.errors.predicted]])
    mixture = GaussianMixture(min(SLICES, len(columns)), covariance_type="diag", random_state=0, max_iter=50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that fifty rounds do not converge to the last digit
        share = mixture.fit(columns).predict_proba(columns)
    wrong = case.errors.predicted != case.y
    rows = [np.zeros(len(case.words))]
    for slice_ in share.T[share.sum(axis=0) >= 1]:
        if slice_ @ wrong / slice_.sum() > wrong.mean():
            own = (slice_ @ classes[case.y]).argmax()
            shift = slice_ @ case.x / slice_.sum() - case.errors.class_means[own]
            rows.append(case.relative @ unit(shift))
    return np.asarray(np.max(rows, axis=0))


def wasp(case: DiscoveryCase) -> Array:
    """Score words by a class's weights minus the next class's."""
    scores = np.sort(case.embedded @ unit(case.errors.head.weights).T, axis=1)
    return np.asarray(scores[:, -1] - scores[:, -2])


def annotated(case: DiscoveryCase) -> Array:
    """Score words by how much the annotated values differ in them within classes: what the model's words allow."""
    (attribute, *_) = case.train.attributes.values()
    scores = np.zeros(len(case.words))
    spread = case.errors.std_along(case.relative)
    for k in range(len(case.train.class_names)):
        own = [(case.y == k) & (attribute.labels == a) for a in range(len(attribute.values))]
        means = np.array([case.x[rows].mean(axis=0) for rows in own if rows.any()]) @ case.relative.T
        scores += np.ptp(means, axis=0) / spread
    return scores


RANKINGS = (
    Ranking("b2t", "B2T's score alone (arXiv 2301.11104)", b2t),
    Ranking("ppa", "PPA's biased head x word (arXiv 2503.09487)", ppa),
    Ranking("domino", "after Domino's mixture (arXiv 2203.14960)", domino),
    Ranking("wasp", "after WASP's ranking of class weights (arXiv 2410.18970)", wasp),
    Ranking("annotated", "ORACLE: words by the annotated attribute", annotated),
)
