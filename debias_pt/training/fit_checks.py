"""Settings of a fit: the scheduler they describe, and what cannot work, before anything slow begins."""

from __future__ import annotations

import torch

from debias_pt.errors import UsageError
from debias_pt.losses import loss_of
from debias_pt.models.heads import HEADS
from debias_pt.models.heads.base import PROMPT_OPTIONS
from debias_pt.reweighting import Reweighter, make_reweighter
from debias_pt.settings import FitSettings
from debias_pt.training.optimizer import make_optimizer
from debias_pt.training.selection import RULES
from debias_pt.utils.registry import lookup


def scheduler(settings: FitSettings) -> Reweighter:
    """Build the group reweighting scheduler that the settings describe."""
    return make_reweighter(
        settings.method,
        eta=settings.eta,
        ema=settings.ema,
        refresh=settings.refresh,
        normalize=settings.normalize,
        alpha=settings.alpha,
    )


def check_fit(settings: FitSettings) -> None:
    """Refuse settings that cannot work, before anything is loaded or encoded.

    Raises
    ------
    UsageError
        Names the setting, the value seen and what it takes.
    """
    scheduler(settings)
    loss_of(settings.loss, settings.loss_option, settings.q)
    lookup(RULES, settings.select, "selection rule")
    lookup(HEADS, settings.head, "head")
    _require_prompt_options(settings)
    make_optimizer(settings, [[torch.nn.Parameter(torch.zeros(1))]])
    require_distinct_runs(settings)


def _require_prompt_options(settings: FitSettings) -> None:
    """Refuse options of a prompt that the head does not take."""
    given = [name for name in PROMPT_OPTIONS if getattr(settings, name) != getattr(FitSettings(), name)]
    foreign = [name for name in given if name not in HEADS[settings.head].takes]
    if foreign:
        raise UsageError(f"the head {settings.head!r} does not take {', '.join(foreign)}; leave it out")


def require_distinct_runs(settings: FitSettings, n: int | None = None) -> None:
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
