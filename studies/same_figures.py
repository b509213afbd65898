"""How far do figures move where nothing should? ``python -m studies.same_figures DATASET``.

The same fits again, with two threads instead of one, alone instead of in a stack, and on another device: what is
learned, predicted and reported is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from debias_pt.benchmarks.shared.tables import markdown_table
from debias_pt.models.backbone import Backbone
from debias_pt.settings import TrainSettings
from debias_pt.training.tuner import Tuner
from debias_pt.workflows.job import first_groups
from debias_pt.workflows.prepare import prepare
from debias_pt.workflows.prepared import Prepared

HEADER = ["method", "change", "same bits", "class weights", "other predictions", "average", "worst group"]


@dataclass(frozen=True)
class Fitted:
    """What R runs learned and say of the test split.

    Parameters
    ----------
    weights : ndarray, shape (R, K, D)
    answers : ndarray of int, shape (R, N)
    average, worst : ndarray, shape (R,)
        Accuracy.
    """

    weights: NDArray[np.float32]
    answers: NDArray[np.int64]
    average: NDArray[np.float64]
    worst: NDArray[np.float64]

    @classmethod
    def joined(cls, runs: Sequence[Fitted]) -> Fitted:
        """Join runs that were fitted alone."""
        names = ("weights", "answers", "average", "worst")
        return cls(*(np.concatenate([getattr(run, name) for run in runs]) for name in names))


def fit(prepared: Prepared, settings: TrainSettings, backbone: Backbone | None = None) -> Fitted:
    """Fit as ``debias-pt train`` does, and score by what groups there are to report by."""
    tuner = Tuner(backbone or prepared.backbone, settings)
    tuner.fit(prepared.table, first_groups(settings, prepared), validation_groups=prepared.pseudo)
    report = tuner.score(prepared.table, prepared.report_groups, split="test")
    answers = tuner.predict(prepared.table.where("test"))
    return Fitted(tuner.class_weights_, answers, report.average_accuracy, report.worst_group_accuracy)


def row(settings: TrainSettings, change: str, one: Fitted, other: Fitted) -> list[str]:
    """Compare two fits: the largest difference over runs of each kind."""
    points = [100 * float(np.abs(a - b).max()) for a, b in ((one.average, other.average), (one.worst, other.worst))]
    return [
        settings.method,
        change,
        "yes" if np.array_equal(one.weights, other.weights) else "no",
        f"{np.abs(one.weights - other.weights).max():.1g}",
        f"{100 * float((one.answers != other.answers).mean(axis=1).max()):.2g} %",
        *(f"{value:.2f}" for value in points),
    ]


def compare(prepared: Prepared, settings: TrainSettings, devices: Sequence[str] = ()) -> list[list[str]]:
    """Fit again and again, and return the table's rows; threads are as before afterwards."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        first = fit(prepared, settings)
        rows = [row(settings, "the same again", first, fit(prepared, settings))]
        seeds = range(settings.seed, settings.seed + settings.seeds)
        alone = [fit(prepared, replace(settings, seed=seed, seeds=1)) for seed in seeds]
        rows.append(row(settings, f"alone instead of {len(seeds)} in a stack", first, Fitted.joined(alone)))
        torch.set_num_threads(2)
        rows.append(row(settings, "two threads instead of one", first, fit(prepared, settings)))
        for device in devices:
            model, pretrained = prepared.backbone.source
            there = Backbone.load(model, pretrained, device=device)
            rows.append(row(settings, f"on {device}", first, fit(prepared, settings, there)))
    finally:
        torch.set_num_threads(threads)
    return rows


def main(
    dataset: Annotated[str, typer.Argument(help="As for debias-pt train.")] = "waterbirds-mini",
    method: Annotated[list[str], typer.Option(help="One or more.")] = ["dpt"],  # noqa: B006  read only
    steps: Annotated[int | None, typer.Option(help="Default: as for debias-pt train.")] = None,
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    data_root: Annotated[str | None, typer.Option(help="Where the data are.")] = None,
    pretrained: Annotated[str | None, typer.Option(help="The model's weights.")] = None,
    device: Annotated[list[str], typer.Option(help="Other devices, such as cuda.")] = [],  # noqa: B006
) -> None:
    """Print a Markdown table."""
    where = {"data_root": data_root, "pretrained": pretrained, "steps": steps}
    given = {name: value for name, value in where.items() if value is not None}
    rows, prepared = [], None
    for name in method:
        settings = TrainSettings(dataset=dataset, method=name, seeds=seeds, device="cpu", **given)  # type: ignore[arg-type]
        prepared = prepare(settings) if prepared is None else prepared
        rows += compare(prepared, settings, device)
    typer.echo(markdown_table(HEADER, rows))


if __name__ == "__main__":
    typer.run(main)
