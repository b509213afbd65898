"""Promises: a cell is what its runs would be alone; a seed draws one sample for all ways of adapting; verdicts are
Student's; what was computed is taken again; tables, pictures and files show everything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from debias_pt.benchmarks.noisy_labels import compute, experiment_tables, plot, suite
from debias_pt.benchmarks.noisy_labels import compute as computing
from debias_pt.benchmarks.noisy_labels.case import NoisyCase
from debias_pt.benchmarks.noisy_labels.cells import CE, RANDOM, Cell, Plan, fit_settings
from debias_pt.benchmarks.noisy_labels.claims import Claim, finding
from debias_pt.benchmarks.noisy_labels.experiments import EXPERIMENTS
from debias_pt.benchmarks.noisy_labels.published import FIGURES, published
from debias_pt.benchmarks.noisy_labels.settings import QUICK, NoisySettings, rates_of
from debias_pt.benchmarks.pages.noisy_labels import page
from debias_pt.benchmarks.shared.results_store import ResultStore
from debias_pt.errors import DatasetError, UnknownNameError, UsageError
from debias_pt.losses import LOSSES
from debias_pt.models.backbone import Backbone
from debias_pt.noise.few_shot import FewShot
from debias_pt.pages.render import html
from debias_pt.settings import resolve
from studies import noisy_labels_page
from tests.conftest import Cli
from tests.helpers.coop_files import write_shots
from tests.helpers.report_case import Parsed
from tests.helpers.small_case import noisy_case

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning"),  # classes of a few images
]
PLAN = Plan((0.0, 0.125, 0.25, 0.5))


# Which images.


def test_peers_draws_and_replacement_rule_are_options(backbone: Backbone) -> None:
    usual, coop = noisy_case(backbone), noisy_case(backbone, draw="coop", replacement="ptnl")
    clean, noisy = Cell("prompt"), Cell("prompt", kind="replacement", rate=0.5)
    for seed in usual.seeds:
        assert coop.draw(clean, seed).ids == FewShot.draw(coop.table, 12, seed, rule="coop").ids
        assert coop.draw(clean, seed).ids != usual.draw(clean, seed).ids
        assert coop.few_shot(seed, "val").ids == FewShot.draw(coop.table, 12, seed, rule="coop", split="val").ids
    assert (usual.draw(noisy, 0).kind, coop.draw(noisy, 0).kind) == ("replacement", "replacement-ptnl")
    assert "draw" not in computing.key(usual, clean)  # what was computed before there were others stays good
    assert computing.key(coop, clean)["draw"] == "coop"


def test_files_of_coop_lie_in_the_data_sets_folder(backbone: Backbone, tmp_path: Path) -> None:
    case = noisy_case(backbone, draw="coop-files", seed=1, shots=2)
    case = replace(case, dataset=replace(case.dataset, root=tmp_path))
    with pytest.raises(DatasetError, match=r"split_fewshot/shot_2-seed_1\.pkl: no such file"):
        case.draw(Cell("prompt"), 1)
    train = case.table.where("train")
    write_shots(tmp_path / "split_fewshot" / "shot_2-seed_1.pkl", [(f"/a/{train.ids[0]}", int(train.y[0]))], [])
    assert case.draw(Cell("prompt"), 1).ids == (train.ids[0],)


@pytest.mark.parametrize(("name", "value"), [("draw", "dassl"), ("replacement", "ours"), ("protocol", "slow")])
def test_unknown_rules_are_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is '{value}'; .* expected"):
        NoisySettings(**{name: value})


# Cells.


def test_experiments_share_cells_and_noise_without_rate_is_one() -> None:
    assert Cell("prompt", kind="confusion") == Cell("prompt")
    assert Cell("prompt", kind="confusion", rate=0.5) != Cell("prompt", rate=0.5)
    assert Cell("prompt", kind=RANDOM) != Cell("prompt")
    points = [point for one in EXPERIMENTS.values() for point in one.points(PLAN)]
    assert len({point.cell for point in points}) < 0.8 * len(points)
    assert {point.cell.loss for point in points} == set(LOSSES)


@pytest.mark.parametrize("rates", [(0.5,), (0.0,), (0.0, 0.5), PLAN.rates])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_claim_is_about_points_that_are_there(name: str, rates: tuple[float, ...]) -> None:
    one, plan = EXPERIMENTS[name], Plan(rates)
    points = one.points(plan)
    there = {(point.series, point.x) for point in points}
    assert len(there) == len(points)  # no point hides another
    assert {place for claim in one.claims(plan) for place in claim.places()} <= there


def test_ptnl_protocol_counts_epochs() -> None:
    fitted = fit_settings(Cell("prompt"), NoisySettings(protocol="ptnl"), 1600)
    assert (fitted.steps, fitted.warmup_steps, fitted.batch_size) == (50 * 50, 50, 32)
    assert (fitted.optimizer, fitted.lr, fitted.momentum, fitted.weight_decay) == ("sgd", 0.002, 0.9, 5e-4)
    assert fit_settings(Cell("prompt"), NoisySettings(protocol="ptnl"), 33).steps == 100
    fast = fit_settings(Cell("prompt", context=4), NoisySettings(), 1600)
    assert (fast.steps, fast.batch_size, fast.optimizer, fast.lr, fast.context_length) == (100, None, "adamw", 0.004, 4)
    assert fit_settings(Cell("linear"), NoisySettings(), 1600).context_length is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rates": "0,half"}, "rates are '0,half'; numbers joined by commas expected"),
        ({"rates": "0,1.5"}, "rates are '0,1.5'; one or more numbers from 0 to 1"),
        ({"rates": ","}, "one or more numbers"),
        ({"protocol": "ptln"}, r"protocol is 'ptln' \(did you mean 'ptnl'\?\); fast or ptnl expected"),
        ({"protocol": "ptnl", "steps": 5}, "--steps 5 with the protocol ptnl"),
        ({"shots": 0}, "shots is 0"),
        ({"seeds": 0}, "seeds is 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        NoisySettings(**options)


def test_a_split_that_there_cannot_be_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="split is 'tset'"):
        NoisyCase.load(NoisySettings(dataset="nowhere", split="tset"))


def test_rates_are_sorted_and_quick_changes_only_what_was_not_asked_for() -> None:
    assert rates_of("0.5,0,0.5") == (0.0, 0.5)
    settings = resolve(NoisySettings, QUICK, {"rates": "0.25"})
    assert (settings.rates, settings.steps) == ("0.25", 40)


# Findings.


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=6))
def test_a_finding_is_students_interval_of_paired_differences(pairs: list[tuple[float, float]]) -> None:
    higher, lower = zip(*pairs, strict=True)
    claim = Claim("a above b", ("a", ""), ("b", ""), otherwise="Because.")
    found = finding(claim, {("a", ""): higher, ("b", ""): lower})
    assert found is not None
    differences = np.subtract(higher, lower)
    if differences.std() > 1e-9:
        low, high = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
        assert found["interval"] == pytest.approx([low, high])
        assert found["verdict"] == ("shown" if low > 0 else "contradicted" if high < 0 else "open")
    assert bool(found["likely_reason"]) == (found["difference"] <= 0)
    turned = finding(claim, {("a", ""): lower, ("b", ""): higher})
    assert turned is not None
    opposite = {"shown": "contradicted", "contradicted": "shown", "open": "open"}
    assert turned["verdict"] == opposite[found["verdict"]]


def test_losses_since_are_differences_of_differences() -> None:
    claim = Claim("a loses less", ("a", "50"), ("b", "50"), since="0")
    values = {("a", "0"): [0.8, 0.9], ("a", "50"): [0.7, 0.7], ("b", "0"): [0.9, 0.9], ("b", "50"): [0.5, 0.4]}
    found = finding(claim, values)
    assert found is not None
    assert found["difference"] == pytest.approx(0.3)  # (0.2 - -0.1 + 0.3 - 0) / 2
    assert finding(claim, {place: values[place] for place in list(values)[:3]}) is None
    assert finding(Claim("a", ("a", "0"), ("b", "0")), {("a", "0"): [1.0], ("b", "0"): [0.0]})["verdict"] == "open"  # type: ignore[index]


# The suite.


@pytest.fixture(scope="module")
def settings(waterbirds_root: Path, tiny_checkpoint: Path, cache_dir: Path) -> NoisySettings:
    where = {"data_root": str(waterbirds_root), "pretrained": f"local-dir:{tiny_checkpoint}", "workers": 0}
    return NoisySettings(
        dataset="waterbirds", check_counts=False, cache_dir=str(cache_dir), shots=4, seeds=2, steps=1, **where
    )


@pytest.fixture(scope="module")
def result(settings: NoisySettings) -> Iterator[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(computing, "AT_ONCE", {"cpu": 8})  # faster with tiny models
        yield suite.noisy_labels(settings)


def test_the_page_holds_every_experiment(result: dict[str, Any]) -> None:
    parsed = Parsed(html(page(result)))
    for one in result["experiments"]:
        assert parsed.holds(experiment_tables.main_table(one))
        if one["findings"]:
            assert parsed.holds(experiment_tables.findings_table(one["findings"]))


def test_the_whole_suite_runs_and_shares_what_it_computes(result: dict[str, Any], settings: NoisySettings) -> None:
    names = [one["experiment"] for one in result["experiments"]]
    assert names == [*EXPERIMENTS, "groups", "groups: probe"]
    assert result["computed"] > 50
    assert result["left_out"] == {}
    json.dumps(result, allow_nan=False)
    again = suite.noisy_labels(settings, ["curves", "curves", "context"])
    assert again["computed"] == 0
    assert [one["experiment"] for one in again["experiments"]] == ["curves", "context"]
    assert again["experiments"][0]["points"] == [
        {**point, "stored": True} for point in result["experiments"][0]["points"]
    ]
    other = suite.noisy_labels(replace(settings, shots=3), ["curves"])
    assert other["stored"] == 0


def test_every_image_drawn_is_saved_with_its_label(result: dict[str, Any], settings: NoisySettings) -> None:
    case = NoisyCase.load(settings)
    draws = {(one["kind"], one["rate"], one["seed"]): one for one in result["samples"]}
    assert len(draws) == len(result["samples"]) >= 2 * (4 + 3 * 2 + 2)
    for cell in (Cell("prompt", rate=0.5), Cell("prompt", kind="replacement", rate=0.25)):
        one = draws[(cell.kind, cell.rate, 1)]
        drawn = case.draw(cell, 1)
        assert {name: one[name] for name in drawn.to_dict()} == drawn.to_dict()
        assert one["realised"] == np.mean(np.array(one["y_given"]) != np.array(one["y_true"]))


def test_unknown_experiments_give_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown experiment 'kids' \(did you mean 'kinds'\?\)"):
        suite.choose(["curves", "kids"])
    assert suite.choose([])[-1] == "groups"
    assert suite.choose([], quick=True) == list(suite.QUICK_EXPERIMENTS)


def test_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch, backbone: Backbone, tmp_path: Path) -> None:
    case = noisy_case(backbone, steps=1, cache_dir=str(tmp_path))
    monkeypatch.setattr(suite.NoisyCase, "load", lambda _: case)
    monkeypatch.setattr(suite, "find_spec", lambda _: None)
    monkeypatch.setattr(suite, "EXPERIMENTS", {"successors": EXPERIMENTS["successors"]})
    monkeypatch.setattr(suite, "NAMES", {"successors": "", "groups": ""})
    found = suite.noisy_labels(case.settings)
    assert list(found["left_out"]) == ["groups", "cleanlab filter"]
    assert "no suspected attribute" in found["left_out"]["groups"]
    assert not any(point["cell"]["filtered"] for point in found["experiments"][0]["points"])
    assert "Left out: cleanlab filter" in experiment_tables.markdown(found)


def test_what_the_data_do_not_allow_is_refused_before_anything_is_fitted(backbone: Backbone, tmp_path: Path) -> None:
    case, store = noisy_case(backbone, shots=195), ResultStore(tmp_path)
    cells = [Cell("prompt"), Cell("prompt", kind="replacement", rate=0.5)]
    with pytest.raises(UsageError, match="ask for fewer shots or a lower rate"):
        computing.compute(case, cells, store)
    assert not list(tmp_path.iterdir())


# What people see.


def test_every_point_is_in_a_table(result: dict[str, Any]) -> None:
    for one in result["experiments"]:
        header, lines = experiment_tables.main_table(one)
        assert {len(line) for line in lines} == {len(header)}
        words = {*header, *(line[0] for line in lines)}
        assert {point["series"] for point in one["points"]} <= words
        for point in one["points"]:
            assert any(experiment_tables.cell(point) in line for line in lines)
    text = experiment_tables.markdown(result)
    assert all(found["claim"] in text for found in result["findings"])
    assert "Wrong labels as realised" in text
    assert "Ensembles (logits averaged over seeds)" in text
    assert re.search(r"pseudo-random: \d+\.\d %", text)


def test_csv_has_a_line_per_point_and_seed(result: dict[str, Any], tmp_path: Path) -> None:
    header, lines = experiment_tables.csv_table(result)
    assert len(lines) == 2 * sum(len(one["points"]) for one in result["experiments"])
    assert {len(line) for line in lines} == {len(header)}
    point = next(dict(zip(header, line, strict=True)) for line in lines if line[1] == CE and line[2] == "50")
    assert (point["noise realised"], point["samples"]) == ("0.5", "8")


def test_every_experiment_has_a_picture(result: dict[str, Any], tmp_path: Path) -> None:
    kinds = ("curves", "gradients", "groups: probe")  # lines, traces, words
    some = [one for one in result["experiments"] if one["experiment"] in kinds]
    paths = plot.plot_all({**result, "synthetic": True, "experiments": some}, tmp_path / "new")
    assert [path.name for path in paths] == ["curves.png", "gradients.png", "groups-probe.png"]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in paths)
    assert "(synthetic)" in plot.title({**result, "synthetic": True}, result["experiments"][0])


def test_the_page_has_every_finding_and_every_picture(
    result: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: NoisySettings
) -> None:
    monkeypatch.setattr(noisy_labels_page, "noisy_labels", lambda *_: result)
    (tmp_path / "noisy-labels" / "waterbirds").mkdir(parents=True)
    monkeypatch.setattr(plot, "plot", lambda result, one, path: path.touch())
    text = noisy_labels_page.write_page(tmp_path, settings, [], "COMMAND").read_text(encoding="utf-8")
    assert "COMMAND" in text
    assert all(found["claim"] in text for found in result["findings"])
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    assert len(pictures) == len(result["experiments"])
    assert all((tmp_path / picture).is_file() for picture in pictures)


def test_published_figures_are_of_coops_sets_and_say_what_differs() -> None:
    from debias_pt.datasets.named.coop import COOP

    assert {figure[0] for figure in FIGURES} <= set(COOP)
    assert all(len(rates) == len(values) for *_, rates, values in FIGURES)
    assert all("RN50" in one["differs"] for one in published("dtd"))
    header, lines = experiment_tables.published_table({"published": published("dtd")})
    assert len(lines) == 4
    assert header[3:10] == ["0 %", "12.5 %", "25 %", "37.5 %", "50 %", "62.5 %", "75 %"]


def test_the_command(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    words = ["bench", "noisy-labels", "waterbirds", *tiny, "--shots", "4", "--seeds", "2", "--steps", "1"]
    wanted = ["--experiment", "curves,unsupervised", "--experiment", "kinds", "--rates", "0,0.5"]
    files = ["--csv", tmp_path / "a" / "all.csv", "--plot", tmp_path / "plots", "--samples", tmp_path / "samples.json"]
    done = cli(*words, *wanted, *files, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["experiment"] for one in found["experiments"]] == ["curves", "unsupervised", "kinds"]
    assert json.loads((tmp_path / "samples.json").read_text()) == found["samples"]
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"curves.png", "unsupervised.png", "kinds.png"}
    assert len((tmp_path / "a" / "all.csv").read_text(encoding="utf-8").splitlines()) > 50


def test_the_experiment_in_contributing_works() -> None:
    from debias_pt.benchmarks.noisy_labels import experiments

    text = (Path(__file__).resolve().parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(r"(    @experiment\(.*?\n)\n", text, re.DOTALL)
    assert code is not None
    try:
        exec(dedent(code[1]), {**vars(experiments), "claims": lambda plan: []})
        assert len(EXPERIMENTS["mine"].points(PLAN)) == 8
    finally:
        EXPERIMENTS.pop("mine", None)


def test_kinds_of_noise_without_noise_are_left_out(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    case = noisy_case(backbone, steps=1, rates="0", cache_dir=str(tmp_path))
    monkeypatch.setattr(suite.NoisyCase, "load", lambda _: case)
    found = suite.noisy_labels(case.settings, ["kinds", "context"])
    assert found["left_out"] == {"kinds": "it needs a noise rate above 0"}
    assert [one["experiment"] for one in found["experiments"]] == ["context"]


@pytest.mark.parametrize("change", [{"views": 2}, {"shots": 13}, {"seeds": 3}, {"steps": 4}, {"split": "val"}])
def test_a_stored_result_is_of_all_that_it_depends_on(backbone: Backbone, change: dict[str, Any]) -> None:
    cell = Cell("prompt")
    plain, other = noisy_case(backbone), noisy_case(backbone, **change)
    assert compute.key(plain, cell) == compute.key(noisy_case(backbone), cell)
    assert compute.key(plain, cell) != compute.key(other, cell)
    assert compute.key(plain, Cell("linear-probe")) != compute.key(plain, cell)
