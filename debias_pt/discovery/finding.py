"""What a discovery returns: attributes with their evidence, and what was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute
from debias_pt.discovery.evidence import ErrorEvidence
from debias_pt.discovery.unnamed import UnnamedDirection


@dataclass(frozen=True)
class Finding:
    """A suspected attribute.

    Parameters
    ----------
    attribute : Attribute
        Ready for an :class:`~debias_pt.groups.probe.AttributeProbe`; its values are the poles.
    score : float
        Of its best word, in standard deviations; findings are ranked by it.
    evidence : ErrorEvidence
        What it explains.
    value_of : ndarray of int, shape (N,)
        The zero-shot probe's answer for each training image.
    confidence : ndarray of float, shape (N,)
        Its confidence, to choose examples by.
    """

    attribute: Attribute
    score: float
    evidence: ErrorEvidence
    value_of: NDArray[np.int64] = field(repr=False)
    confidence: NDArray[np.float64] = field(repr=False)

    @property
    def spec(self) -> str:
        """The attribute as ``--attribute`` takes it."""
        return f"{self.attribute.name}=" + ":".join("|".join(phrases) for phrases in self.attribute.values.values())


@dataclass(frozen=True)
class Discovery:
    """The result of :func:`~debias_pt.discovery.discover.find_attributes`.

    Parameters
    ----------
    findings : tuple of Finding
        The strongest first; empty if nothing was found.
    candidates : tuple of Finding
        The attributes that did not pass, the strongest first: the nearest things to a shortcut.
    unnamed : tuple of UnnamedDirection
        Directions that no word names.
    class_names : tuple of str
    images : int
        Training images looked at.
    errors : int
        Of them, those that heads which did not see them get wrong.
    words : mapping of str to object
        ``scored`` (how many), ``unread``, ``repeated``, ``set_aside`` (list of words near the class names) and
        ``ranked`` (the best words, each with ``word``, ``class``, ``score``, ``effect``, ``contrast``, ``fit``).
    reason : str
        Why nothing was found; empty otherwise.
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
        "nearest_word": one.nearest,
        "correlation": one.correlation,
    }
