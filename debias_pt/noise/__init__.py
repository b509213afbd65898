"""Few-shot samples, wrong labels, pseudo labels, and finding wrong labels again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.features.table import FeatureTable
from debias_pt.noise.few_shot import FewShot
from debias_pt.noise.label_noise import NOISES, Clean
from debias_pt.noise.noisy_labels import NoisyLabels
from debias_pt.noise.pseudo_labels import pseudo_labels
from debias_pt.utils.registry import lookup

__all__ = ["NOISES", "Clean", "NoisyLabels", "add_noise", "pseudo_labels"]


def add_noise(
    table: FeatureTable,
    shots: FewShot,
    kind: str,
    rate: float,
    seed: int | None = None,
    *,
    probabilities: NDArray[np.float64] | None = None,
) -> NoisyLabels:
    """Make a few-shot sample noisy.

    Parameters
    ----------
    table : FeatureTable
        N rows, where the sample comes from; its ``train`` rows are the pool of replacement noise.
    shots : FewShot
        The clean sample.
    kind : str
        ``"replacement"``, ``"replacement-ptnl"``, ``"symmetric"``, ``"asymmetric"`` or ``"confusion"``.
    rate : float
        Share of wrong labels, 0 to 1: exactly ``int(rate * n)`` of n samples, with replacement noise
        exactly ``int(rate * K)`` of every class's K. At 0 all kinds but ``"replacement-ptnl"``, which draws images
        of its own, give the sample as it is.
    seed : int, optional
        Of the noise; default the sample's. Its random stream is a different one in any case.
    probabilities : ndarray of float, shape (N, K), optional
        Zero-shot, of all rows of the table or of its ``train`` rows; confusion noise needs them.

    Returns
    -------
    NoisyLabels

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    UsageError
        If the rate is out of range, or the kind lacks what it needs.

    Examples
    --------
    >>> noisy = add_noise(table, FewShot.draw(table, 16, seed=0), "symmetric", 0.5)     # doctest: +SKIP
    >>> tuner.fit(noisy.of(table), groups)                                              # doctest: +SKIP
    """
    noise = lookup(NOISES, kind, "noise")
    seed = shots.seed if seed is None else seed
    train = table.where("train")
    if probabilities is not None and len(probabilities) == len(table):
        probabilities = probabilities[table.split == "train"]
    clean = Clean(train.y, shots.rows(train), len(table.class_names), rate, seed, probabilities, shots.shots)
    rows, given = noise(clean)
    ids = tuple(train.ids[row] for row in rows)
    return NoisyLabels(ids, given, train.y[rows], len(table.class_names), kind, rate, seed)
