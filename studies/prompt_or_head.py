"""Why a prompt was worse than a linear head: ``python -m studies.prompt_or_head waterbirds --data-root DATA``.

Both are fitted with the groups, weights and rows of ``anchored``, and judged on rows that were held out of training
and validation. Annotated groups judge (an oracle); the test split is not looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.benchmarks.group_robustness.several_sets.compare import settings_of, short_names
from debias_pt.benchmarks.shared.tables import markdown_table
from debias_pt.errors import DebiasError
from debias_pt.groups.groups import Groups
from debias_pt.groups.metrics import GroupReport
from debias_pt.losses import Loss
from debias_pt.losses.cross_entropy import CrossEntropy
from debias_pt.methods.composition import complete
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import (
    GroupPromptHead,
    Head,
    LinearHead,
    PenalizedPromptHead,
    PromptHead,
    StandardizedHead,
)
from debias_pt.models.heads.base import class_logits
from debias_pt.settings import TrainSettings
from debias_pt.training.data import FitData
from debias_pt.training.fit_checks import scheduler
from debias_pt.training.loop import Training
from debias_pt.training.run_group import RunGroup
from debias_pt.utils.tensors import Rows, take_rows
from debias_pt.workflows.job import make_job
from debias_pt.workflows.prepare import prepare
from debias_pt.workflows.prepared import Prepared

Make = Callable[[Backbone, Sequence[str], Sequence[int], int], Head]  # with the number of values that groups have


@dataclass(frozen=True)
class Candidate:
    """What is learned, and how.

    Parameters
    ----------
    make : callable
        Builds the head.
    options : dict
        Settings of the fit.
    teacher : bool
        Learn the probabilities of the penalized linear head instead of the labels.
    by_group : bool
        Learn to name the group instead of the class.
    """

    make: Make
    options: dict[str, Any] = field(default_factory=dict)
    teacher: bool = False
    by_group: bool = False


class AssignedPrompts(GroupPromptHead):
    """A prompt for each group, fitted to tell groups apart."""

    def logits(self, weights: Tensor, features: Tensor) -> Tensor:
        """Return one logit per group, ``(R, B, K V)``."""
        return PromptHead.logits(self, weights, features)


@dataclass(frozen=True)
class Imitate(Loss):
    """Cross-entropy to a teacher's probabilities.

    Parameters
    ----------
    probabilities : Tensor, shape (N, K)
        Of the training rows.
    """

    probabilities: Tensor

    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every sample, shape ``(R, B)``."""
        return -(self.probabilities * logits.log_softmax(dim=-1)).sum(dim=-1)

    def at(self, rows: Rows) -> Imitate:
        """Return the loss for some rows."""
        return Imitate(take_rows(self.probabilities, rows, -2))


def prompt(kind: type[PromptHead] = PromptHead, scale: float = 1.0, **options: Any) -> Make:
    """Return what builds a prompt whose logit scale is the model's times `scale`."""

    def make(backbone: Backbone, names: Sequence[str], seeds: Sequence[int], values: int) -> Head:
        assigned: dict[str, Any] = {"prompts_per_class": max(2, values)} if kind is AssignedPrompts else {}
        head = kind(backbone, names, seeds=seeds, **options, **assigned)
        head.scale = scale * backbone.logit_scale
        return head

    return make


def standardized(backbone: Backbone, names: Sequence[str], seeds: Sequence[int], values: int) -> Head:
    """Build the penalized linear head."""
    return StandardizedHead(backbone.dim, len(names), seeds=seeds)


def linear(backbone: Backbone, names: Sequence[str], seeds: Sequence[int], values: int) -> Head:
    """Build a linear head without a penalty, with the prompts' logit scale."""
    return LinearHead(backbone.dim, len(names), seeds=seeds, scale=backbone.logit_scale)


CANDIDATES = {
    "linear, penalized (`standardized`, lr .02)": Candidate(standardized, {"lr": 0.02}),
    "linear, no penalty": Candidate(linear),
    "prompt": Candidate(prompt()),
    "prompt, 4 context vectors": Candidate(prompt(context_length=4)),
    "prompt, 32 context vectors": Candidate(prompt(context_length=32)),
    "prompt, a context for each class": Candidate(prompt(class_specific=True)),
    "prompt, 4 times the learning rate": Candidate(prompt(), {"lr": 0.016}),
    "prompt, 600 steps": Candidate(prompt(), {"steps": 600}),
    "prompt, logit scale / 2": Candidate(prompt(scale=0.5)),
    "prompt, logit scale / 10": Candidate(prompt(scale=0.1)),
    "prompt, taught by the linear head": Candidate(prompt(), teacher=True),
    "prompt, penalty 0.5": Candidate(prompt(PenalizedPromptHead, strength=0.5)),
    "prompt, penalty 1 (`penalized-prompt`)": Candidate(prompt(PenalizedPromptHead, strength=1.0)),
    "prompt, penalty 2": Candidate(prompt(PenalizedPromptHead, strength=2.0)),
    "2 prompts per class (`group-prompt`)": Candidate(prompt(GroupPromptHead)),
    "a prompt for each group, told apart": Candidate(prompt(AssignedPrompts, class_specific=True), by_group=True),
}


def held_out(y: NDArray[np.int64], test: NDArray[np.bool_], folds: int) -> NDArray[np.int64]:
    """Return the fold that each row is held out in, every class spread evenly; -1 for test rows."""
    rng = np.random.default_rng(0)
    found = np.full(len(y), -1)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero((y == label) & ~test))
        found[rows] = np.arange(len(rows)) % folds
    return found


def run_group(
    prepared: Prepared, groups: Groups, settings: TrainSettings, rows: NDArray[np.int64], by_group: bool, loss: Loss
) -> RunGroup:
    """Return one run that fits some rows, and selects no step."""
    part = groups.rows(rows)
    train = FitData.of(prepared.table, part, prepared.backbone.device, soft=True, rows=rows)
    if by_group:
        train = replace(train, y=torch.from_numpy(part.index).to(train.y.device))
    return RunGroup(loss, scheduler(settings), settings, (settings.seed,), train, train.at(slice(0, 0)), groups)


def fit(
    candidate: Candidate, prepared: Prepared, groups: Groups, settings: TrainSettings, parts: list[NDArray[np.int64]]
) -> list[NDArray[np.float32]]:
    """Fit each part's rows, and return logits ``(N, K)`` of all rows for each."""
    table, settings = prepared.table, replace(settings, seeds=1, select="last", **candidate.options)
    losses: list[Loss] = [CrossEntropy() for _ in parts]
    if candidate.teacher:
        own = fit(next(iter(CANDIDATES.values())), prepared, groups, settings, parts)
        losses = [
            Imitate(torch.from_numpy(one[rows]).softmax(dim=-1).to(prepared.backbone.device))
            for one, rows in zip(own, parts, strict=True)
        ]
    run_groups = [
        run_group(prepared, groups, settings, rows, candidate.by_group, loss)
        for rows, loss in zip(parts, losses, strict=True)
    ]
    names, values = table.class_names, len(groups.attribute_names)
    head = candidate.make(prepared.backbone, names, [settings.seed] * len(parts), values).to(prepared.backbone.device)
    Training(head, run_groups).run()
    with torch.no_grad():
        features = torch.from_numpy(np.asarray(table.features, dtype=np.float32)).to(prepared.backbone.device)
        logits = class_logits(head.logits(head.class_weights(head()), features), len(names))
    return list(logits.cpu().numpy())


def judge(candidate: Candidate, prepared: Prepared, groups: Groups, settings: TrainSettings, folds: int) -> GroupReport:
    """Return the accuracies by annotated group on the rows that each fold held out."""
    table = prepared.table
    fold = held_out(table.y, table.split == "test", folds)
    parts = [np.flatnonzero((fold >= 0) & (fold != one)) for one in range(folds)]
    logits = np.stack(fit(candidate, prepared, groups, settings, parts))
    rows = np.flatnonzero(fold >= 0)
    answers = logits[fold[rows], rows].argmax(axis=-1)
    true = prepared.require_true("this study").rows(rows)
    return GroupReport.of(answers[None], true, true.counts, (settings.seed,))


def main(
    dataset: Annotated[list[str], typer.Argument(help="Data sets by name or path, or JSON files that name one.")],
    data_root: Annotated[str, typer.Option(help="Folder that holds the data sets.")] = "data",
    pretrained: Annotated[str | None, typer.Option(help="Weights, as for debias-pt.")] = None,
    cache_dir: Annotated[str | None, typer.Option(help="Cache of features.")] = None,
    folds: Annotated[int, typer.Option(help="Folds of training and validation rows.", min=2)] = 5,
    steps: Annotated[int, typer.Option(help="Optimizer steps.", min=1)] = 200,
    only: Annotated[list[str] | None, typer.Option(help="A part of a candidate's name (repeat for several).")] = None,
) -> None:
    """Print held-out worst-group accuracy and mean over groups, in percent, of every candidate on every set."""
    chosen = {
        name: one for name, one in CANDIDATES.items() if not only or any(part in name for part in only)
    }  # fmt: skip
    columns: list[list[str]] = []
    try:
        for name in dataset:
            given = {"data_root": data_root, "pretrained": pretrained, "cache_dir": cache_dir, "method": "anchored"}
            settings = complete(settings_of(name, {**given, "steps": steps}))
            prepared = prepare(settings)
            groups = make_job(settings, prepared, {}).groups
            cells = []
            for title, candidate in chosen.items():
                report = judge(candidate, prepared, groups, settings, folds)
                cells.append(f"{100 * report.worst_group_accuracy[0]:.1f} ({100 * report.group_mean_accuracy[0]:.1f})")
                print(f"{name}: {title}: {cells[-1]}", file=sys.stderr)
            columns.append(cells)
    except DebiasError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from error
    lines = [[title, *cells] for title, *cells in zip(chosen, *columns, strict=True)]
    print(markdown_table(["what is learned", *short_names(dataset)], lines, left=1))


if __name__ == "__main__":
    typer.run(main)
