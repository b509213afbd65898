"""Which optimizer a fit uses: L-BFGS to the optimum where there is one, else steps of AdamW."""

from __future__ import annotations

from debias_pt.errors import UsageError
from debias_pt.losses import LOSSES
from debias_pt.methods import METHODS
from debias_pt.models.heads import HEADS
from debias_pt.reweighting import REWEIGHTERS
from debias_pt.settings import FitSettings
from debias_pt.utils.registry import lookup

OPTIMUM = "lbfgs"


def optimizer_of(settings: FitSettings) -> str:
    """Return the optimizer that complete settings lead to.

    An optimum is looked for if there is just one (a convex loss, a penalized linear head, weights that stay fixed) and
    no setting asks for steps on the way to it: minibatches, a learning rate, a selection rule.

    Raises
    ------
    UsageError
        If ``lbfgs`` was asked for and there is no single optimum; says what is in the way.

    Examples
    --------
    >>> from debias_pt.methods import complete
    >>> optimizer_of(complete(FitSettings(method="anchored"))), optimizer_of(complete(FitSettings(method="dpt")))
    ('lbfgs', 'adamw')
    >>> optimizer_of(complete(FitSettings(method="anchored", lr=0.01)))
    'adamw'
    """
    if settings.optimizer not in (None, OPTIMUM):
        return str(settings.optimizer)
    obstacles = [*_no_optimum(settings), *_on_the_way(settings)]
    if settings.optimizer is None:
        return "adamw" if obstacles else OPTIMUM
    if obstacles:
        raise UsageError(f"--optimizer lbfgs fits to the optimum, but {obstacles[0]}; leave it out, or take adamw")
    return OPTIMUM


def _no_optimum(settings: FitSettings) -> list[str]:
    """Say what keeps a fit from having a single optimum."""
    scheduler = METHODS[settings.method].scheduler
    reweighter = lookup(REWEIGHTERS, scheduler, "scheduler") if isinstance(scheduler, str) else scheduler
    facts = {
        f"the head {settings.head!r} has no single one (take --head standardized)": lookup(
            HEADS, str(settings.head), "head"
        ).convex,
        f"the loss {settings.loss!r} is not convex": lookup(LOSSES, settings.loss, "loss").convex,
        f"the weights of {settings.method!r} change with every step": reweighter.fixed,
    }
    return [obstacle for obstacle, met in facts.items() if not met]


def _on_the_way(settings: FitSettings) -> list[str]:
    """Say which settings ask for single steps."""
    facts = {
        f"--lr {settings.lr} sets the size of steps": settings.lr is None,
        f"--batch-size {settings.batch_size} asks for minibatches": settings.batch_size is None,
        f"--weight-decay {settings.weight_decay} changes it": not settings.weight_decay,
        f"--warmup-steps {settings.warmup_steps} asks for a warm-up": not settings.warmup_steps,
        f"--select {settings.select} asks for a step before it": settings.select in (None, "last"),
    }
    return [obstacle for obstacle, met in facts.items() if not met]
