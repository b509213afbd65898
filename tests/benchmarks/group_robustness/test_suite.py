"""Promises: the suite says what every row saw; it takes from earlier calls only what still holds; its tables and
pictures show every row, oracles apart."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias_pt.benchmarks.group_robustness import case as store
from debias_pt.benchmarks.group_robustness import plot, published, row_tables, suite
from debias_pt.benchmarks.group_robustness.case import Case, Fitted
from debias_pt.benchmarks.group_robustness.rivals.loop import Loop
from debias_pt.benchmarks.group_robustness.rows import ROWS, Row, choose
from debias_pt.benchmarks.group_robustness.stacked_fits import Timed
from debias_pt.benchmarks.pages import group_robustness as pages
from debias_pt.benchmarks.shared import figures
from debias_pt.benchmarks.shared.results_store import ResultStore
from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.errors import DebiasWarning, UnknownNameError, UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.pages.render import html
from debias_pt.settings import TrainSettings
from studies import group_robustness_page
from tests.helpers.report_case import Parsed
from tests.helpers.small_case import gaussian_case, tiny_settings

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning"),  # groups of five images
]
WITHOUT_STEPS = {"zero-shot", "zero-shot-ensemble", "orth-proj", "orth-cal", "afr"}
WITHOUT_STEPS |= {"class-balanced-val", "dfr-pseudo", "dfr", "sage", "sage-set", "probe-ensemble"}
ALL, TRAIN, VAL = "class labels", "training attributes", "validation attributes"


@pytest.fixture(scope="module")
def settings(waterbirds_root: Path, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    return tiny_settings(waterbirds_root, tiny_checkpoint, tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def result(settings: TrainSettings) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)  # groups of five images
        return suite.group_robustness(settings)


def test_every_row_says_what_it_saw(result: dict[str, Any]) -> None:
    expected = {name: [ALL] for name in ROWS}
    expected |= {name: [] for name in ("zero-shot", "zero-shot-ensemble", "orth-proj", "orth-cal", "sage", "sage-set")}
    expected |= {name: [ALL, TRAIN] for name in ROWS if name.endswith("-true")} | {"dfr": [ALL, VAL]}
    assert {row["row"] for row in result["rows"] if row["fitted_on"] == "val"} == {
        "class-balanced-val",
        "dfr-pseudo",
        "dfr",
    }
    assert {row["row"]: row["labels_used"] for row in result["rows"]} == expected
    for row in result["rows"]:
        assert row["oracle"] == (TRAIN in row["labels_used"] or VAL in row["labels_used"]) == ("oracle" in row["name"])
        assert row["attribute_labels_used"] == [label for label in row["labels_used"] if label != ALL]
        if row["true_selection"] is not None:
            assert row["true_selection"]["oracle"] is True
    json.dumps(result, allow_nan=False)


def test_rows_with_steps_have_a_second_column(result: dict[str, Any]) -> None:
    without = {row["row"] for row in result["rows"] if row["true_selection"] is None}
    assert without == WITHOUT_STEPS
    row = next(row for row in result["rows"] if row["row"] == "dpt")
    assert len(row["per_seed"]) == len(row["true_selection"]["per_seed"]) == len(row["selected_steps"]) == 2
    assert row["seconds"]["per_run"] == pytest.approx(row["seconds"]["fit"] / 2)


def test_an_oracle_rule_makes_every_selected_row_an_oracle(backbone: Backbone, tmp_path: Path) -> None:
    case = gaussian_case(backbone, select="true-wga", steps=2)
    row = suite.result_of(ROWS["erm"], case, ResultStore(tmp_path))
    assert row["labels_used"] == [ALL, VAL]
    assert row["oracle"]


def test_unknown_rows_give_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown row 'dtp' \(did you mean 'dpt'\?\)"):
        choose(["erm", "dtp"])
    assert [row.name for row in choose(["dpt", "erm", "dpt"])] == ["dpt", "erm"]
    assert len(choose([])) == len(ROWS) >= 20


def test_oracles_without_annotation_are_left_out_by_name_and_refused_on_request(settings: TrainSettings) -> None:
    own = replace(settings, attribute=("weather=sun:rain",), seeds=1, steps=1)
    with pytest.raises(UsageError, match=r"the row dpt-true needs annotations; waterbirds has none of 'weather'"):
        suite.group_robustness(own, ["erm", "dpt-true"])
    names = ["erm", "jtt", "ppa", "linear", *(name for name in ROWS if name.endswith("-true"))]
    rows = {name: ROWS[name] for name in names}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suite, "choose", lambda _: list(rows.values()))
        found = suite.group_robustness(own)
    assert [row["row"] for row in found["rows"]] == names[:4]
    assert found["left_out"] == names[4:]
    assert all(row["minority"] is None for row in found["rows"])
    assert "Left out" in row_tables.markdown(found)


# What a second call takes and what it does not.


class Counting:
    """A store that counts what had to be computed."""

    def __init__(self, folder: Path, fresh: bool = False) -> None:
        self.store, self.computed = ResultStore(folder, fresh), []  # type: ignore[var-annotated]

    def __call__(self, case: Case, *rows: Row) -> list[str]:
        return [row.name for row in rows if not suite.result_of(row, case, self.store)["stored"]]


def test_only_what_is_missing_is_computed_again(backbone: Backbone, tmp_path: Path) -> None:
    case, rows = gaussian_case(backbone, steps=2), choose(["zero-shot", "erm", "dpt", "dpt-true"])
    missing = Counting(tmp_path)
    assert missing(case, *rows) == ["zero-shot", "erm", "dpt", "dpt-true"]
    first = [suite.result_of(row, case, missing.store) for row in rows]
    assert missing(case, *rows) == []
    digest = store.digest(store.key(case, ROWS["dpt"].fit))[:32]
    (tmp_path / f"{digest}.json").unlink()
    assert missing(case, *rows) == ["dpt"]
    again = [suite.result_of(row, case, missing.store) for row in rows]
    for one, other in zip(first, again, strict=True):
        assert one["per_seed"] == other["per_seed"]
    assert Counting(tmp_path, fresh=True)(case, *rows) == [row.name for row in rows]
    assert missing(case, *rows) == []


def test_another_case_is_not_served(backbone: Backbone, tmp_path: Path) -> None:
    case, row, missing = gaussian_case(backbone, steps=2), ROWS["dpt"], Counting(tmp_path)
    assert missing(case, row) == ["dpt"]
    prepared, whole = case.prepared, case.prepared.table
    features = whole.features.copy()
    features[0] = -features[0]
    truth = whole.attributes["background"]
    labels = np.where(np.arange(len(whole)) == 0, 1 - truth.labels, truth.labels)
    word = replace(prepared.attributes[0], templates=("{attribute} there.",))
    tables = {
        "features": replace(whole, features=features),
        "class names": replace(whole, class_names=("bird of land", "bird of water")),
        "annotation": replace(whole, attributes={"background": TrueAttribute(truth.values, labels)}),
    }
    others = {name: replace(case, prepared=replace(prepared, table=one)) for name, one in tables.items()}
    others["words"] = replace(case, prepared=replace(prepared, attributes=(word,)))
    others["steps"] = replace(case, settings=replace(case.settings, steps=3))
    others["split"] = replace(case, settings=replace(case.settings, split="val"))
    others["rule"] = replace(case, settings=replace(case.settings, select="pseudo-wga"))
    for name, other in others.items():
        assert missing(other, row) == ["dpt"], name
        assert missing(other, row) == [], name
    assert missing(case, Row("dpt", "dpt", Loop({"method": "dpt", "eta": 3.0}))) == ["dpt"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "EDITION", store.EDITION + 1)
        assert missing(case, row) == ["dpt"]
    assert missing(replace(case, settings=replace(case.settings, data_root="elsewhere")), row) == []


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": {}, "result": {"worst_group_accuracy": 1.0}}'])
def test_a_damaged_or_foreign_file_counts_as_missing(damage: str, tmp_path: Path) -> None:
    kept, wanted = ResultStore(tmp_path), {"fit": "x"}
    assert kept.get(wanted, lambda: {"figure": 1}) == ({"figure": 1}, False)
    (path,) = tmp_path.glob("*.json")
    path.write_text(damage)
    assert kept.get(wanted, lambda: {"figure": 2}) == ({"figure": 2}, False)
    assert kept.get(wanted, lambda: {"figure": 3}) == ({"figure": 2}, True)


def test_a_folder_that_cannot_be_written_to_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("in the way")
    with pytest.warns(DebiasWarning, match="the result is not stored"):
        assert ResultStore(tmp_path / "results").get({}, lambda: {"figure": 1}) == ({"figure": 1}, False)


def test_the_whole_suite_is_served_on_a_second_call(settings: TrainSettings, result: dict[str, Any]) -> None:
    again = suite.group_robustness(settings)
    assert again["stored_rows"] == len(ROWS)
    assert [{**row, "stored": False} for row in again["rows"]] == result["rows"]


# Tables and pictures.


def test_markdown_shows_every_row_and_says_what_is_an_oracle(result: dict[str, Any]) -> None:
    text = row_tables.markdown(result)
    for row in result["rows"]:
        ours = text.split("Published")[0].splitlines()
        lines = [line for line in ours if line.startswith(f"| {row['name']} |")]
        assert len(lines) == 3
        assert ("a (" in lines[0]) == row["oracle"]
    assert "\n\nPublished, not measured here:\n\n" in text
    columns = {line.count("|") for line in text.split("\n\n")[0].splitlines()}
    assert columns == {10}


def test_synthetic_data_is_called_so(result: dict[str, Any]) -> None:
    assert row_tables.markdown({**result, "synthetic": True}).startswith("Synthetic data.")
    assert "(synthetic)" in plot.title({**result, "synthetic": True})


def test_csv_has_a_line_for_every_run_and_selection(result: dict[str, Any]) -> None:
    header, lines = row_tables.csv_table(result)
    assert all(len(line) == len(header) for line in lines)
    runs = sum(len(row["per_seed"]) * (2 if row["true_selection"] else 1) for row in result["rows"])
    assert len(lines) == runs
    read = [dict(zip(header, line, strict=True)) for line in csv.reader(io.StringIO("\n".join(map(_csv, lines))))]
    own = [row for row in read if row["row"] == "dpt" and row["selection"] == "last"]
    dpt = next(row for row in result["rows"] if row["row"] == "dpt")
    assert np.mean([float(row["gap"]) for row in own]) == pytest.approx(dpt["gap"], abs=1e-5)
    assert {row["oracle"] for row in read if row["selection"] == "true-wga"} == {"True"}
    assert {row["row"] for row in read if row["selection"] == "none"} == WITHOUT_STEPS
    for line, run in zip(own, dpt["per_seed"], strict=True):
        for group, accuracy in zip(dpt["groups"], run["groups"], strict=True):
            found = float(line[f"accuracy of {group['label']}, {group['attribute']}"])
            assert found == pytest.approx(accuracy, abs=1e-6)
    seeds = [[run["groups"] for run in row["per_seed"]] for row in result["rows"] if len(row["per_seed"]) == 2]
    assert any(first != second for first, second in seeds)


def _csv(line: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(line)
    return text.getvalue()


def test_published_figures_are_of_the_real_sets_and_named_with_source() -> None:
    assert published.published("waterbirds-mini") == []
    for name in ("waterbirds", "celeba", "metashift"):
        figures = published.published(name)
        assert figures
        assert all(one["source"] and one["differs"] for one in figures)


def test_the_picture_shows_every_row(result: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot.plot_rows(result, tmp_path / "new" / "rows.svg")
    text = (tmp_path / "new" / "rows.svg").read_text()
    assert text.count('<g id="xtick') > 2
    assert text.count('<g id="ytick') == len(result["rows"])


def test_the_page_holds_every_table_and_marks_oracles(result: dict[str, Any]) -> None:
    parsed = Parsed(html(pages.page(result)))
    assert parsed.holds(row_tables.main_table(result))
    assert parsed.holds(row_tables.group_table(result))
    assert parsed.holds(row_tables.interval_table(result))
    assert parsed.tags.count("rect") == len(result["rows"])
    oracles = [row["name"] for row in result["rows"] if row["oracle"]]
    assert all(f"{name} (oracle)" in parsed.texts for name in oracles)
    best = max((row for row in result["rows"] if not row["oracle"]), key=lambda row: row["worst_group_accuracy"])
    assert any(best["name"] in text for text in parsed.texts if text.startswith("Without attribute labels, "))


def test_a_picture_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match=r"rows\.gif: a plot is a \.png, \.pdf or \.svg file"):
        figures.require_plot_path(Path("rows.gif"))


def test_the_distance_to_the_oracle_is_said(result: dict[str, Any]) -> None:
    worst = {row["row"]: row["worst_group_accuracy"] for row in result["rows"]}
    assert set(result["distance_to_oracle"]) == {
        *("balanced", "group-dro", "dpt", "dpt-mixture", "linear-dpt", "anchored", "inferred"),
    }
    assert result["distance_to_oracle"]["dpt-mixture"] == worst["dpt-true"] - worst["dpt-mixture"]
    line = row_tables.distance_line(result)
    assert f"dpt-mixture {100 * (worst['dpt-true'] - worst['dpt-mixture']):+.1f}" in line
    assert f"\n\n{line}\n\n" in row_tables.markdown(result)
    assert row_tables.distance_line({**result, "distance_to_oracle": {}}) == ""


# Documents.


DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_every_row_has_a_page_that_names_it() -> None:
    index = (DOCS / "methods" / "README.md").read_text(encoding="utf-8").partition("## What a method is made of")[0]
    lines = [line for line in index.splitlines() if line.startswith("| `")]
    listed = {name for line in lines for name in re.findall(r"`([a-z-]+)`", line.split("|")[1])}
    assert listed == set(ROWS)
    for line in lines:
        page = re.search(r"\]\((\S+\.md)\)", line)
        assert page is not None
        text = (DOCS / "methods" / page[1]).read_text(encoding="utf-8")
        for name in re.findall(r"`([a-z-]+)`", line.split("|")[1]):
            assert f"`{name}`" in text, (page[1], name)
            saw_attribute = ROWS[name].oracle
            assert not saw_attribute or "oracle" in text


def test_the_results_page_is_made_by_the_command_written_in_it(
    settings: TrainSettings, result: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    options = {name: getattr(settings, name) for name in TrainSettings.__dataclass_fields__}
    page = group_robustness_page.write_page(tmp_path, options, ["normalize", "ema"], [], "make it so")
    text = page.read_text(encoding="utf-8")
    assert "    make it so\n" in text
    for row in result["rows"]:
        assert f"\n| {row['name']} |" in text
    pictures = re.findall(r"\]\((\S+\.png)\)", text)
    assert pictures == ["results/waterbirds.png", "results/waterbirds-ema.png"]  # what has no order has no line
    for picture in pictures:
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


def test_the_results_in_the_repository_are_of_rows_that_exist() -> None:
    text = (DOCS / "results.md").read_text(encoding="utf-8")
    tables = [part for part in text.split("\n\n") if part.startswith("| method |")]
    shown = {line.split(" | ")[0][2:] for part in tables for line in part.splitlines()[2:]}
    assert shown
    assert shown <= {row.title for row in ROWS.values()}
    assert "python -m studies.group_robustness_page docs" in text
    for picture in re.findall(r"\]\((\S+\.png)\)", text):
        assert (DOCS / picture).is_file()


def test_the_distance_to_the_oracle_is_what_true_groups_would_add() -> None:
    rows = [{"row": "dpt", "worst_group_accuracy": 0.5}, {"row": "dpt-true", "worst_group_accuracy": 0.75}]
    assert suite.distances(rows) == {"dpt": 0.25}
    assert suite.distances(rows[:1]) == {}


def test_the_second_choice_of_steps_is_scored_by_its_own_predictions(backbone: Backbone) -> None:
    case = gaussian_case(backbone)
    y = suite.reported(case).y

    def says(value: int) -> Callable[[Any], Any]:
        return lambda features: np.full((2, len(features)), value)

    fitted = Fitted(case.seeds, says(0), says(1), [4, 4], [2, 3])
    found = suite.figures_of(case, Timed(fitted, 3.0, 2))
    assert found["average_accuracy"] == pytest.approx((y == 0).mean())
    assert found["true_selection"]["average_accuracy"] == pytest.approx((y == 1).mean())
    assert [one["accuracy"] for one in found["groups"]] == [1, 1, 0, 0]
    assert [one["accuracy"] for one in found["true_selection"]["groups"]] == [0, 0, 1, 1]
    assert found["seconds"]["per_run"] == 1.5


def test_suites_weigh_the_adjusted_average_by_training(backbone: Backbone) -> None:
    case = gaussian_case(backbone)
    counts = case.prepared.report_groups.rows(case.split("train")).counts
    groups = suite.reported(case)
    right_in_one = np.where(groups.index == 0, groups.y, 1 - groups.y)
    report = suite.scores(case, lambda features: np.stack([right_in_one] * 2), case.seeds)
    share = counts[0] / counts.sum()
    assert share != pytest.approx((groups.index == 0).mean(), abs=0.02)  # else this tells nothing
    assert report["adjusted_average_accuracy"] == pytest.approx(share)
