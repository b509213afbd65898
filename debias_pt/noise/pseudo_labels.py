"""Pseudo labels: the zero-shot model's own predictions in place of labels."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray

from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from debias_pt.models.zero_shot import zero_shot_weights
from debias_pt.noise.noisy_labels import NoisyLabels
from debias_pt.utils.registry import lookup

STREAM = 16_002  # keeps this draw apart from others of the same seed


def most_confident(probabilities: NDArray[np.float64], shots: int, seed: int = 0) -> NDArray[np.int64]:
    """Return, for every class, the rows predicted as it that are most confident, at most `shots`.

    Source: UPL (arXiv 2204.03649), by its released code: a class chooses among the rows where it is the *first*
    choice, never among others, so that no image is taken twice. A class predicted for fewer rows takes all of
    them, a class never predicted none. Equally confident rows are taken in their order.

    Parameters
    ----------
    probabilities : ndarray of float, shape (N, K)
        Zero-shot.
    shots : int
        Rows per class.
    seed : int
        Not used: nothing is drawn.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]])
    >>> most_confident(p, shots=2)
    array([0, 2, 3])
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    chosen = [order[predicted[order] == k][:shots] for k in range(probabilities.shape[1])]
    return np.concatenate(chosen).astype(np.int64)


def random_predicted(probabilities: NDArray[np.float64], shots: int, seed: int = 0) -> NDArray[np.int64]:
    """Return, for every class, rows predicted as it, drawn at random, at most `shots`.

    Source: PTNL's robust UPL (arXiv 2307.11978). With one seed, 8 shots are among the 16.

    Parameters
    ----------
    probabilities, shots
        As for :func:`most_confident`.
    seed : int
        Of the draw.
    """
    predicted = probabilities.argmax(axis=1)
    chosen = [
        np.random.default_rng([seed, STREAM, k]).permutation(np.flatnonzero(predicted == k))[:shots]
        for k in range(probabilities.shape[1])
    ]
    return np.concatenate(chosen).astype(np.int64)


SAMPLINGS = {"top-confidence": most_confident, "random": random_predicted}


def pseudo_labels(
    table: FeatureTable, probabilities: NDArray[np.float64], shots: int, sampling: str, seed: int = 0
) -> NoisyLabels:
    """Sample the table's ``train`` rows by their zero-shot predictions, which become their labels.

    Parameters
    ----------
    table : FeatureTable
        N rows. Their true labels go into the result for reports only.
    probabilities : ndarray of float, shape (N, K)
        Zero-shot, of all N rows; see :func:`debias_pt.noise.pseudo_labels.zero_shot_probabilities`.
    shots : int
        Rows per predicted class, 1 or more.
    sampling : {"top-confidence", "random"}
        UPL's, or robust UPL's.
    seed : int

    Raises
    ------
    UnknownNameError, UsageError
        If the sampling is unknown, `shots` below 1, or the probabilities are not of this table.
    """
    choose = lookup(SAMPLINGS, sampling, "sampling")
    if shots < 1:
        raise UsageError(f"shots is {shots}; 1 or more expected")
    expected = (len(table), len(table.class_names))
    if probabilities.shape != expected:
        raise UsageError(f"probabilities of shape {probabilities.shape}; {expected} expected, a row per image")
    train = np.flatnonzero(table.split == "train")
    rows = train[choose(probabilities[train], shots, seed)]
    given = probabilities[rows].argmax(axis=1)
    _warn_of_short(np.bincount(given, minlength=len(table.class_names)), shots, table.class_names)
    ids = tuple(table.ids[row] for row in rows)
    return NoisyLabels(ids, given, table.y[rows], len(table.class_names), f"pseudo, {sampling}", None, seed)


def _warn_of_short(counts: NDArray[np.int64], shots: int, class_names: tuple[str, ...]) -> None:
    few = np.flatnonzero(counts < shots)
    if len(few):
        first = int(few[counts[few].argmin()])
        text = f"{len(few)} of {len(counts)} classes are predicted for fewer than {shots} training images, "
        text += f"{class_names[first]!r} for {counts[first]}; all of these are taken"
        warnings.warn(text, DebiasWarning, stacklevel=3)


def zero_shot_probabilities(
    backbone: Backbone, table: FeatureTable, template: str | None = None
) -> NDArray[np.float64]:
    """Return the frozen model's class probabilities for every row, shape ``(N, K)``, rows summing to 1.

    Parameters
    ----------
    backbone : Backbone
        The one that made the features.
    table : FeatureTable
        N rows.
    template : str, optional
        Prompt with ``{}``; default the data set's own.

    Raises
    ------
    UsageError
        If the template has no ``{}``, or a prompt is too long.
    """
    weights = zero_shot_weights(backbone, table.class_names, template or table.template).cpu().double()
    logits = backbone.logit_scale * torch.from_numpy(table.features).double() @ weights.T
    probabilities: NDArray[np.float64] = logits.softmax(dim=-1).numpy()
    return probabilities
