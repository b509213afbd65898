"""Prompt projection: the attribute's words are taken out of the class embeddings (Orth-Proj, Orth-Cal)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import CLASS_TEMPLATES, TEMPLATES, Attribute
from debias_pt.models.backbone import Backbone

from ..case import Case, Fitted, linear
from .zero_shot import ZeroShot


def off_span(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``P0``, the projection ``(D, D)`` off the span of the rows of `directions` ``(m, D)``.

    Examples
    --------
    >>> off_span(np.array([[1.0, 0.0], [2.0, 0.0]]))
    array([[0., 0.],
           [0., 1.]])
    """
    _, sizes, basis = np.linalg.svd(directions, full_matrices=False)
    basis = basis[sizes > 1e-6 * sizes.max()]
    return np.asarray(np.eye(directions.shape[1]) - basis.T @ basis)


def calibrated(
    projection: NDArray[np.float64], differences: NDArray[np.float64], strength: float
) -> NDArray[np.float64]:
    """Return ``P0 (I + lam M)^-1``: close to `projection`, and insensitive to `differences` ``(n, D)``.

    It minimises ``||P - P0||^2 + lam * mean_n ||P d_n||^2`` over P; M is the mean of ``d_n d_n^T``.

    Examples
    --------
    >>> calibrated(np.eye(2), np.array([[1.0, 0.0]]), 9.0)
    array([[0.1, 0. ],
           [0. , 1. ]])
    """
    mean_outer = differences.T @ differences / len(differences)
    return np.asarray(projection @ np.linalg.inv(np.eye(len(projection)) + strength * mean_outer))


@dataclass(frozen=True)
class Projection:
    """Orth-Proj, or with a calibration strength Orth-Cal (Chuang et al., 2023, arXiv 2302.00070).

    The class embeddings of the zero-shot prompt are multiplied with P and normalised; image features stay.
    The spurious directions are the embeddings of every phrase of every asked attribute; the calibration
    pairs name one class with two values of the attribute.

    Parameters
    ----------
    strength : float or None
        ``lam``; None for Orth-Proj.
    """

    strength: float | None = None
    labels: ClassVar[tuple[str, ...]] = ()

    def __call__(self, case: Case) -> Fitted:
        """Compute the projection; one run."""
        attributes, backbone = case.prepared.attributes, case.prepared.backbone
        matrix = off_span(np.concatenate([spurious(backbone, attribute) for attribute in attributes]))
        if self.strength is not None:
            names = case.prepared.table.class_names
            pairs = np.concatenate([differences(backbone, attribute, names) for attribute in attributes])
            matrix = calibrated(matrix, pairs, self.strength)
        weights = ZeroShot().weights(case).double().cpu().numpy() @ matrix.T
        unit = weights / np.linalg.norm(weights, axis=1, keepdims=True)
        return Fitted((case.settings.seed,), linear(unit[None].astype(np.float32)))


def spurious(backbone: Backbone, attribute: Attribute) -> NDArray[np.float64]:
    """Return one embedding per phrase, the mean over the templates that do not name the class, ``(m, D)``."""
    plain = [template for template in attribute.templates if "{class}" not in template] or TEMPLATES
    rows = []
    for phrases in attribute.values.values():
        for phrase in phrases:
            filled = [template.replace("{attribute}", phrase) for template in plain]
            rows.append(backbone.encode_text(filled).mean(dim=0).double().cpu().numpy())
    return np.stack(rows)


def differences(backbone: Backbone, attribute: Attribute, class_names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return, for every class and pair of values, the difference of the two prompts' embeddings, ``(n, D)``."""
    named = replace(attribute, templates=CLASS_TEMPLATES[1:])
    rows = []
    for name in class_names:
        prompts = [named.prompts(value, name)[0] for value in named.values]
        embedded = backbone.encode_text(prompts).double().cpu().numpy()
        rows += [embedded[i] - embedded[j] for i, j in combinations(range(len(prompts)), 2)]
    return np.stack(rows)
