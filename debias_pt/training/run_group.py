"""Run groups: runs of one fit that share a loss, a scheduler, a learning rate and their data's shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from debias_pt.errors import UsageError
from debias_pt.features.mapped import MappedRows
from debias_pt.groups.groups import Groups
from debias_pt.losses import Loss
from debias_pt.methods.optimizer import OPTIMUM, optimizer_of
from debias_pt.reweighting import Reweighter
from debias_pt.settings import FitSettings
from debias_pt.training.data import BLOCK, FitData, Minibatches
from debias_pt.training.optimizer import RunSlice
from debias_pt.training.selection import Selector
from debias_pt.utils.membership import group_means

Watcher = Callable[[int, Tensor], object]

# The settings that all run groups of one fit share; all others may differ.
SHARED_SETTINGS = ("steps", "batch_size", "optimizer", "weight_decay", "momentum")


class RunGroup:
    """Some of the runs of a fit, and everything they do not share with the others.

    Parameters
    ----------
    loss : Loss
        Per sample; not shared with another run group if it keeps a state.
    reweighter : Reweighter
        Fresh; started on the training set's groups.
    settings : FitSettings
        Steps, batches, optimiser, learning rate, selection.
    seeds : sequence of int
        One per run; r of them.
    train, val : FitData
        What is fitted, and what the selection rule looks at: shared by the runs, or each run's own. With the
        rule ``last`` there may be no validation rows (``train.at(slice(0, 0))``).
    groups : Groups
        What the membership was made of, for names and classes.

    Attributes
    ----------
    runs : slice
        Its runs on the head's first axis; set when the fit begins.
    selector : Selector
        Which step of each run is kept; from the beginning of the fit.
    val_accuracy_, val_sizes_ : Tensor, shape (r, G)
        Validation accuracy of each group at the last step looked at, and the groups' sizes.
    history_ : list of dict
        One row per step, not yet written.
    watchers : list of callable
        Called with the step and the validation logits ``(r, B, K)`` whenever the selector looks: a second
        selection rule costs no second fit. They are not part of the state.

    Raises
    ------
    ValueError
        If per-run data does not match the number of seeds.
    """

    runs: slice
    params: RunSlice
    selector: Selector
    val_accuracy_: Tensor
    val_sizes_: Tensor

    def __init__(
        self,
        loss: Loss,
        reweighter: Reweighter,
        settings: FitSettings,
        seeds: Sequence[int],
        train: FitData,
        val: FitData,
        groups: Groups,
    ) -> None:
        train.require_runs(len(seeds))
        val.require_runs(len(seeds))
        self.loss, self.reweighter, self.settings, self.seeds = loss, reweighter, settings, tuple(seeds)
        self.train, self.val, self.groups = train, val, groups
        block = BLOCK if isinstance(train.features, MappedRows) else None
        self.minibatches = Minibatches(len(train), settings.batch_size, self.seeds, train.y.device, block=block)
        self.watchers: list[Watcher] = []
        self.history_: list[dict[str, object]] = []

    def start(self, parameters: Sequence[nn.Parameter], first: int) -> None:
        """Take the runs from `first` on of a head's parameters, and reset everything."""
        self.runs = slice(first, first + len(self.seeds))
        self.params = RunSlice(parameters, self.runs)
        first_step = 0 if self.has_optimum else int(self.settings.select_after * self.settings.steps)
        self.selector = Selector(self.settings.select or "last", self.params.parameters, first_step)
        class_of_group = torch.from_numpy(self.groups.class_of_group).to(self.train.y.device)
        self.reweighter.start(self.train.membership, class_of_group, len(self.seeds))

    @property
    def has_optimum(self) -> bool:
        """Whether L-BFGS fits it, to its only optimum."""
        return optimizer_of(self.settings) == OPTIMUM and self.reweighter.fixed

    def validates(self, step: int) -> bool:
        """Tell whether it is time to look at the validation rows.

        Before every update of a full-batch fit. With minibatches as often as the fit has seen as many training rows as
        there are validation rows, and at least once an epoch: validation then costs no more than the fit. The
        end of the fit is always validated.
        """
        batches = self.minibatches
        every = min(batches.per_epoch, max(1, math.ceil(len(self.val) / max(1, batches.size))))
        return step % every == 0

    def observe(self, step: int, logits: Tensor) -> Tensor:
        """Pass validation logits ``(r, B, K)`` to watchers and selector; return the rule's score ``(r,)``."""
        for watch in self.watchers:
            watch(step, logits)
        right = (logits.argmax(dim=-1) == self.val.y).float()
        self.val_accuracy_, self.val_sizes_ = group_means(right, self.val.membership)
        return self.selector.observe(step, logits, self.val.y, self.val.membership)

    def val_accuracy(self, *, there: bool = True) -> list[list[float | None]]:
        """Return the validation accuracy by run and group, as plain JSON.

        None for groups without an image, and for all where it was not time to validate (`there` is false).
        """
        if not there:
            return [[None] * self.val.membership.n_groups for _ in self.seeds]
        sizes = self.val_sizes_.expand_as(self.val_accuracy_).tolist()
        return [
            [value if size else None for value, size in zip(*row, strict=True)]
            for row in zip(self.val_accuracy_.tolist(), sizes, strict=True)
        ]

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """Return everything a resumed run needs besides the head and the optimiser."""
        return {
            "reweighter": self.reweighter.state_dict(),
            "selector": self.selector.state_dict(),
            "loss": self.loss.state_dict(),
        }

    def load_state_dict(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Restore what :meth:`state_dict` returned; objects without state are missing from it."""
        self.selector.load_state_dict(state["selector"])
        for kind, keeper in (("reweighter", self.reweighter), ("loss", self.loss)):
            keeper.load_state_dict({name: value.to(self.train.y.device) for name, value in state.get(kind, {}).items()})


def require_shared_settings(run_groups: Sequence[RunGroup]) -> None:
    """Refuse run groups that cannot be fitted together.

    Raises
    ------
    UsageError
        Names the setting and the values seen.
    """
    if not run_groups:
        raise UsageError("no run groups to fit; give one or more")
    if len({run_group.has_optimum for run_group in run_groups}) > 1:
        raise UsageError(
            "some run groups have a single optimum and others none: fit these apart, or give --optimizer adamw"
        )
    for name in SHARED_SETTINGS:
        first, *others = [getattr(run_group.settings, name) for run_group in run_groups]
        other = next((value for value in others if value != first), first)
        if other != first:
            raise UsageError(
                f"{name} is {first} in one run group and {other} in another; run groups of one fit share "
                f"{', '.join(SHARED_SETTINGS)}: fit these apart"
            )
