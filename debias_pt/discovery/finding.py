"""What a discovery returns: attributes with their evidence, and what was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute
from debias_pt.discovery.evidence import ErrorEvidence
from debias_pt.discovery.fit import ValueFit
from debias_pt.discovery.unnamed import UnnamedDirection


@dataclass(frozen=True)
class Finding:
    """An attribute that errors carry: named, or not and why.

    Parameters
    ----------
    attribute : Attribute
        Ready for an :class:`~debias_pt.groups.probe.AttributeProbe`, with the values that classes go with.
    effect, contrast : float
        In standard deviations, see :class:`~debias_pt.discovery.poles.Poles`.
    fit : tuple of ValueFit
        How its words fit the images, by value.
    evidence : ErrorEvidence
        What it explains.
    value_of : ndarray of int, shape (N,)
        The value of each training image, by centered scores.
    confidence : ndarray of float, shape (N,)
        By how much the best score exceeds the next, to choose examples by.
    again : float or None
        Share of resamples in which it is found again; None where another rule was broken before.
    missing : tuple of str
        The rules that it breaks; empty for one that is named.
    """

    attribute: Attribute
    effect: float
    contrast: float
    fit: tuple[ValueFit, ...]
    evidence: ErrorEvidence
    value_of: NDArray[np.int64] = field(repr=False)
    confidence: NDArray[np.float64] = field(repr=False)
    again: float | None = None
    missing: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """The lower of effect and contrast; findings are ranked by it."""
        return min(self.effect, self.contrast)

    @property
    def spec(self) -> str:
        """The attribute as ``--attribute`` takes it."""
        return self.attribute.in_words()


@dataclass(frozen=True)
class Discovery:
    """The result of :func:`~debias_pt.discovery.discover.find_attributes`.

    Parameters
    ----------
    findings : tuple of Finding
        Those that are named, the strongest first; empty if nothing was found.
    candidates : tuple of Finding
        Those that errors carry as much and that are not named, each with the rules that it breaks.
    unnamed : tuple of UnnamedDirection
        What divides the images and no finding explains.
    class_names : tuple of str
    images : int
        Training images looked at.
    errors : int
        Of them, those that heads which did not see them get wrong.
    words : mapping of str to object
        What was tried: ``attributes`` given, ``tried`` of them, ``everyday`` words to compare with, ``unread``,
        ``repeated``, ``replaced``, ``set_aside`` (words near the class names).
    reason : str
        Why nothing was named; empty otherwise.
    """

    findings: tuple[Finding, ...]
    candidates: tuple[Finding, ...]
    unnamed: tuple[UnnamedDirection, ...]
    class_names: tuple[str, ...]
    images: int
    errors: int
    words: Mapping[str, Any]
    reason: str = ""

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The attributes that were found, the strongest first."""
        return tuple(one.attribute for one in self.findings)

    def __bool__(self) -> bool:
        return bool(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "found": [finding_json(one, self.class_names) for one in self.findings],
            "not_enough": [finding_json(one, self.class_names) for one in self.candidates],
            "unnamed": [unnamed_json(one, self.class_names) for one in self.unnamed],
            "reason": self.reason,
            "images": self.images,
            "head_errors": self.errors,
            "words": dict(self.words),
        }


def finding_json(finding: Finding, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Return one attribute as plain JSON."""
    evidence, values = finding.evidence, tuple(finding.attribute.values)
    groups = [
        {"label": name, "attribute": value, "n": int(evidence.counts[k, v]), "errors": int(evidence.errors[k, v])}
        for k, name in enumerate(class_names)
        for v, value in enumerate(values)
    ]
    goes = {value: [n for k, n in enumerate(class_names) if evidence.usual[k] == v] for v, value in enumerate(values)}
    return {
        "name": finding.attribute.name,
        "attribute": finding.spec,
        "values": {value: list(phrases) for value, phrases in finding.attribute.values.items()},
        "classes": goes,
        "score": finding.score,
        "effect": finding.effect,
        "contrast": finding.contrast,
        "fit": {value: one.to_dict() for value, one in zip(values, finding.fit, strict=True)},
        "found_again": finding.again,
        "missing": list(finding.missing),
        "explained": evidence.explained,
        "explained_interval": list(evidence.interval),
        "groups": groups,
    }


def unnamed_json(one: UnnamedDirection, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Return one unnamed direction as plain JSON, without its numbers."""
    return {
        "label": class_names[one.true],
        "predicted": class_names[one.predicted],
        "errors": one.errors,
        "effect": one.effect,
    }
