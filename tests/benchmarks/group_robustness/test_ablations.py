"""Promises: an ablation varies what it says and nothing else; flips are as many as asked for and hit whom they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias_pt.benchmarks.group_robustness import ablations, plot, row_tables, suite
from debias_pt.benchmarks.group_robustness.ablations import ABLATIONS, ablation
from debias_pt.benchmarks.group_robustness.case import Case
from debias_pt.benchmarks.group_robustness.groupings import KINDS, Flipped
from debias_pt.benchmarks.group_robustness.rivals.loop import Loop
from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.errors import UnknownNameError, UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.settings import TrainSettings
from tests.helpers.small_case import gaussian_case, tiny_settings

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def case(backbone: Backbone) -> Case:
    """A probe with a posterior of its own for every sample, wrong where it is beyond a half."""
    case = gaussian_case(backbone)
    truth = case.prepared.table.attributes["background"].labels
    wrong = np.random.default_rng(3).beta(1, 4, len(truth))
    posterior = np.stack([1 - wrong, wrong], axis=1)
    posterior[truth == 1] = posterior[truth == 1, ::-1]
    answers = (PseudoAttribute("background", ("land", "water"), posterior),)
    return replace(case, prepared=replace(case.prepared, answers=answers))


def flips(case: Case, flipped: Flipped, split: str = "train") -> np.ndarray:  # type: ignore[type-arg]
    true = case.prepared.true
    assert true is not None
    return (flipped(case).attribute != true.attribute)[case.split(split)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.5])
def test_as_many_flips_as_asked_for(kind: str, share: float, case: Case) -> None:
    for split, n in (("train", 400), ("val", 160), ("test", 400)):
        assert flips(case, Flipped(kind, share), split).sum() == round(share * n)
    assert np.array_equal(flips(case, Flipped(kind, share)), flips(case, Flipped(kind, share)))


def test_most_likely_first_at_the_probes_error_rate_is_the_probe(case: Case) -> None:
    prepared = case.prepared
    train = case.split("train")
    assert prepared.true is not None
    errors = (prepared.pseudo.attribute != prepared.true.attribute)[train]
    assert errors.sum() > 5
    flipped = Flipped("zero-shot, most likely first", errors.mean())
    assert np.array_equal(flipped(case).attribute[train], prepared.pseudo.attribute[train])


def test_zero_shot_flips_hit_where_the_probe_doubts_and_uniform_ones_do_not(case: Case) -> None:
    assert case.prepared.true is not None
    train = case.split("train")
    doubt = 1 - case.prepared.pseudo.posterior[np.arange(960), case.prepared.true.attribute][train]
    mean = {kind: np.mean([doubt[flips(case, Flipped(kind, 0.1, s))].mean() for s in range(20)]) for kind in KINDS}
    assert mean["uniform"] == pytest.approx(doubt.mean(), abs=0.02)
    assert doubt.mean() + 0.08 < mean["zero-shot"] < mean["zero-shot, most likely first"] - 0.08


def test_drawn_flips_follow_the_probes_posterior() -> None:
    doubt = np.array([0.7, 0.2, 0.1])
    drawn = [int(Flipped("zero-shot", 1 / 3).choose(doubt, np.random.default_rng(s))[0]) for s in range(3000)]
    assert np.bincount(drawn) / 3000 == pytest.approx(doubt, abs=0.03)


def test_a_flip_goes_to_the_likeliest_wrong_value(backbone: Backbone) -> None:
    case = gaussian_case(backbone)
    n = len(case.prepared.table)
    truth = TrueAttribute(("a", "b", "c"), np.full(n, 1))
    answers = (PseudoAttribute("background", truth.values, np.tile([0.1, 0.6, 0.3], (n, 1))),)
    own = replace(case, prepared=replace(case.prepared, answers=answers, annotated=(truth,)))
    for kind in KINDS:
        values = Flipped(kind, 0.5)(own).attribute
        assert set(values[values != 1].tolist()) == ({0, 2} if kind == "uniform" else {2})


@pytest.fixture(scope="module")
def settings(waterbirds_root: Path, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    return tiny_settings(waterbirds_root, tiny_checkpoint, tmp_path_factory.mktemp("ablations"), lr=0.05)


ignored = pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")


@ignored
@pytest.mark.parametrize("name", [name for name in ABLATIONS if name not in ("eta", "probe-noise")])
def test_every_ablation_runs_and_its_points_differ(name: str, settings: TrainSettings) -> None:
    result = ablation(settings, name)
    assert [point["value"] for point in result["points"]] == [point.value for point in ABLATIONS[name].points]
    assert not any(point["oracle"] for point in result["points"])
    json.dumps(result, allow_nan=False)
    fits = {repr((point.options, point.reword)) for point in ABLATIONS[name].points}
    assert len(fits) == len(result["points"])


@ignored
def test_eta_0_is_group_balanced_and_a_second_call_computes_nothing(settings: TrainSettings, tmp_path: Path) -> None:
    first = ablation(settings, "eta")
    balanced = suite.group_robustness(settings, ["balanced"])["rows"][0]
    assert first["points"][0]["per_seed"] == balanced["per_seed"]
    assert first["stored_points"] == 0
    assert ablation(settings, "eta")["stored_points"] == len(first["points"])
    header, lines = row_tables.ablation_table(first)
    assert header[0] == "eta"
    assert [line[0] for line in lines] == ["0.0", "0.5", "1.0", "2.0", "4.0", "8.0"]
    assert row_tables.ablation_markdown(first).count("\n| ") == 7
    assert len(row_tables.csv_table(first)[1]) == 6 * 2 * 2


@ignored
def test_probe_noise_is_an_oracle_with_a_line_for_every_kind(settings: TrainSettings, tmp_path: Path) -> None:
    result = ablation(settings, "probe-noise")
    assert all(point["oracle"] for point in result["points"])
    assert all(len(point["attribute_labels_used"]) == 2 for point in result["points"])
    for point in result["points"]:
        assert point["attribute_accuracy"] == pytest.approx(1 - float(point["value"]) / 100, abs=0.02)
    pytest.importorskip("matplotlib")
    plot.plot_ablation(result, tmp_path / "noise.svg")
    drawn = (tmp_path / "noise.svg").read_text()
    assert "(oracle)" in result["varied"]
    assert drawn.count('<g id="xtick') == len({point["value"] for point in result["points"]})
    assert drawn.count('<g id="LineCollection') == 2 * len(KINDS)  # error bars, and in the legend


def test_words_are_changed_and_nothing_else(backbone: Backbone) -> None:
    case = gaussian_case(backbone)
    own = ablations.reworded(case, ablations.first_phrase)
    assert own.prepared.attributes[0].values == {"land": ("land",), "water": ("water",)}
    assert own.prepared.attributes[0].templates == case.prepared.attributes[0].templates
    assert own.prepared.table is case.prepared.table
    assert ablations.single_template(case.prepared.attributes[0]).templates == ("{attribute}.",)
    assert ablations.class_templates(case.prepared.attributes[0]).class_conditional
    assert ablations.reworded(case, None) is case


def test_what_cannot_be_had_is_refused(settings: TrainSettings) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown ablation 'probe-nois' \(did you mean 'probe-noise'\?\)"):
        ablation(settings, "probe-nois")
    with pytest.raises(UsageError, match="the ablation probe-noise needs annotations"):
        ablation(replace(settings, attribute=("weather=sun:rain",)), "probe-noise")


def test_only_probe_noise_sees_attribute_labels() -> None:
    seen: dict[str, Any] = {
        name: {label for point in one.points for label in Loop(groups=point.groups).labels}
        for name, one in ABLATIONS.items()
    }
    assert {name for name, labels in seen.items() if labels != {"class labels"}} == {"probe-noise"}
