"""``bench discovery``: whether the annotated shortcut is found, by words written down beforehand; others beside it."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.discovery import Discovery, Finding, find_attributes
from debias_pt.discovery.embedding import Array
from debias_pt.discovery.words import Vocabulary, built_in
from debias_pt.errors import UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.settings import DataSettings
from debias_pt.workflows.discovery.run import load_and_encode

from .case import DiscoveryCase
from .rankings import RANKINGS
from .true_words import TRUE_WORDS, TrueWords, listed

FIRST = 10


def discovery(settings: DataSettings) -> dict[str, Any]:
    """Rank words in every way, and look what ``discover`` makes of the data set.

    Parameters
    ----------
    settings : DataSettings
        Data and model. Training images only are looked at; the annotation is for the report.

    Returns
    -------
    dict
        ``rankings`` (``auroc``, ``precision_at_10``, ``rank`` of the first true word, ``first`` ten, ``seconds``),
        ``found`` (attributes), ``true_rank`` of the annotated attribute among them and ``called_found``.

    Raises
    ------
    UsageError
        If no true words were written down for the data set.
    """
    name = Path(settings.dataset).stem
    if name not in TRUE_WORDS:
        raise UsageError(f"no true words are written down for {name!r}; known: {', '.join(TRUE_WORDS)}")
    true = TRUE_WORDS[name]
    dataset, backbone, table = load_and_encode(settings)
    case = DiscoveryCase.of(table, backbone, true)
    words = built_in().plus(Vocabulary.of(listed(true.hyponyms), "hyponyms"))
    start = time.perf_counter()
    found = find_attributes(table, backbone, words)
    return {
        "dataset": name,
        "synthetic": dataset.synthetic,
        "model": backbone.name,
        "shortcut": true.shortcut,
        "attribute": true.attribute,
        "words": len(case.words),
        "rankings": [_measure(ranking.name, ranking.source, case, true) for ranking in RANKINGS],
        **rank_of_true(found, table.where("train"), true.attribute),
        "reason": found.reason,
        "found": [one.spec for one in found.findings],
        "hyponyms_left": [word for word in listed(true.hyponyms) if word not in found.words["set_aside"]],
        "seconds": time.perf_counter() - start,
    }


def _measure(name: str, source: str, case: DiscoveryCase, true: TrueWords) -> dict[str, Any]:
    score = next(one.score for one in RANKINGS if one.name == name)
    start = time.perf_counter()
    values = score(case)
    seconds = time.perf_counter() - start
    is_true = np.array([word in true.words for word in case.words])
    return {"name": name, "source": source, "seconds": seconds, **figures(values, is_true, case.words)}


def figures(values: Array, is_true: NDArray[np.bool_], words: list[str]) -> dict[str, Any]:
    """Return AUROC, precision at 10 and the rank of the first true word.

    Examples
    --------
    >>> figures(np.array([3.0, 1.0, 2.0]), np.array([False, False, True]), ["a", "b", "c"])["rank"]
    2
    """
    from sklearn.metrics import roc_auc_score

    order = np.argsort(-values, kind="stable")
    both = is_true.any() and not is_true.all()
    return {
        "auroc": float(roc_auc_score(is_true, values)) if both else None,
        "precision_at_10": float(is_true[order[:FIRST]].mean()),
        "rank": int(is_true[order].argmax()) + 1 if is_true.any() else None,
        "first": [words[i] for i in order[:FIRST]],
    }


def rank_of_true(found: Discovery, train: FeatureTable, name: str, *, agreement: float = 0.75) -> dict[str, Any]:
    """Return the rank among what is named of the first whose answers tell the annotated values apart.

    ``true_rank`` is None if nothing named is right for three quarters of the images, the mean over true groups;
    ``agreement`` is that share for the first.
    """
    shares = [agreement_with(one, train.y, train.attributes[name]) for one in found.findings]
    right = [rank for rank, share in enumerate(shares, 1) if share >= agreement]
    return {
        "true_rank": right[0] if right else None,
        "agreement": shares[0] if shares else None,
        "called_found": bool(found.findings),
    }


def agreement_with(finding: Finding, y: NDArray[np.int64], true: TrueAttribute) -> float:
    """Return how often a finding's answers are an annotated value, the mean over true groups, named in the best way."""
    classes, values = int(y.max()) + 1, max(len(finding.attribute.values), len(true.values))
    best = 0.0
    for names in itertools.permutations(range(values), len(true.values)):
        right = finding.value_of == np.array(names)[true.labels]
        rows = [(y == k) & (true.labels == a) for k in range(classes) for a in range(len(true.values))]
        best = max(best, float(np.mean([right[own].mean() for own in rows if own.any()])))
    return best
