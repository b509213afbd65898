"""A case of the suite: data, model and settings, and the store of its results."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from debias_pt.groups.groups import Groups
from debias_pt.groups.guard import Verdict
from debias_pt.methods.composition import complete, method_of
from debias_pt.models.heads import Head
from debias_pt.models.heads.base import PROMPT_OPTIONS
from debias_pt.settings import PARTS, FitSettings, TrainSettings, identity, resolve
from debias_pt.training.callbacks import Callback
from debias_pt.training.data import membership_of
from debias_pt.training.fit_checks import head_kind
from debias_pt.training.loop import Training
from debias_pt.training.run_group import RunGroup
from debias_pt.training.selection import RULES, Selector
from debias_pt.utils.fingerprint import digest
from debias_pt.utils.versions import versions
from debias_pt.workflows.prepared import Prepared, answered_by, judge

CLASSES, TRAIN_ATTRIBUTES, VAL_ATTRIBUTES = "class labels", "training attributes", "validation attributes"

Predict = Callable[[NDArray[np.float32]], NDArray[np.int64]]


DEFAULT = TrainSettings()


@dataclass(frozen=True)
class Case:
    """One data set with one model and one budget: the same for all rows.

    Parameters
    ----------
    settings : TrainSettings
        The common budget and selection rule.
    prepared : Prepared
        Features, and the probe's answers.
    """

    settings: TrainSettings
    prepared: Prepared

    def options(self, **options: Any) -> TrainSettings:
        """Return the complete settings of a row: its own, then the common ones, then its method's parts.

        Common settings that a row cannot use are left out; see :meth:`unused`.
        """
        settings = self._with_method(options)
        taken = {*head_kind(settings).takes, *options}
        left = {name: getattr(DEFAULT, name) for name in PROMPT_OPTIONS if name not in taken}
        return dataclasses.replace(settings, **left)

    def _with_method(self, options: Mapping[str, Any]) -> TrainSettings:
        settings = resolve(TrainSettings, dataclasses.asdict(self.settings), options)
        method = method_of(settings)
        foreign = {*method.fixed} | (set() if method.uses_groups else {"soft", "infer_groups"})
        left: dict[str, Any] = dict.fromkeys(foreign - {*options})
        return complete(dataclasses.replace(settings, **left))

    def unused(self, **options: Any) -> list[str]:
        """Return the common settings that a row does not use, since they would change nothing or its method."""
        used = self.options(**options)
        return [
            name for name in self.given if name not in options and getattr(used, name) != getattr(self.settings, name)
        ]

    @property
    def given(self) -> list[str]:
        """The common settings of the fit's parts and of prompts that somebody set."""
        return [name for name in (*PARTS, *PROMPT_OPTIONS) if getattr(self.settings, name) != getattr(DEFAULT, name)]

    def asked(self, probe: str) -> Prepared:
        """Return the data with the answers of a probe."""
        return _asked(self.prepared, probe)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """What the guard says of each attribute."""
        return _judged(self.prepared)

    @property
    def seeds(self) -> tuple[int, ...]:
        """One per run."""
        return tuple(range(self.settings.seed, self.settings.seed + self.settings.seeds))

    @property
    def annotated(self) -> Groups | None:
        """The true groups that reports are by, where there are any."""
        return self.prepared.report_groups if self.prepared.report_groups.source == "true" else None

    @property
    def selects_by_true(self) -> bool:
        """Whether the rule for all rows is an oracle."""
        return self.settings.select is not None and RULES[self.settings.select].uses_true_attributes

    def val_groups(self, groups: Groups) -> Groups:
        """Return what the rule for all rows selects by: `groups`, or the true ones if it is an oracle."""
        return self.prepared.require_true(f"--select {self.settings.select}") if self.selects_by_true else groups

    def split(self, name: str) -> NDArray[np.bool_]:
        """Return which rows belong to a split."""
        return self.prepared.mask(name)


# Several rows ask the same probe and the same guard.
@lru_cache(maxsize=16)
def _asked(prepared: Prepared, probe: str) -> Prepared:
    return answered_by(prepared, probe)


@lru_cache(maxsize=16)
def _judged(prepared: Prepared) -> dict[str, Verdict]:
    return judge(prepared)


@dataclass(frozen=True)
class Fitted:
    """What a row learned.

    Parameters
    ----------
    seeds : tuple of int
        One per run; R of them.
    predict : callable
        Features ``(N, D)`` to labels ``(R, N)``.
    predict_by_true : callable, optional
        The same with the steps that the literature's protocol keeps, where there are steps to choose from.
    steps, steps_by_true : list of int
        The steps kept.
    flagged : ndarray of bool, shape (R or 1, N_train), optional
        Which training samples the method considers a minority of their class, if it can tell without labels.
    """

    seeds: tuple[int, ...]
    predict: Predict
    predict_by_true: Predict | None = None
    steps: Sequence[int] = ()
    steps_by_true: Sequence[int] = ()
    flagged: NDArray[np.bool_] | None = None


class Fit(Protocol):
    """How a row makes its predictions. A frozen dataclass, so that its ``repr`` tells everything it depends on."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What it saw: class labels, training attributes, validation attributes."""

    def __call__(self, case: Case) -> Fitted:
        """Fit on the case's training rows."""


def linear(weights: NDArray[np.float32]) -> Predict:
    """Return what predicts with class weights ``(R, K, D)``."""
    return lambda features: np.asarray((features @ weights.transpose(0, 2, 1)).argmax(axis=-1), dtype=np.int64)


def watch_true(run_group: RunGroup, case: Case) -> Selector | None:
    """Record the literature's choice, the best true-group WGA on validation, during a fit that selects differently."""
    true = case.annotated
    if true is None:
        return None
    selector = Selector("true-wga", run_group.params.parameters, run_group.selector.first_step)
    membership = membership_of(true.rows(case.split("val")), run_group.val.y.device)
    y = torch.from_numpy(case.prepared.table.y[case.split("val")]).to(run_group.val.y.device)
    run_group.watchers.append(lambda step, logits: selector.observe(step, logits, y, membership))
    return selector


@torch.no_grad()
def frozen(head: Head) -> NDArray[np.float32]:
    """Return a head's current class weights, shape ``(R, K, D)``."""
    return np.array(head.class_weights(head()).cpu().numpy())  # a copy: a linear head returns the parameter itself


def run_both_selections(training: Training, case: Case, callbacks: Sequence[Callback] = ()) -> list[Fitted]:
    """Train, and return what each run group predicts with its own selection and with the literature's."""
    by_true = [watch_true(run_group, case) for run_group in training.run_groups]
    training.run(callbacks)
    first = frozen(training.head)
    for selector in by_true:
        if selector is not None:
            selector.restore()
    second = frozen(training.head)
    return [
        Fitted(
            run_group.seeds,
            linear(first[run_group.runs]),
            linear(second[run_group.runs]) if selector else None,
            run_group.selector.step_.tolist(),
            selector.step_.tolist() if selector else (),
        )
        for run_group, selector in zip(training.run_groups, by_true, strict=True)
    ]


def joined(parts: Sequence[Fitted]) -> Fitted:
    """Stack runs that were fitted separately."""
    seconds = [part.predict_by_true for part in parts if part.predict_by_true is not None]
    flagged = [part.flagged for part in parts if part.flagged is not None]
    return Fitted(
        tuple(seed for part in parts for seed in part.seeds),
        lambda features: np.concatenate([part.predict(features) for part in parts]),
        (lambda features: np.concatenate([second(features) for second in seconds])) if seconds else None,
        [step for part in parts for step in part.steps],
        [step for part in parts for step in part.steps_by_true],
        np.concatenate(flagged) if flagged else None,
    )


# Raise it when a change of code changes a result.
EDITION = 3


def key(case: Case, fit: Fit) -> dict[str, Any]:
    """Return everything a row's result depends on, as plain JSON.

    The row's own settings, the common budget, images, labels, annotations, model, the attributes' wording,
    versions, and the edition of this code.
    """
    table, settings = case.prepared.table, case.settings
    annotated = {name: [true.values, true.labels.tolist()] for name, true in table.attributes.items()}
    return {
        "edition": EDITION,
        "versions": versions(),
        "fit": repr(fit),
        "settings": identity({name: getattr(settings, name) for name in FitSettings.__dataclass_fields__}),
        "split": settings.split,
        "backbone": case.prepared.backbone.fingerprint,
        "data": {**table.data_fingerprint(), "annotations": digest(annotated)},
        "attributes": [attribute.describe() for attribute in case.prepared.attributes],
        **({} if case.prepared.probe == "zero-shot" else {"probe": case.prepared.probe}),
    }
