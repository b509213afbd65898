"""Which step of training to keep: rules on the validation split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from debias_pt.settings import SELECTIONS
from debias_pt.utils.membership import Membership, group_means
from debias_pt.utils.registry import lookup
from debias_pt.utils.tensors import of_true_class

Groups = Membership | Tensor  # a matrix (B, G) will do
Score = Callable[[int, Tensor, Tensor, Groups], Tensor]


@dataclass(frozen=True)
class SelectionRule:
    """A score to maximise.

    Parameters
    ----------
    score : callable
        ``(step, logits (R, B, K), y (B,), membership) -> (R,)``. The later step wins ties.
    uses_true_attributes : bool
        Whether the membership it is given comes from annotated attributes: the literature's
        protocol, an oracle.
    """

    score: Score
    uses_true_attributes: bool = False


def last(step: int, logits: Tensor, y: Tensor, membership: Groups) -> Tensor:
    """Prefer the later step."""
    return logits.new_full((len(logits),), float(step))


def average_accuracy(step: int, logits: Tensor, y: Tensor, membership: Groups) -> Tensor:
    """Plain validation accuracy."""
    return (logits.argmax(dim=-1) == y).float().mean(dim=-1)


def worst_group_accuracy(step: int, logits: Tensor, y: Tensor, membership: Groups) -> Tensor:
    """Accuracy of the worst non-empty group."""
    return _worst_group_mean((logits.argmax(dim=-1) == y).float(), membership)


def worst_group_confidence(step: int, logits: Tensor, y: Tensor, membership: Groups) -> Tensor:
    """Mean probability of the true class in the worst non-empty group: DPT's ``p_bar``, on validation.

    It varies smoothly where the accuracy of a group of a hundred images jumps from step to step,
    which makes it the steadier choice under pseudo groups.
    """
    return _worst_group_mean(of_true_class(logits.softmax(dim=-1), y), membership)


def _worst_group_mean(values: Tensor, membership: Groups) -> Tensor:
    """Return the lowest mean of ``(R, B)`` values over non-empty groups, shape ``(R,)``."""
    means, sizes = group_means(values, membership)
    return torch.where(sizes > 0, means, torch.inf).amin(dim=-1)


_RULES = (
    SelectionRule(worst_group_confidence),
    SelectionRule(worst_group_accuracy),
    SelectionRule(last),
    SelectionRule(average_accuracy),
    SelectionRule(worst_group_accuracy, uses_true_attributes=True),
)
RULES: dict[str, SelectionRule] = dict(zip(SELECTIONS, _RULES, strict=True))


class Selector:
    """Keeps, for each run, the parameters of the step that a rule likes best.

    Parameters
    ----------
    rule : str
        A name in :data:`RULES`.
    parameters : list of Parameter
        Of the head; the run is their first axis.
    first_step : int
        Earlier steps are scored but never kept: a prompt that has hardly left its random start can
        look balanced by luck.

    Attributes
    ----------
    score_ : Tensor, shape (R,)
        Best score so far.
    step_ : Tensor of int, shape (R,)
        Its step: the number of updates the parameters had seen.
    """

    def __init__(self, rule: str, parameters: list[torch.nn.Parameter], first_step: int = 0) -> None:
        self.rule = lookup(RULES, rule, "selection rule")
        self.parameters, self.first_step = parameters, first_step
        self.kept_ = [parameter.detach().clone() for parameter in parameters]
        runs, device = len(parameters[0]), parameters[0].device
        self.score_ = torch.full((runs,), -torch.inf, device=device)
        self.step_ = torch.zeros(runs, dtype=torch.long, device=device)

    def observe(self, step: int, logits: Tensor, y: Tensor, membership: Groups) -> Tensor:
        """Score the current parameters on validation logits; keep those that are the best so far."""
        score = self.rule.score(step, logits, y, membership)
        if step < self.first_step:
            return score
        better = score >= self.score_
        self.score_ = torch.where(better, score, self.score_)
        self.step_ = torch.where(better, step, self.step_)
        self.kept_ = [
            torch.where(better.view(-1, *[1] * (new.dim() - 1)), new.detach(), old)
            for new, old in zip(self.parameters, self.kept_, strict=True)
        ]
        return score

    def restore(self) -> None:
        """Put the kept parameters back into the head."""
        with torch.no_grad():
            for parameter, kept in zip(self.parameters, self.kept_, strict=True):
                parameter.copy_(kept)

    def state_dict(self) -> dict[str, Tensor]:
        """Return everything a resumed run needs."""
        kept = {f"kept.{i}": tensor for i, tensor in enumerate(self.kept_)}
        return {"score": self.score_, "step": self.step_, **kept}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned."""
        device = self.score_.device
        self.score_, self.step_ = state["score"].to(device), state["step"].to(device)
        self.kept_ = [state[f"kept.{i}"].to(device) for i in range(len(self.kept_))]
