"""The shortcut found without its name: errors of a cross-fitted head, and the words that the errors carry."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute
from debias_pt.discovery.embedding import Array, embed_prompts, embed_words, were_read
from debias_pt.discovery.evidence import explain
from debias_pt.discovery.finding import Discovery, Finding
from debias_pt.discovery.head_errors import HeadErrors, head_errors
from debias_pt.discovery.poles import Poles, find_poles
from debias_pt.discovery.scores import WordScores, score_words
from debias_pt.discovery.set_aside import class_similarity, near_classes
from debias_pt.discovery.unnamed import unnamed_directions
from debias_pt.discovery.words import Vocabulary, built_in
from debias_pt.features.table import FeatureTable
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.refinement.mixture import RefinementError
from debias_pt.models.backbone import Backbone
from debias_pt.models.zero_shot import class_prompts

STRONG = 1.0  # standard deviations of a word's score
EXPLAINED = 0.1  # lower end of the interval of the errors explained
ENOUGH_ERRORS = 10
MOST = 5  # attributes
SHOWN = 20  # words


def find_attributes(
    table: FeatureTable, backbone: Backbone | None = None, vocabulary: Vocabulary | None = None
) -> Discovery:
    """Look for attributes that a head leans on, from training features and class labels.

    Parameters
    ----------
    table : FeatureTable
        With ``train`` rows; no other row and no attribute label is looked at.
    backbone : Backbone, optional
        The model that made the features. Without it there are no words, only directions without a name.
    vocabulary : Vocabulary, optional
        The words to name an attribute with; default those of the package.

    Returns
    -------
    Discovery
        Perhaps with nothing found.

    Raises
    ------
    UsageError
        If there are no training rows.

    Examples
    --------
    >>> find_attributes(table, backbone).attributes                # doctest: +SKIP
    (Attribute(name='waves-or-bamboo', ...),)
    """
    train = table.where("train")
    try:
        errors = head_errors(train.features, train.y, len(train.class_names))
    except RefinementError as error:
        return _nothing(train, str(error))
    wrong = errors.predicted != train.y
    if backbone is None:
        unnamed = unnamed_directions(train.features, train.y, errors)
        reason = "without a text tower there are no words to name an attribute with"
        return Discovery((), (), tuple(unnamed), train.class_names, len(train), int(wrong.sum()), {}, reason)
    words, embedded, facts = _read(backbone, vocabulary or built_in())
    classes = embed_prompts(backbone, class_prompts(train.class_names, train.template))
    scores = score_words(embedded, classes, errors)
    aside = near_classes(words, class_similarity(embedded, classes), train.class_names)
    facts |= {"set_aside": [word for word, near in zip(words, aside, strict=True) if near]}
    facts |= {"scored": len(words), "ranked": ranked(words, scores, ~aside, train.class_names)}
    tried = [
        _finding(poles, words, scores, errors, train, backbone) for poles in find_poles(scores, ~aside, errors, MOST)
    ]
    unnamed = unnamed_directions(train.features, train.y, errors, words, scores.directions)
    found = tuple(one for one in tried if passes(one, int(wrong.sum())))
    return Discovery(
        found,
        tuple(one for one in tried if one not in found),
        tuple(unnamed),
        train.class_names,
        len(train),
        int(wrong.sum()),
        facts,
        "" if found else _why_nothing(tried, int(wrong.sum())),
    )


def passes(finding: Finding, errors: int) -> bool:
    """Tell whether an attribute is strong enough to be called found.

    Its best word must have a score of one standard deviation, and the lower end of the share of errors explained be at
    least a tenth, of ten errors or more.
    """
    return errors >= ENOUGH_ERRORS and finding.score >= STRONG and finding.evidence.interval[0] >= EXPLAINED


def _why_nothing(tried: list[Finding], errors: int) -> str:
    if errors < ENOUGH_ERRORS:
        return f"the heads make {errors} errors on images they did not see; {ENOUGH_ERRORS} are needed to explain any"
    if not tried:
        return "no word goes with the errors"
    best = tried[0]
    return (
        f"the strongest candidate ({best.spec}) has a score of {best.score:.2f} ({STRONG:g} needed) and explains "
        f"{best.evidence.explained:.0%} of the errors, at least {best.evidence.interval[0]:.0%} "
        f"({EXPLAINED:.0%} needed)"
    )


def _nothing(train: FeatureTable, reason: str) -> Discovery:
    return Discovery((), (), (), train.class_names, len(train), 0, {}, reason)


def _read(backbone: Backbone, vocabulary: Vocabulary) -> tuple[list[str], Array, dict[str, Any]]:
    """Return the words that the model has read, their embeddings, and what was left out."""
    every = list(vocabulary)
    read = were_read(backbone, every)
    words = [word for word, known in zip(every, read, strict=True) if known]
    facts = {
        "source": vocabulary.source,
        "given": len(every),
        "unread": int((~read).sum()),
        "repeated": vocabulary.repeated,
    }
    return words, embed_words(backbone, words), facts


def ranked(
    words: list[str], scores: WordScores, allowed: NDArray[np.bool_], class_names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Return the best words with their scores."""
    order = np.argsort(-np.where(allowed, scores.score, -np.inf), kind="stable")[: min(SHOWN, int(allowed.sum()))]
    return [
        {
            "word": words[i],
            "class": class_names[scores.goes_with[i]],
            **{name: float(getattr(scores, name)[i]) for name in ("score", "effect", "contrast", "fit")},
        }
        for i in order
    ]


def _finding(
    poles: Poles, words: list[str], scores: WordScores, errors: HeadErrors, train: FeatureTable, backbone: Backbone
) -> Finding:
    phrases = [tuple(words[i] for i in pole) for pole in poles.words]
    name = "-or-".join(pole[0] for pole in phrases).replace(" ", "-")
    attribute = Attribute(name, {pole[0]: pole for pole in phrases})
    (answer,) = AttributeProbe(backbone, [attribute]).predict(train.features)
    wrong = errors.predicted != train.y
    evidence = explain(answer.labels, train.y, wrong, len(train.class_names), len(phrases))
    return Finding(attribute, float(scores.score[poles.seed]), evidence, answer.labels, answer.confidence)
