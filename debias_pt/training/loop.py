"""The training loop: one for every head, method and number of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from debias_pt.errors import NonFiniteError
from debias_pt.models.heads import Head
from debias_pt.training.optimizer import learning_rate, make_optimizer
from debias_pt.training.run_group import Part, require_common
from debias_pt.utils.tensors import group_means, of_true_class


@dataclass(frozen=True)
class Forward:
    """What a part's runs said of a step's samples: per-sample tensors ``(r, B)``, one objective per run ``(r,)``."""

    losses: Tensor
    weights: Tensor
    p: Tensor
    membership: Tensor
    objective: Tensor


class Training:
    """All that changes while a head is fitted, and the loop that changes it.

    The runs of all parts go through the head together: one pass through the text tower. Everything else is
    each part's own, and each run comes out as if it had been fitted alone.

    Parameters
    ----------
    head : Head
        On the device of the data; its runs are the parts' runs, one part after another.
    parts : sequence of Part
        One or more; steps, batch size, optimiser, weight decay and momentum are the same for all.

    Attributes
    ----------
    settings : FitSettings
        The first part's, for what is common.
    step_ : int
        Updates made so far.

    Raises
    ------
    UsageError
        If the parts differ in what must be common.
    ValueError
        If the head has another number of runs than the parts.
    """

    def __init__(self, head: Head, parts: Sequence[Part]) -> None:
        require_common(parts)
        self.head, self.parts, self.settings = head, tuple(parts), parts[0].settings
        parameters = [parameter for parameter in head.parameters() if parameter.requires_grad]
        runs = sum(len(part.seeds) for part in parts)
        if any(len(parameter) != runs for parameter in parameters):
            raise ValueError(f"the head has {len(parameters[0])} runs, the parts have {runs}")
        first = 0
        for part in self.parts:
            part.start(parameters, first)
            first = part.runs.stop
        self.optimizer = make_optimizer(self.settings, [part.own.parameters for part in self.parts])
        self.step_ = 0

    def run(self, after_step: Callable[[], None] = lambda: None) -> None:
        """Train to the last step and put the selected parameters into the head.

        Parameters
        ----------
        after_step : callable
            Called after every update, for checkpoints and progress.

        Raises
        ------
        NonFiniteError
            If a loss, weight or gradient is NaN or infinite; names step, seed, group and learning rate.
        """
        while self.step_ < self.settings.steps:
            weights = self.head()  # of all runs at once: the expensive part
            passes = [self._forward(part, own) for part, own in self._by_part(weights)]
            scores = self._validate(weights)

            self.head.zero_grad()
            # One number per run; their sum keeps the runs apart.
            torch.cat([of_part.objective for of_part in passes]).sum().backward()  # type: ignore[no-untyped-call]
            for part, of_part, group in zip(self.parts, passes, self.optimizer.param_groups, strict=True):
                group["lr"] = learning_rate(self.step_, part.settings)
                part.own.take_gradients()
                require_finite(part, of_part, f"step {self.step_}", group["lr"])
            self.optimizer.step()

            for part, of_part, score in zip(self.parts, passes, scores, strict=True):
                self._record(part, of_part, score)
            self.step_ += 1
            after_step()
        self._validate(self.head())
        for part in self.parts:
            part.selector.restore()

    def _forward(self, part: Part, weights: Tensor) -> Forward:
        """Go from class weights ``(r, K, D)`` to one objective per run."""
        rows = part.minibatches.rows(self.step_)
        batch = part.train.at(rows)
        logits = self.head.logits(weights, batch.features)
        y = batch.y.expand(logits.shape[:-1])
        if part.loss.sees_epochs and part.minibatches.starts_epoch(self.step_):
            self._start_epoch(part, weights.detach(), logits.detach())
        losses = part.loss.at(rows)(logits, y)
        p = of_true_class(logits.detach().softmax(dim=-1), y)
        sample_weights = part.reweighter(p, losses.detach(), batch.membership)
        return Forward(losses, sample_weights, p, batch.membership, (sample_weights * losses).mean(dim=-1))

    def _start_epoch(self, part: Part, weights: Tensor, logits: Tensor) -> None:
        """Show the loss the logits of the whole training set; with full-batch steps they are at hand."""
        if not part.minibatches.whole:
            logits = self.head.logits(weights, part.train.features)
        part.loss.start_epoch(logits, part.train.y.expand(logits.shape[:-1]))

    def _by_part(self, weights: Tensor) -> list[tuple[Part, Tensor]]:
        sizes = [len(part.seeds) for part in self.parts]
        return list(zip(self.parts, torch.split(weights, sizes), strict=True))

    @torch.no_grad()
    def _validate(self, weights: Tensor) -> list[Tensor]:
        """Score the parameters that made these class weights: free of a text pass of its own."""
        return [
            part.observe(self.step_, self.head.logits(own, part.val.features))
            for part, own in self._by_part(self.head.class_weights(weights))
        ]

    def _record(self, part: Part, of_part: Forward, score: Tensor) -> None:
        p_bar, _ = group_means(of_part.p, of_part.membership)
        part.history_.append(
            {
                "step": self.step_,
                "lr": learning_rate(self.step_, part.settings),
                "loss": of_part.objective.tolist(),
                "selection_score": score.tolist(),
                "p_bar": p_bar.tolist(),
                "group_weights": part.reweighter.weights_.tolist(),
            }
        )

    def state(self) -> dict[str, Tensor]:
        """Return everything a resumed run needs to go on bit by bit as if it had never stopped."""
        parts: dict[str, dict[str, Tensor]] = {"head": dict(self.head.state_dict())}
        for number, part in enumerate(self.parts):
            parts |= {f"{kind}.{number}": values for kind, values in part.state().items()}
        for index, of_parameter in self.optimizer.state_dict()["state"].items():
            parts[f"optimizer.{index}"] = {
                name: torch.as_tensor(value) for name, value in of_parameter.items() if value is not None
            }
        flat = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
        return {"step": torch.tensor(self.step_), **flat}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take back what :meth:`state` returned."""
        parts: dict[str, dict[str, dict[str, Tensor]]] = {}
        for key, value in state.items():
            part, _, name = key.partition("/")
            kind, _, number = part.partition(".")
            parts.setdefault(kind, {}).setdefault(number, {})[name] = value
        self.step_ = int(state["step"])
        self.head.load_state_dict(parts["head"][""])
        for i, of_part in enumerate(self.parts):
            of_part.load_state({kind: values[str(i)] for kind, values in parts.items() if str(i) in values})
        optimizer = self.optimizer.state_dict()
        optimizer["state"] = {int(index): values for index, values in parts.get("optimizer", {}).items()}
        self.optimizer.load_state_dict(optimizer)


def require_finite(part: Part, of_part: Forward, when: str, lr: float) -> None:
    """Refuse a step that would spread NaN or infinity.

    Raises
    ------
    NonFiniteError
        Names step, seed, group and learning rate.
    """
    gradients = [parameter.grad for parameter in part.own.parameters if parameter.grad is not None]
    checked = [of_part.losses, of_part.weights, *gradients]
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
        of_sample = of_part.membership[sample] if of_part.membership.dim() == 2 else of_part.membership[run, sample]
        group = f"group ({part.groups.names[int(of_sample.argmax())]})"
    raise NonFiniteError(
        f"{when}, seed {part.seeds[run]}: the {name} of {group} is NaN or infinite at learning rate "
        f"{lr:.3g}; lower --lr, or check the features"
    )
