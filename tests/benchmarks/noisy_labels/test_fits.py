"""Promises: a cell is what its runs would be alone; a seed draws one sample for all ways of adapting; an
ensemble averages logits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from debias_pt.benchmarks.noisy_labels import case as cases
from debias_pt.benchmarks.noisy_labels import compute as computing
from debias_pt.benchmarks.noisy_labels import fits
from debias_pt.benchmarks.noisy_labels.case import NoisyCase
from debias_pt.benchmarks.noisy_labels.cells import (
    PROBE,
    RANDOM,
    TOP_CONFIDENCE,
    TUNED_PROBE,
    ZERO_SHOT,
    Cell,
    fit_settings,
)
from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.datasets.base import ImageDataset
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.noise.linear_probe import fit_linear_probe
from debias_pt.training.tuner import Tuner
from tests.helpers.small_case import noisy_case

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning"),  # classes of a few images
]


def alone(case: NoisyCase, cell: Cell, seed: int) -> float:
    """One run by the library's own tuner."""
    settings = replace(fit_settings(cell, case.settings, len(case.draw(cell, seed))), seed=seed)
    rows = case.draw(cell, seed).of(case.table)
    every = Groups.true(rows.y, rows.class_names, [TrueAttribute(("all",), np.zeros(len(rows), dtype=np.int64))])
    tuner = Tuner(case.backbone, settings).fit(rows, every)
    return float((tuner.predict(case.reported.features)[0] == case.reported.y).mean())


@pytest.mark.parametrize(
    "head", ["prompt", "linear", "linear-from-text", "class-tokens", "full-prompt", "text-encoder"]
)
@pytest.mark.parametrize("protocol", [{"steps": 3}, {"protocol": "ptnl", "steps": None, "shots": 2}])
def test_a_cell_is_its_runs_alone(backbone: Backbone, head: str, protocol: dict[str, Any]) -> None:
    case = noisy_case(backbone, **protocol)
    cell = Cell(head, rate=0.25)
    assert fits.measure(case, [cell])[0]["per_seed"] == [alone(case, cell, seed) for seed in case.seeds]


def test_cells_together_are_the_cells_alone(backbone: Backbone) -> None:
    case = noisy_case(backbone)
    cells = [Cell("prompt"), Cell("prompt", loss="gce", q=0.7, rate=0.5), Cell("prompt", loss="nlprompt", rate=0.5),
             Cell("prompt", rate=0.5, filtered=True), Cell("prompt", rate=0.5, traced=True)]  # fmt: skip
    lots = computing.chunks(case, cells)
    assert [len(lot) for lot in lots] == [1] * 5  # on a CPU
    together = fits.measure(case, cells)
    for cell, found in zip(cells, together, strict=True):
        apart = fits.measure(case, [cell])[0]
        assert {**apart, "seconds": 0, "trace": 0} == {**found, "seconds": 0, "trace": 0}
        assert (found["trace"] is not None) == cell.traced
    rows = together[4]["trace"]
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    assert all(0 < share < 1 for row in rows for share in row["class_weights"])


def test_on_a_gpu_cells_of_one_shape_are_fitted_together(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "AT_ONCE", {"cpu": 2})
    case = noisy_case(backbone)
    cells = [
        Cell("prompt"),
        Cell(PROBE),
        Cell("prompt", rate=0.5),
        Cell("prompt", context=4),
        Cell("prompt", rate=0.25),
    ]
    lots = computing.chunks(case, cells)
    assert sorted(len(lot) for lot in lots) == [1, 1, 1, 2]
    assert {cell for lot in lots for cell in lot} == set(cells)


def test_probes_and_zero_shot_are_scikit_learns_and_the_models_own(backbone: Backbone) -> None:
    case = noisy_case(backbone)
    found = fits.measure(case, [Cell(PROBE, rate=0.25)])[0]
    for seed, value in zip(case.seeds, found["per_seed"], strict=True):
        labels = case.draw(Cell(PROBE, rate=0.25), seed)
        probe = fit_linear_probe(case.table.features[labels.rows(case.table)], labels.y_given, 2, C=100.0)
        assert value == (probe.predict(case.reported.features)[0] == case.reported.y).mean()
    said = case.probabilities[case.table.split == "test"].argmax(axis=1)
    zero = fits.measure(case, [Cell(ZERO_SHOT, rate=0.5)])[0]
    assert zero["per_seed"] == [(said == case.reported.y).mean()] * 2
    assert zero["ensemble"] == zero["per_seed"][0]


def test_an_ensemble_is_the_mean_of_logits_not_of_probabilities(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = noisy_case(backbone)
    logits = np.zeros((3, len(case.reported.y), 2))
    logits[:, :, 1] = np.array([10.0, -3.0, -3.0])[:, None]  # one run is surer of class 1 than two are of class 0
    monkeypatch.setattr(fits, "apart", lambda *_: logits)
    assert fits.measure(case, [Cell(PROBE)])[0]["ensemble"] == (case.reported.y == 1).mean()


def test_the_tuned_probe_sees_four_clean_validation_images_per_class(backbone: Backbone) -> None:
    case = noisy_case(backbone)
    x, y = fits.few_validation(case, 0)
    assert np.bincount(y).tolist() == [4, 4]
    val = case.table.where("val")
    assert all(((val.features == row).all(axis=1) & (val.y == label)).any() for row, label in zip(x, y, strict=True))
    assert fits.measure(case, [Cell(TUNED_PROBE, rate=0.5)])[0]["per_seed"] != [0, 0]


def test_a_seed_draws_the_same_for_all_ways_of_adapting_and_another_another(backbone: Backbone) -> None:
    case = noisy_case(backbone)
    one = case.draw(Cell("prompt", rate=0.5), 0)
    assert case.draw(Cell(PROBE, rate=0.5, filtered=True), 0) is one
    assert set(case.draw(Cell("prompt", rate=0.5), 1).ids) != set(one.ids)
    assert set(case.draw(Cell("prompt", rate=0.25), 0).ids) == set(one.ids)
    assert one.realised == 0.5
    for kind in ("asymmetric", "confusion", "replacement"):
        assert case.draw(Cell("prompt", kind=kind, rate=0.5), 0).realised == 0.5
    for kind in (TOP_CONFIDENCE, RANDOM):
        assert (case.draw(Cell("prompt", kind=kind), 0).y_given == case.probabilities[
            case.draw(Cell("prompt", kind=kind), 0).rows(case.table)].argmax(axis=1)).all()  # fmt: skip


def test_a_filter_keeps_what_it_believes_and_says_what_is_left(backbone: Backbone) -> None:
    case = noisy_case(backbone, shots=40)
    sample = fits.sample(case, Cell(PROBE, rate=0.25, filtered=True), 0)
    assert sample.facts["samples"] == len(sample.y) < 80
    assert sample.facts["realised"] == 0.25
    assert sample.facts["realised_after_filter"] == sample.wrong.mean() < 0.25


def test_views_stand_behind_the_plain_images(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    case = noisy_case(backbone, views=2)
    seen: dict[str, Any] = {}

    def crops(_: Any, dataset: ImageDataset, rows: Any, views: int, seed: int, **more: Any) -> Any:
        seen.update(ids=[dataset.ids[row] for row in rows], seed=seed)
        return np.stack([case.table.features[rows] * (-1) ** view for view in range(views)])

    monkeypatch.setattr(cases, "encode_views", crops)
    cell = Cell("prompt", rate=0.5)
    sample, labels = fits.sample(case, cell, 1), case.draw(cell, 1)
    assert seen == {"ids": list(labels.ids), "seed": 1}
    assert len(sample.features) == len(sample.y) == 3 * len(labels)
    assert (sample.features[48:] == -sample.features[:24]).all()
    assert (sample.y == np.tile(labels.y_given, 3)).all()
