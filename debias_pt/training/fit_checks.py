"""Settings of a fit: the scheduler and the loss they describe, and what cannot work, before anything slow begins."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.losses import Loss, make_loss
from debias_pt.methods.composition import method_of, require_chosen
from debias_pt.models.heads import HEADS, HeadKind
from debias_pt.models.heads.base import PROMPT_OPTIONS
from debias_pt.reweighting import REWEIGHTERS, Reweighter
from debias_pt.settings import LOSS_OPTIONS, METHOD_OPTIONS, FitSettings
from debias_pt.utils.registry import build, lookup


def scheduler(settings: FitSettings) -> Reweighter:
    """Build the group reweighting scheduler that the settings describe."""
    named = {name: getattr(settings, name) for name in METHOD_OPTIONS}
    kind = lookup(REWEIGHTERS, str(method_of(settings).scheduler), "scheduler")
    return build({settings.method: kind}, settings.method, "method", settings.method_option, **named)


def criterion(settings: FitSettings) -> Loss:
    """Build the per-sample loss that the settings describe."""
    named = {name: getattr(settings, name) for name in LOSS_OPTIONS}
    return make_loss(settings.loss, settings.loss_option, **named)


def head_kind(settings: FitSettings) -> HeadKind:
    """Return what builds the head that complete settings name."""
    method_of(settings)  # which may bring the head
    return lookup(HEADS, str(settings.head), "head")


def check_fit(settings: FitSettings) -> None:
    """Refuse complete settings that cannot work, before anything is loaded or encoded.

    Raises
    ------
    UsageError
        Names the setting, the value seen and what it takes.
    """
    require_chosen(settings)
    scheduler(settings)
    criterion(settings)
    head_kind(settings)
    _require_prompt_options(settings)
    require_distinct_runs(settings)


def validation_rows(
    table: FeatureTable, groups: Groups, rule: str, fitted: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Groups, bool]:
    """Return what the selection rule looks at; without validation rows, only the last step can be kept."""
    rows = np.asarray(table.split == "val")
    if rule != "last" and (rows & fitted).any():
        message = f"the rule {rule!r} selects a step on validation rows that are fitted too: take --select last"
        warnings.warn(message, DebiasWarning, stacklevel=3)
    if not rows.any() and rule != "last":
        table.where("val")  # refuses, with the splits there are
    return rows, groups.rows(rows), False


def _require_prompt_options(settings: FitSettings) -> None:
    """Refuse options of a prompt that the head does not take."""
    given = [name for name in PROMPT_OPTIONS if getattr(settings, name) != getattr(FitSettings(), name)]
    foreign = [name for name in given if name not in head_kind(settings).takes]
    if foreign:
        raise UsageError(f"the head {settings.head!r} does not take {', '.join(foreign)}; leave it out")


def require_distinct_runs(settings: FitSettings, n: int | None = None) -> None:
    """Refuse several seeds where a seed changes nothing; `n` is the number of training samples, once known."""
    full = settings.batch_size is None or (n is not None and settings.batch_size >= n)
    kind = head_kind(settings)
    if settings.seeds < 2 or not full or kind.random_start(settings):
        return
    if "context_init" in kind.takes:
        raise UsageError(
            f"{settings.seeds} seeds from the words {settings.context_init!r} with full-batch steps would be the same "
            "run; add a smaller --batch-size, take --context-init random, or one seed"
        )
    raise UsageError(
        f"{settings.seeds} seeds of the head {settings.head!r} with full-batch steps would be the same run; add a "
        "smaller --batch-size, take --head linear, or one seed"
    )
