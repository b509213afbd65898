"""The training loop: one for every head, method and number of runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from debias_pt.errors import NonFiniteError, UsageError
from debias_pt.features import FeatureTable
from debias_pt.groups import Groups
from debias_pt.heads import Head
from debias_pt.losses import Loss
from debias_pt.losses.base import of_true_class
from debias_pt.reweighting import Reweighter
from debias_pt.reweighting.base import group_means
from debias_pt.selection import Selector
from debias_pt.settings import FitSettings
from debias_pt.uncompiled import eager

Watcher = Callable[[int, Tensor], object]


@dataclass(frozen=True)
class FitData:
    """One split on the device: features ``(N, D)``, labels ``(N,)``, membership ``(N, G)``."""

    features: Tensor
    y: Tensor
    membership: Tensor

    @classmethod
    def of(cls, table: FeatureTable, groups: Groups, device: torch.device, *, soft: bool = False) -> FitData:
        """Move a table's rows and their groups to the device."""
        membership = torch.from_numpy(groups.membership(soft=soft)).float()
        return cls(
            torch.from_numpy(table.features).to(device), torch.from_numpy(table.y).to(device), membership.to(device)
        )


class Training:
    """All that changes while a head is fitted, and the loop that changes it.

    Parameters
    ----------
    head : Head
        On the device of the data; R runs.
    loss : Loss
        Per sample.
    reweighter : Reweighter
        Fresh; started here on the training set's groups.
    settings : FitSettings
        Steps, batches, optimiser, learning rate, selection.
    seeds : sequence of int
        One per run.
    train, val : FitData
        What is fitted, and what the selection rule looks at.
    groups : Groups
        What the membership was made of, for names and classes.

    Attributes
    ----------
    step_ : int
        Updates made so far.
    history_ : list of dict
        One row per step, not yet written.
    watchers : list of callable
        Called with the step and the validation logits ``(R, B, K)`` whenever the selector looks: a second
        selection rule costs no second fit. They are not part of :meth:`state`.
    """

    def __init__(
        self,
        head: Head,
        loss: Loss,
        reweighter: Reweighter,
        settings: FitSettings,
        seeds: Sequence[int],
        train: FitData,
        val: FitData,
        groups: Groups,
    ) -> None:
        self.head, self.loss, self.reweighter, self.settings = head, loss, reweighter, settings
        self.seeds, self.train, self.val, self.group_names = seeds, train, val, groups.names
        parameters = list(head.parameters())
        self.optimizer = make_optimizer(settings, parameters)
        self.selector = Selector(settings.select, parameters, int(settings.select_after * settings.steps))
        class_of_group = torch.from_numpy(groups.class_of_group).to(train.y.device)
        reweighter.start(train.membership, class_of_group, len(seeds))
        self.watchers: list[Watcher] = []
        self.step_ = 0
        self.history_: list[dict[str, object]] = []

    def run(self, after_step: Callable[[], None] = lambda: None) -> None:
        """Train to the last step and put the selected parameters into the head.

        Parameters
        ----------
        after_step : callable
            Called after every update, for checkpoints and progress.

        Raises
        ------
        NonFiniteError
            If a loss, weight or gradient is NaN or infinite; names step, group and learning rate.
        """
        while self.step_ < self.settings.steps:
            lr = learning_rate(self.step_, self.settings)
            rows = batch_rows(self.step_, self.settings.batch_size, len(self.train.y), self.seeds)
            y, membership = self.train.y[rows], self.train.membership[rows]

            weights = self.head()
            logits = self.head.logits(weights, self.train.features[rows])
            losses = self.loss(logits, y.expand(logits.shape[:-1]))
            p = of_true_class(logits.detach().softmax(dim=-1), y)
            sample_weights = self.reweighter(p, losses.detach(), membership)
            objective = (sample_weights * losses).mean(dim=-1)  # one number per run; their sum keeps runs apart
            score = self._validate(weights)

            self.optimizer.zero_grad()
            objective.sum().backward()  # type: ignore[no-untyped-call]
            self._require_finite(losses, sample_weights, membership, lr)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            self.optimizer.step()

            self._record(lr, objective, score, p, membership)
            self.step_ += 1
            after_step()
        self._validate(self.head())
        self.selector.restore()

    @torch.no_grad()
    def _validate(self, weights: Tensor) -> Tensor:
        """Score the parameters that made these class weights: free of a text pass of its own."""
        logits = self.head.logits(self.head.class_weights(weights), self.val.features)
        for watch in self.watchers:
            watch(self.step_, logits)
        return self.selector.observe(self.step_, logits, self.val.y, self.val.membership)

    def _require_finite(self, losses: Tensor, weights: Tensor, membership: Tensor, lr: float) -> None:
        gradients = [parameter.grad for parameter in self.head.parameters() if parameter.grad is not None]
        what = {"loss": losses, "weight": weights, "gradient": torch.cat([g.flatten(1) for g in gradients], dim=1)}
        if all(bool(values.isfinite().all()) for values in what.values()):
            return
        name = next(name for name, values in what.items() if not values.isfinite().all())
        run = int((~what[name].isfinite()).any(dim=-1).int().argmax())
        group = "any group"
        if name != "gradient":
            sample = int((~what[name][run].isfinite()).int().argmax())
            of_sample = membership[sample] if membership.dim() == 2 else membership[run, sample]
            group = f"group ({self.group_names[int(of_sample.argmax())]})"
        raise NonFiniteError(
            f"step {self.step_}, seed {self.seeds[run]}: the {name} of {group} is NaN or infinite at learning rate "
            f"{lr:.3g}; lower --lr, or check the features"
        )

    def _record(self, lr: float, objective: Tensor, score: Tensor, p: Tensor, membership: Tensor) -> None:
        p_bar, _ = group_means(p, membership)
        self.history_.append(
            {
                "step": self.step_,
                "lr": lr,
                "loss": objective.tolist(),
                "selection_score": score.tolist(),
                "p_bar": p_bar.tolist(),
                "group_weights": self.reweighter.weights_.tolist(),
            }
        )

    def state(self) -> dict[str, Tensor]:
        """Return everything a resumed run needs to go on bit by bit as if it had never stopped."""
        parts: dict[str, dict[str, Tensor]] = {
            "head": dict(self.head.state_dict()),
            "reweighter": self.reweighter.state(),
            "selector": self.selector.state(),
        }
        for index, of_parameter in self.optimizer.state_dict()["state"].items():
            parts[f"optimizer.{index}"] = {
                name: torch.as_tensor(value) for name, value in of_parameter.items() if value is not None
            }
        flat = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
        return {"step": torch.tensor(self.step_), **flat}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take back what :meth:`state` returned."""
        parts: dict[str, dict[str, Tensor]] = {}
        for key, value in state.items():
            part, _, name = key.partition("/")
            parts.setdefault(part, {})[name] = value
        self.step_ = int(state["step"])
        self.head.load_state_dict(parts["head"])
        self.reweighter.load_state(parts["reweighter"])
        self.selector.load_state(parts["selector"])
        optimizer = self.optimizer.state_dict()
        optimizer["state"] = {
            int(part.partition(".")[2]): values for part, values in parts.items() if part.startswith("optimizer.")
        }
        self.optimizer.load_state_dict(optimizer)


def learning_rate(step: int, settings: FitSettings) -> float:
    """Return the rate of a step: linear warm-up, then half a cosine to 0.

    Examples
    --------
    >>> [round(learning_rate(step, FitSettings(lr=1.0, steps=4)), 3) for step in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    """
    if step < settings.warmup_steps:
        return settings.lr * (step + 1) / (settings.warmup_steps + 1)
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return settings.lr * 0.5 * (1 + math.cos(math.pi * done))


def batch_rows(step: int, batch_size: int | None, n: int, seeds: Sequence[int]) -> Tensor | slice:
    """Return the rows of a step: all of them, or one minibatch per run, shape ``(R, B)``.

    Every epoch is a permutation drawn from the run's seed and the epoch's number, so that nothing
    needs to be remembered; the last batch of an epoch may be smaller.

    Examples
    --------
    >>> batch_rows(0, 2, 3, seeds=[0]).shape, batch_rows(1, 2, 3, seeds=[0]).shape
    (torch.Size([1, 2]), torch.Size([1, 1]))
    """
    if batch_size is None or batch_size >= n:
        return slice(None)
    epoch, place = divmod(step, math.ceil(n / batch_size))
    orders = [_permutation(n, seed, epoch)[place * batch_size : (place + 1) * batch_size] for seed in seeds]
    return torch.stack(orders)


def _permutation(n: int, seed: int, epoch: int) -> Tensor:
    # Shifted, so that an epoch's order shares no stream with the draw of the first context.
    return torch.randperm(n, generator=torch.Generator().manual_seed((seed + 1) * 1_000_003 + epoch))


def make_optimizer(settings: FitSettings, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Build the optimiser; both kinds work element by element, so that stacked runs stay independent.

    Raises
    ------
    UsageError
        For an unknown name.
    """
    if settings.optimizer == "adamw":
        return eager(torch.optim.AdamW)(parameters, lr=settings.lr, weight_decay=settings.weight_decay)
    if settings.optimizer == "sgd":
        return eager(torch.optim.SGD)(
            parameters, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
        )
    raise UsageError(f"unknown optimizer {settings.optimizer!r}; use adamw or sgd")
