"""The prompt tuner: fit, predict, score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from debias_pt.errors import UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.groups.metrics import GroupReport
from debias_pt.losses import Loss, make_loss
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import HEADS, Head
from debias_pt.models.heads.base import PROMPT_OPTIONS
from debias_pt.reweighting import Reweighter, make_reweighter
from debias_pt.settings import LOSS_OPTIONS, METHOD_OPTIONS, FitSettings, resolve
from debias_pt.training.callbacks import Callback
from debias_pt.training.data import FitData
from debias_pt.training.loop import Training
from debias_pt.training.run_group import RunGroup
from debias_pt.utils.fingerprint import require_match
from debias_pt.utils.registry import lookup


class PromptTuner:
    """Learns a prompt for a frozen model, with group weights that adjust as training goes.

    Parameters
    ----------
    backbone : Backbone
        The frozen model.
    settings : FitSettings, optional
        All settings at once.
    **options
        Single settings by name, over `settings`: ``method="dpt"``, ``eta=2.0``, ``seeds=3``; see
        :class:`debias_pt.settings.FitSettings`.

    Attributes
    ----------
    head_ : Head
        What was learned; R runs.
    class_weights_ : ndarray, shape (R, K, D)
        Unit class weights; ``features @ class_weights_[r].T`` is all that plain open_clip needs.
    selected_steps_ : list of int
        Updates each run's kept parameters had seen.
    train_groups_ : Groups or None
        The training groups it was fitted with; None if the head was loaded.

    Raises
    ------
    UnknownNameError, UsageError
        For a method, loss, rule or option that does not exist, with the nearest name.

    Examples
    --------
    >>> tuner = PromptTuner(backbone, method="dpt", seeds=3)             # doctest: +SKIP
    >>> tuner.fit(table, groups)                                          # doctest: +SKIP
    >>> tuner.score(table.where("test"), true_groups).worst_group_accuracy  # doctest: +SKIP
    array([0.67, 0.68, 0.67])
    """

    head_: Head
    class_names_: tuple[str, ...]
    class_weights_: NDArray[np.float32]
    selected_steps_: list[int]
    train_groups_: Groups | None = None

    def __init__(self, backbone: Backbone, settings: FitSettings | None = None, **options: Any) -> None:
        self.backbone = backbone
        names = FitSettings.__dataclass_fields__  # of whatever settings were given, those that are about fitting
        given = {name: getattr(settings, name) for name in names} if settings else {}
        self.settings = resolve(FitSettings, given, options)
        check_fit(self.settings)

    @property
    def seeds(self) -> tuple[int, ...]:
        """One seed per run."""
        return tuple(range(self.settings.seed, self.settings.seed + self.settings.seeds))

    def fit(
        self,
        table: FeatureTable,
        groups: Groups,
        *,
        validation_groups: Groups | None = None,
        reweighter: Reweighter | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> PromptTuner:
        """Train on the table's ``train`` rows, select on its ``val`` rows.

        Parameters
        ----------
        table : FeatureTable
            N rows with both splits.
        groups : Groups
            Of all N rows; the training rows' are fitted with.
        validation_groups : Groups, optional
            Of all N rows, for the selection rule; default `groups`.
        reweighter : Reweighter, optional
            A fresh scheduler instead of the one that the settings name.
        callbacks : sequence of Callback
            Told of the start and of every update: checkpoints, progress.

        Raises
        ------
        FingerprintError
            If the features come from another backbone.
        NonFiniteError
            If training diverges; names step, group and learning rate.
        """
        run_group = self.run_group(table, groups, validation_groups=validation_groups, reweighter=reweighter)
        training = Training(self.make_head(table.class_names), [run_group])
        training.run(callbacks)
        self.take(training.head, run_group)
        return self

    def run_group(
        self,
        table: FeatureTable,
        groups: Groups,
        *,
        validation_groups: Groups | None = None,
        reweighter: Reweighter | None = None,
        beside: RunGroup | None = None,
    ) -> RunGroup:
        """Return what :meth:`fit` would fit with the same arguments, to be fitted together with others.

        See :func:`debias_pt.training.stacking.fit_together`.

        Parameters
        ----------
        table, groups, validation_groups, reweighter
            As of :meth:`fit`.
        beside : RunGroup, optional
            A run group made from the same table: its features are shared instead of copied.

        Raises
        ------
        FingerprintError
            If the features come from another backbone.
        """
        if table.fingerprint:
            require_match(table.fingerprint, self.backbone.fingerprint, f"features of {table.name}", "encode again")
        if len(groups) != len(table):
            raise UsageError(f"{len(groups)} groups for {len(table)} rows; give the groups of all rows")
        device = self.backbone.device
        validation_groups = groups if validation_groups is None else validation_groups
        fitted_rows = np.isin(table.split, self.settings.fit_on.split("+"))
        train_groups = groups.rows(fitted_rows)
        _require_distinct_runs(self.settings, len(train_groups))
        reweighter = scheduler(self.settings) if reweighter is None else reweighter
        if reweighter.uses_attributes:
            train_groups.warn_if_small(soft=self.settings.soft)
        self.train_groups_ = train_groups
        self.class_names_ = table.class_names
        train = FitData.of(table.rows(np.flatnonzero(fitted_rows)), train_groups, device, soft=self.settings.soft)
        val = self._validation(table, validation_groups, train)
        if beside is not None:
            shared = ((train, beside.train), (val, beside.val))
            train, val = (replace(a, features=b.features) if len(a) == len(b) else a for a, b in shared)
        return RunGroup(criterion(self.settings), reweighter, self.settings, self.seeds, train, val, groups)

    def _validation(self, table: FeatureTable, groups: Groups, train: FitData) -> FitData:
        """Return what the selection rule looks at; without validation rows, only the last step can be kept."""
        rows = table.split == "val"
        if not rows.any() and self.settings.select == "last":
            return train.at(slice(0, 0))
        return FitData.of(table.where("val"), groups.rows(rows), self.backbone.device)

    def take(self, head: Head, run_group: RunGroup) -> None:
        """Take what a finished fit learned in this tuner's run group of it."""
        if len(run_group.seeds) != len(next(head.parameters())):
            state = {name: value[run_group.runs] for name, value in head.state_dict().items()}
            head = self.make_head(self.class_names_)
            head.load_state_dict(state)
        self.head_ = head
        self.selected_steps_ = run_group.selector.step_.tolist()
        self.freeze()

    def make_head(self, class_names: Sequence[str], seeds: Sequence[int] | None = None) -> Head:
        """Build the untrained head that the settings describe; for other `seeds`, if given."""
        seeds = self.seeds if seeds is None else seeds
        return lookup(HEADS, self.settings.head, "head")(self.backbone, class_names, seeds, self.settings)

    def load_head(self, class_names: Sequence[str], state: dict[str, torch.Tensor]) -> PromptTuner:
        """Take a head back that was saved, instead of fitting one."""
        self.class_names_ = tuple(class_names)
        self.head_ = self.make_head(class_names)
        self.head_.load_state_dict(state)
        self.freeze()
        return self

    def freeze(self) -> None:
        """Take ``class_weights_`` from the head as it now is."""
        with torch.no_grad():
            self.class_weights_ = (
                self.head_.class_weights(self.head_()).float().cpu().numpy().copy()
            )  # not a view of a parameter

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits ``(R, N, K)`` of unit features ``(N, D)``."""
        product: NDArray[np.float32] = self.head_.scale * (features @ self.class_weights_.transpose(0, 2, 1))
        return product

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return class labels ``(R, N)`` of unit features ``(N, D)``."""
        return np.asarray(self.logits(features).argmax(axis=-1), dtype=np.int64)

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return class probabilities ``(R, N, K)`` of unit features ``(N, D)``."""
        probabilities: NDArray[np.float64] = torch.from_numpy(self.logits(features)).double().softmax(dim=-1).numpy()
        return probabilities

    def score(self, table: FeatureTable, groups: Groups, train_counts: NDArray[np.int64] | None = None) -> GroupReport:
        """Report accuracy by group on all rows of a table.

        Parameters
        ----------
        table : FeatureTable
            N rows, usually one split.
        groups : Groups
            Of these rows.
        train_counts : ndarray of int, shape (G,), optional
            Sizes of the same groups in training, for the adjusted average. Default: those it was fitted
            with, if `groups` are of the same kind; else the adjusted average is NaN.
        """
        fitted = self.train_groups_
        if train_counts is not None:
            counts = train_counts
        elif fitted is not None and (fitted.source, fitted.names) == (groups.source, groups.names):
            counts = fitted.counts
        else:
            counts = np.zeros(groups.n_groups, dtype=np.int64)
        return GroupReport.of(self.predict(table.features), groups, counts, self.seeds)


def scheduler(settings: FitSettings) -> Reweighter:
    """Build the group reweighting scheduler that the settings describe."""
    named = {name: getattr(settings, name) for name in METHOD_OPTIONS}
    return make_reweighter(settings.method, settings.method_option, **named)


def criterion(settings: FitSettings) -> Loss:
    """Build the per-sample loss that the settings describe."""
    named = {name: getattr(settings, name) for name in LOSS_OPTIONS}
    return make_loss(settings.loss, settings.loss_option, **named)


def check_fit(settings: FitSettings) -> None:
    """Refuse settings that cannot work, before anything is loaded or encoded.

    Raises
    ------
    UsageError
        Names the setting, the value seen and what it takes.
    """
    scheduler(settings)
    criterion(settings)
    lookup(HEADS, settings.head, "head")
    _require_prompt_options(settings)
    _require_distinct_runs(settings)


def _require_prompt_options(settings: FitSettings) -> None:
    """Refuse options of a prompt that the head does not take."""
    given = [name for name in PROMPT_OPTIONS if getattr(settings, name) != getattr(FitSettings(), name)]
    foreign = [name for name in given if name not in HEADS[settings.head].takes]
    if foreign:
        raise UsageError(f"the head {settings.head!r} does not take {', '.join(foreign)}; leave it out")


def _require_distinct_runs(settings: FitSettings, n: int | None = None) -> None:
    """Refuse several seeds where a seed changes nothing; `n` is the number of training samples, once known."""
    full = settings.batch_size is None or (n is not None and settings.batch_size >= n)
    if settings.seeds < 2 or not full or HEADS[settings.head].random_start(settings):
        return
    if "context_init" in HEADS[settings.head].takes:
        raise UsageError(
            f"{settings.seeds} seeds from the words {settings.context_init!r} with full-batch steps would be the same "
            "run; add a smaller --batch-size, take --context-init random, or one seed"
        )
    raise UsageError(
        f"{settings.seeds} seeds of the head {settings.head!r} with full-batch steps would be the same run; add a "
        "smaller --batch-size, take --head linear, or one seed"
    )
