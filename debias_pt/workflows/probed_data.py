"""Everything before fitting, in one object: features, the probe's answers, groups."""

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
from debias_pt.groups.guard import Verdict, guard, overall
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.probe_report import probe_report
from debias_pt.groups.refinement import RefinedProbe
from debias_pt.models.backbone import Backbone
from debias_pt.reweighting import REWEIGHTERS
from debias_pt.settings import TrainSettings
from debias_pt.utils.registry import lookup


@dataclass(frozen=True)
class ProbedData:
    """Everything before fitting.

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
    others : dict of str to ProbedData
        The same with the answers of other probes, once requested.
    split_rule : mapping
        How the splits were made, if they are not the data set's own.
    synthetic : bool
        The images were drawn by a program.
    judged : dict of str to Verdict
        The guard's verdict on each attribute, once it was asked for.
    """

    backbone: Backbone
    table: FeatureTable
    stats: EncodeStats
    attributes: tuple[Attribute, ...]
    answers: tuple[PseudoAttribute, ...]
    annotated: tuple[TrueAttribute | None, ...]
    refined: RefinedProbe | None = None
    others: dict[str, ProbedData] = field(default_factory=dict, repr=False, compare=False)
    split_rule: Mapping[str, object] = field(default_factory=dict)
    synthetic: bool = False
    judged: dict[str, Verdict] = field(default_factory=dict, repr=False, compare=False)

    @property
    def probe(self) -> str:
        """Which probe answered: a name in ``PROBES``."""
        return self.refined.kind if self.refined else "zero-shot"

    def probed_by(self, probe: str) -> ProbedData:
        """Return the same with the answers of another probe."""
        if probe == self.probe:
            return self
        if probe not in self.others:
            other = probe_table(self.backbone, self.table, self.stats, self.attributes, probe)
            self.others[probe] = replace(
                other, split_rule=self.split_rule, synthetic=self.synthetic, judged=self.judged
            )
        return self.others[probe]

    @cached_property
    def pseudo(self) -> Groups:
        """Class x pseudo attributes, for all rows; the classes alone where no attribute was asked for."""
        if not self.answers:
            return Groups.by_class(self.table.y, self.table.class_names)
        return Groups.pseudo(self.table.y, self.table.class_names, self.answers)

    @cached_property
    def true(self) -> Groups | None:
        """Class x the same attributes as annotated, for all rows, if all of them are."""
        known = [true for true in self.annotated if true is not None]
        if not known or len(known) < len(self.annotated):
            return None
        return Groups.true(self.table.y, self.table.class_names, known)

    @cached_property
    def benchmark(self) -> Mapping[str, TrueAttribute]:
        """The annotated attributes to report by, perhaps none.

        The requested ones, if all of them are annotated; else all that the data set has, which are its benchmark.
        """
        if self.true is None:
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

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """What the guard says of each attribute that is asked for, whoever answers."""
        if not self.judged:
            zero_shot = AttributeProbe(self.backbone, self.attributes, self.table.class_names)
            self.judged.update(guard(self.backbone, self.table, self.attributes, zero_shot))
        return self.judged

    @property
    def guard_result(self) -> dict[str, Any]:
        """The guard's verdicts as plain JSON: the worst of them as ``verdict``, and each in ``attributes``."""
        by_name = {name: verdict.to_dict() for name, verdict in self.verdicts.items()}
        return {"verdict": overall(self.verdicts), "attributes": by_name}

    def groups_to_fit(self, settings: TrainSettings) -> Groups:
        """Return the groups of all rows that settings fit with, before any are inferred.

        Raises
        ------
        UsageError
            If true groups are requested and not annotated.
        """
        if settings.groups == "true":
            return self.require_true("--groups true")
        if not lookup(REWEIGHTERS, settings.method, "method").needs_words:
            return Groups.by_class(self.table.y, self.table.class_names)
        return self.pseudo

    def rows(self, split: str) -> NDArray[np.bool_]:
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
        if self.true is None and not self.answers:
            raise UsageError(f"{option} needs an attribute; name one: --attribute background=land:water")
        if self.true is None:
            raise UsageError(f"{option} needs annotations; {self.table.name} has none of {self._not_annotated()[0]}")
        return self.true

    def probe_result(self, split: str) -> dict[str, Any]:
        """Return the probe's wording, group sizes, its report where true attributes are known, what was fitted."""
        rows = self.rows(split)
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
        if self.true is not None:
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
    probe: str = "zero-shot",
) -> ProbedData:
    """Ask a probe for the attributes of all rows."""
    zero_shot = AttributeProbe(backbone, attributes, table.class_names)
    refined = None if probe == "zero-shot" else RefinedProbe(zero_shot, probe).fit(table)
    answers = refined.answer(table) if refined else zero_shot.predict(table.features, table.y)
    annotated = tuple(annotation(table.attributes.get(one.name), one) for one in answers)
    return ProbedData(backbone, table, stats, attributes, answers, annotated, refined)


def annotation(true: TrueAttribute | None, answer: PseudoAttribute) -> TrueAttribute | None:
    """Return an annotation in the probe's order of values, or None if it has other values."""
    if true is None or set(true.values) != set(answer.values):
        return None
    order = np.array([answer.values.index(value) for value in true.values])
    return TrueAttribute(answer.values, order[true.labels])
