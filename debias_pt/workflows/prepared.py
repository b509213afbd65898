"""A data set that is encoded and asked about: what is the same for every method with one probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute, PseudoAttribute, TrueAttribute
from debias_pt.errors import UsageError
from debias_pt.features.encoding import EncodeStats
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.groups.guard import guard
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.probe_report import probe_report
from debias_pt.groups.refinement import RefinedProbe
from debias_pt.groups.verdict import Verdict, overall
from debias_pt.methods.grouping import ask
from debias_pt.models.backbone import Backbone
from debias_pt.models.feature_backbone import FeatureBackbone
from debias_pt.settings import ZERO_SHOT


@dataclass(frozen=True, eq=False)
class Prepared:
    """A data set, its features, and what the probe says of every row.

    Parameters
    ----------
    backbone : Backbone
    table : FeatureTable
        All splits.
    stats : EncodeStats
    attributes : tuple of Attribute
        What the probe was asked about.
    answers : tuple of PseudoAttribute
        Its answers for all rows.
    annotated : tuple of TrueAttribute or None
        The annotation of each, if there is one with the same name and values.
    refined : RefinedProbe, optional
        The probe that answered, if not the zero-shot one.
    split_rule : mapping
        How the splits were made, if they are not the data set's own.
    synthetic : bool
        The images were drawn by a program.
    """

    backbone: Backbone
    table: FeatureTable
    stats: EncodeStats
    attributes: tuple[Attribute, ...]
    answers: tuple[PseudoAttribute, ...]
    annotated: tuple[TrueAttribute | None, ...]
    refined: RefinedProbe | None = None
    split_rule: Mapping[str, object] = field(default_factory=dict)
    synthetic: bool = False

    @property
    def probe(self) -> str:
        """Which probe answered: a name in ``PROBES``."""
        return self.refined.kind if self.refined else ZERO_SHOT

    @cached_property
    def pseudo(self) -> Groups:
        """Class x pseudo attributes, for all rows; the classes alone where no attribute was asked for."""
        if not self.answers:
            return Groups.by_class(self.table.y, self.table.class_names)
        return Groups.pseudo(self.table.y, self.table.class_names, self.answers)

    @cached_property
    def true(self) -> Groups | None:
        """Class x the same attributes as annotated, for all rows, if all of them are.

        Where features are given without words nothing is asked for, and it is class x all that is annotated.
        """
        if not self.attributes and isinstance(self.backbone, FeatureBackbone) and self.table.attributes:
            return Groups.true(self.table.y, self.table.class_names, tuple(self.table.attributes.values()))
        known = [true for true in self.annotated if true is not None]
        if not known or len(known) < len(self.annotated):
            return None
        return Groups.true(self.table.y, self.table.class_names, known)

    @cached_property
    def benchmark(self) -> Mapping[str, TrueAttribute]:
        """The annotated attributes to report by, perhaps none.

        The requested ones, if all of them are annotated; else all that the data set has, which are its benchmark.
        """
        if self.true is None or not self.answers:
            return self.table.attributes
        return {
            answer.name: true for answer, true in zip(self.answers, self.annotated, strict=True) if true is not None
        }

    @cached_property
    def report_groups(self) -> Groups:
        """The groups to report by: class x :attr:`benchmark`, or :attr:`pseudo` where nothing is annotated."""
        if not self.benchmark:
            return self.pseudo
        return Groups.true(self.table.y, self.table.class_names, tuple(self.benchmark.values()))

    def mask(self, split: str) -> NDArray[np.bool_]:
        """Return which rows belong to a split.

        Raises
        ------
        UsageError
            If there are none.
        """
        rows = np.asarray(self.table.split == split)
        if not rows.any():
            raise UsageError(f"{self.table.name} has no {split!r} rows; choose another split")
        return rows

    def require_true(self, option: str) -> Groups:
        """Return the true groups.

        Raises
        ------
        UsageError
            If a requested attribute is not annotated.
        """
        if self.true is None and isinstance(self.backbone, FeatureBackbone) and not self.attributes:
            raise UsageError(f"{option} needs annotations; name the column that has them: --attribute-column NAME")
        if self.true is None and not self.answers:
            raise UsageError(f"{option} needs an attribute; name one: --attribute background=land:water")
        if self.true is None:
            raise UsageError(f"{option} needs annotations; {self.table.name} has none of {self._not_annotated()[0]}")
        return self.true

    def probe_result(self, split: str) -> dict[str, Any]:
        """Return the probe's wording, group sizes, its report where true attributes are known, what was fitted."""
        rows = self.mask(split)
        pseudo = self.pseudo.rows(rows)
        result: dict[str, Any] = {
            "split": split,
            "kind": self.probe if self.answers else None,
            **({"refinement": self.refined.facts_} if self.refined and split == "train" else {}),
            "attributes": [attribute.describe() for attribute in self.attributes],
            "mean_confidence": {answer.name: float(answer.confidence[rows].mean()) for answer in self.answers},
            "pseudo_group_sizes": dict(zip(pseudo.names, pseudo.counts.tolist(), strict=True)) if self.answers else {},
            "not_annotated": self._not_annotated(),
        }
        if len(self.answers) > 1:
            result["by_attribute"] = {
                answer.name: self._report_one(answer, true, rows)
                for answer, true in zip(self.answers, self.annotated, strict=True)
                if true is not None
            }
        if self.true is not None and self.answers:
            return {**probe_report(pseudo, self.true.rows(rows)).to_dict(), **result}
        return result

    def _report_one(self, answer: PseudoAttribute, true: TrueAttribute, rows: NDArray[np.bool_]) -> dict[str, Any]:
        y, names = self.table.y, self.table.class_names
        pseudo, known = Groups.pseudo(y, names, [answer]), Groups.true(y, names, [true])
        return probe_report(pseudo.rows(rows), known.rows(rows)).to_dict()

    def _not_annotated(self) -> list[str]:
        """Name the attributes without an annotation, and say what is annotated instead."""
        return [
            self._missing(answer.name)
            for answer, true in zip(self.answers, self.annotated, strict=True)
            if true is None
        ]

    def _missing(self, name: str) -> str:
        known = self.table.attributes
        if name in known:
            return f"{name!r} with these values (annotated are {', '.join(known[name].values)}; name yours so)"
        return f"{name!r} (annotated are: {', '.join(known) or 'none'})"


def probe_table(
    backbone: Backbone,
    table: FeatureTable,
    stats: EncodeStats,
    attributes: tuple[Attribute, ...],
    probe: str = ZERO_SHOT,
    **more: Any,
) -> Prepared:
    """Ask a probe about the attributes of all rows; `more` are further fields of :class:`Prepared`."""
    answers = ask(backbone, table, attributes, probe)
    annotated = tuple(annotation(table.attributes.get(one.name), one) for one in answers.attributes)
    return Prepared(backbone, table, stats, attributes, answers.attributes, annotated, answers.refined, **more)


def answered_by(prepared: Prepared, probe: str) -> Prepared:
    """Return the same data with the answers of a probe; as it is if that is who answered."""
    if probe == prepared.probe:
        return prepared
    answers = ask(prepared.backbone, prepared.table, prepared.attributes, probe)
    return replace(prepared, answers=answers.attributes, refined=answers.refined)


def judge(prepared: Prepared) -> dict[str, Verdict]:
    """Ask the guard about every attribute; the zero-shot answers decide, no matter which probe is used."""
    zero_shot = AttributeProbe(prepared.backbone, prepared.attributes, prepared.table.class_names)
    return guard(prepared.backbone, prepared.table, prepared.attributes, zero_shot)


def guard_result(verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """Return verdicts as plain JSON: the worst of them as ``verdict``, and each in ``attributes``."""
    by_name = {name: verdict.to_dict() for name, verdict in verdicts.items()}
    return {"verdict": overall(verdicts), "attributes": by_name}


def annotation(true: TrueAttribute | None, answer: PseudoAttribute) -> TrueAttribute | None:
    """Return an annotation in the probe's order of values, or None if it has other values."""
    if true is None or set(true.values) != set(answer.values):
        return None
    order = np.array([answer.values.index(value) for value in true.values])
    return TrueAttribute(answer.values, order[true.labels])
