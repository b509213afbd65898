"""The training loop: one for every head, method and number of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from debias_pt.errors import NonFiniteError
from debias_pt.features.mapped import MappedRows
from debias_pt.models.heads import Head
from debias_pt.training.optimizer import learning_rate, make_optimizer
from debias_pt.training.optimum import Optimum, find_optimum
from debias_pt.training.run_group import RunGroup, require_shared_settings
from debias_pt.utils.membership import Membership, group_means
from debias_pt.utils.tensors import of_true_class


@dataclass(frozen=True)
class Forward:
    """A step of one run group: per-sample tensors ``(r, B)``, and one objective per run ``(r,)``."""

    losses: Tensor
    weights: Tensor
    p: Tensor
    membership: Membership
    objective: Tensor


class Training:
    """All that changes while a head is fitted, and the loop that changes it.

    The runs of all groups go through the head together: one pass through the text tower. Everything else is
    each group's own, and each run comes out as if it had been fitted alone.

    Parameters
    ----------
    head : Head
        On the device of the data; its runs are the run groups' runs, one run group after another.
    run_groups : sequence of RunGroup
        One or more; steps, batch size, optimiser, weight decay and momentum are the same for all.
    text_pass : callable, optional
        Gives the head's class weights in its stead: on several devices.

    Attributes
    ----------
    settings : FitSettings
        The first run group's, for what is common.
    step_ : int
        Updates made so far.
    optimizer : torch.optim.Optimizer or None
        None where L-BFGS goes straight to the only optimum.
    optima_ : list of Optimum
        By run group: where L-BFGS ended, if it was used.

    Raises
    ------
    UsageError
        If the run groups differ in what must be common.
    ValueError
        If the head has another number of runs than the run groups.
    """

    def __init__(
        self, head: Head, run_groups: Sequence[RunGroup], text_pass: Callable[[], Tensor] | None = None
    ) -> None:
        require_shared_settings(run_groups)
        self.text_pass: Callable[[], Tensor] = text_pass or head
        self.head, self.run_groups, self.settings = head, tuple(run_groups), run_groups[0].settings
        parameters = [parameter for parameter in head.parameters() if parameter.requires_grad]
        runs = sum(len(run_group.seeds) for run_group in run_groups)
        if any(len(parameter) != runs for parameter in parameters):
            raise ValueError(f"the head has {len(parameters[0])} runs, the run groups have {runs}")
        first = 0
        for run_group in self.run_groups:
            run_group.start(parameters, first)
            head.fit_statistics(run_group.train.features, run_group.runs)
            first = run_group.runs.stop
        self.optima_: list[Optimum] = []
        parts = [run_group.params.parameters for run_group in self.run_groups]
        self.optimizer = None if run_groups[0].has_optimum else make_optimizer(self.settings, parts)
        self.step_ = 0

    def run(self, callbacks: Sequence[Callback] = ()) -> None:
        """Train to the last step and put the selected parameters into the head.

        Parameters
        ----------
        callbacks : sequence of Callback
            Told of the start and of every update, for checkpoints and progress.

        Raises
        ------
        NonFiniteError
            If a loss, weight or gradient is NaN or infinite; names step, seed, group and learning rate.
        """
        for callback in callbacks:
            callback.on_start(self)
        if self.optimizer is None:
            self._find_optimum()
            for callback in callbacks:
                callback.on_step(self)
        while self.optimizer is not None and self.step_ < self.settings.steps:
            weights = self.text_pass()  # of all runs at once: the expensive part
            passes = [self._forward(run_group, own) for run_group, own in self._by_group(weights)]
            scores = self._validate(weights)  # None where it is not time

            self.head.zero_grad()
            # One number per run; their sum keeps the runs apart.
            objective = torch.cat([forward.objective for forward in passes]).sum()
            (objective + self.head.penalty() + self.head.weight_penalty(weights)).backward()  # type: ignore[no-untyped-call]
            for run_group, forward, group in zip(self.run_groups, passes, self.optimizer.param_groups, strict=True):
                group["lr"] = learning_rate(self.step_, run_group.settings)
                run_group.params.take_gradients()
                require_finite(run_group, forward, f"step {self.step_}", group["lr"])
            self.optimizer.step()

            for run_group, forward, score in zip(self.run_groups, passes, scores, strict=True):
                self._record(run_group, forward, score)
            self.step_ += 1
            for callback in callbacks:
                callback.on_step(self)
        self._validate(self.text_pass(), last=True)
        for run_group in self.run_groups:
            run_group.selector.restore()

    def _find_optimum(self) -> None:
        """Fit each run group to its single optimum; two rows of history: before and after."""
        for run_group in self.run_groups:
            for step in (0, None):
                if step is None:
                    found = find_optimum(self.head, run_group, self.settings.steps)
                    self.optima_.append(found)
                    self.step_ = found.steps
                own = dict(self._by_group(self.text_pass().detach()))[run_group]
                forward = self._forward(run_group, own)
                require_finite(run_group, forward, "the fit", self.settings.rate)
                self._record(run_group, forward, None)

    def _forward(self, run_group: RunGroup, weights: Tensor) -> Forward:
        """Go from class weights ``(r, K, D)`` to one objective per run."""
        rows = run_group.minibatches.rows(self.step_)
        batch = run_group.train.at(rows)
        logits = logits_of(self.head, weights, batch.features)
        y = batch.y.expand(logits.shape[:-1])
        if run_group.loss.sees_epochs and run_group.minibatches.starts_epoch(self.step_):
            self._start_epoch(run_group, weights.detach(), logits.detach())
        losses = run_group.loss.at(rows)(logits, y)
        p = of_true_class(logits.detach().softmax(dim=-1), y)
        sample_weights = run_group.reweighter(p, losses.detach(), batch.membership)
        return Forward(losses, sample_weights, p, batch.membership, (sample_weights * losses).mean(dim=-1))

    def _start_epoch(self, run_group: RunGroup, weights: Tensor, logits: Tensor) -> None:
        """Show the loss the logits of the whole training set; with full-batch steps they are at hand."""
        if not run_group.minibatches.whole:
            logits = logits_of(self.head, weights, run_group.train.features)
        run_group.loss.start_epoch(logits, run_group.train.y.expand(logits.shape[:-1]))

    def _by_group(self, weights: Tensor) -> list[tuple[RunGroup, Tensor]]:
        sizes = [len(run_group.seeds) for run_group in self.run_groups]
        return list(zip(self.run_groups, torch.split(weights, sizes), strict=True))

    @torch.no_grad()
    def _validate(self, weights: Tensor, *, last: bool = False) -> list[Tensor | None]:
        """Validate with this step's class weights, where it is time; no second text pass is needed."""
        return [
            run_group.observe(self.step_, logits_of(self.head, own, run_group.val.features))
            if last or run_group.validates(self.step_)
            else None
            for run_group, own in self._by_group(self.head.class_weights(weights))
        ]

    def _record(self, run_group: RunGroup, forward: Forward, score: Tensor | None) -> None:
        p_bar, _ = group_means(forward.p, forward.membership)
        run_group.history_.append(
            {
                "step": self.step_,
                "lr": learning_rate(self.step_, run_group.settings),
                "loss": forward.objective.tolist(),
                "selection_score": [None] * len(run_group.seeds) if score is None else score.tolist(),
                "p_bar": p_bar.tolist(),
                "val_accuracy": run_group.val_accuracy(there=score is not None),
                "group_weights": run_group.reweighter.weights_.tolist(),
            }
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Return everything a resumed run needs to continue as if it had never stopped, identical bit by bit."""
        state: dict[str, dict[str, Tensor]] = {"head": dict(self.head.state_dict())}
        for number, run_group in enumerate(self.run_groups):
            state |= {f"{kind}.{number}": values for kind, values in run_group.state_dict().items()}
        moments = self.optimizer.state_dict()["state"] if self.optimizer is not None else {}
        for index, of_parameter in moments.items():
            state[f"optimizer.{index}"] = {
                name: torch.as_tensor(value) for name, value in of_parameter.items() if value is not None
            }
        flat = {f"{owner}/{name}": value for owner, values in state.items() for name, value in values.items()}
        return {"step": torch.tensor(self.step_), **flat}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned."""
        kinds: dict[str, dict[str, dict[str, Tensor]]] = {}
        for key, value in state.items():
            owner, _, name = key.partition("/")
            kind, _, number = owner.partition(".")
            kinds.setdefault(kind, {}).setdefault(number, {})[name] = value
        self.step_ = int(state["step"])
        self.head.load_state_dict(kinds["head"][""])
        for i, run_group in enumerate(self.run_groups):
            run_group.load_state_dict({kind: values[str(i)] for kind, values in kinds.items() if str(i) in values})
        if self.optimizer is None:
            return
        optimizer = self.optimizer.state_dict()
        optimizer["state"] = {int(index): values for index, values in kinds.get("optimizer", {}).items()}
        self.optimizer.load_state_dict(optimizer)


def logits_of(head: Head, weights: Tensor, features: Tensor | MappedRows) -> Tensor:
    """Return logits ``(R, B, K)``; features that stay in their file are read block by block."""
    if isinstance(features, Tensor):
        return head.logits(weights, features)
    return torch.cat([head.logits(weights, block) for block in features.blocks()], dim=-2)


class Callback:
    """Watches a fit; override what you need. It must leave the training's results alone.

    Examples
    --------
    >>> class Losses(Callback):
    ...     def __init__(self):
    ...         self.seen = []
    ...     def on_step(self, training):
    ...         self.seen.append(training.run_groups[0].history_[-1]["loss"])
    >>> tuner.fit(table, groups, callbacks=[Losses()])  # doctest: +SKIP
    """

    def on_start(self, training: Training) -> None:
        """Look at the training before its first step, or before the first one after a resume."""

    def on_step(self, training: Training) -> None:
        """Look at the training after each update; ``training.step_`` counts them."""


def require_finite(run_group: RunGroup, forward: Forward, when: str, lr: float) -> None:
    """Refuse a step that would spread NaN or infinity.

    Raises
    ------
    NonFiniteError
        Names step, seed, group and learning rate.
    """
    gradients = [parameter.grad for parameter in run_group.params.parameters if parameter.grad is not None]
    checked = [forward.losses, forward.weights, *gradients]
    if bool(torch.stack([values.isfinite().all() for values in checked]).all()):
        return
    names = ["loss", "weight", *["gradient"] * len(gradients)]
    name, bad = next(
        (name, ~values.isfinite()) for name, values in zip(names, checked, strict=True) if not values.isfinite().all()
    )
    run = int(bad.flatten(1).any(dim=1).int().argmax())
    group = "any group"
    if name != "gradient":
        sample = int(bad[run].int().argmax())
        likeliest = forward.membership.likeliest().expand_as(forward.losses)
        group = f"group ({run_group.groups.name(int(likeliest[run, sample]))})"
    raise NonFiniteError(
        f"{when}, seed {run_group.seeds[run]}: the {name} of {group} is NaN or infinite at learning rate "
        f"{lr:.3g}; lower --lr, or check the features"
    )
