"""Promises: several data sets in one call, each with its own columns and words; one table says which method is good
everywhere and which fails somewhere; nothing is fitted before all data sets are known to be readable."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias_pt.benchmarks.group_robustness import answers
from debias_pt.benchmarks.group_robustness.several_sets import compare as several_sets
from debias_pt.benchmarks.group_robustness.several_sets import set_tables
from debias_pt.benchmarks.pages.group_robustness import page
from debias_pt.errors import DatasetError, UsageError
from debias_pt.groups.paired import worst_group_difference
from debias_pt.pages.render import html
from debias_pt.utils.files import csv_text
from tests.helpers.report_case import Parsed
from tests.helpers.tiny_data import FOLDER

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning"),  # groups of five images
]
Cli = Any
ROWS = ["zero-shot", "erm", "class-balanced", "dpt", "class-balanced-val", "dpt-true"]


@pytest.fixture(scope="module")
def places(waterbirds_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Waterbirds as somebody's own table, with a file that says how to read it."""
    folder = tmp_path_factory.mktemp("own")
    with open(waterbirds_root / FOLDER / "metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [[r["img_filename"], ("bird", "gull")[int(r["y"])], r["split"], "ls"[int(r["place"])]] for r in rows]
    (folder / "places.csv").write_text(csv_text(["path", "kind", "part", "ground"], lines))
    own = {
        "dataset": "places.csv", "image_root": str(waterbirds_root / FOLDER), "label_column": "kind",
        "split_column": "part", "attribute_column": ["ground"], "attribute": ["ground=l|land:s|the sea"],
    }  # fmt: skip
    (folder / "places.json").write_text(json.dumps(own))
    return folder / "places.json"


@pytest.fixture(scope="module")
def given(waterbirds_root: Path, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        "data_root": str(waterbirds_root), "check_counts": False, "pretrained": f"local-dir:{tiny_checkpoint}",
        "cache_dir": str(tmp_path_factory.mktemp("several")), "workers": 0, "steps": 2, "seeds": 2,
    }  # fmt: skip


@pytest.fixture(scope="module")
def result(given: dict[str, Any], places: Path) -> dict[str, Any]:
    sets = {
        name: several_sets.settings_of(path, given)
        for name, path in (("waterbirds", "waterbirds"), ("own", str(places)))
    }
    return several_sets.group_robustness_on(sets, ROWS)


def test_the_page_holds_methods_and_sets(result: dict[str, Any]) -> None:
    parsed = Parsed(html(page(result)))
    assert parsed.holds(set_tables.overview(result))
    assert parsed.holds(set_tables.set_table(result))


def test_every_set_has_its_own_columns_and_words(result: dict[str, Any]) -> None:
    birds, own = result["sets"]
    assert [g["label"] for g in own["rows"][0]["groups"]] == ["bird", "bird", "gull", "gull"]
    assert [g["attribute"] for g in own["rows"][0]["groups"]] == ["l", "s", "l", "s"]
    assert own["settings"]["attribute"] == ("ground=l|land:s|the sea",)
    assert birds["probe"]["attributes"][0]["name"] == "background"
    assert [g["n"] for g in own["rows"][0]["groups"]] == [g["n"] for g in birds["rows"][0]["groups"]]
    json.dumps(result, allow_nan=False)


def test_rows_are_compared_over_all_sets(result: dict[str, Any]) -> None:
    of_set = {one["set"]: {row["row"]: row for row in one["rows"]} for one in result["sets"]}
    best = {
        name: max(
            row["worst_group_accuracy"] for key, row in rows.items() if key not in ("dpt-true", "class-balanced-val")
        )
        for name, rows in of_set.items()
    }
    assert [row["row"] for row in result["rows"]] == ROWS
    for row in result["rows"]:
        own = {name: rows[row["row"]]["worst_group_accuracy"] for name, rows in of_set.items()}
        assert row["worst_group_accuracy"] == own
        assert row["mean"] == pytest.approx(np.mean(list(own.values())))
        assert row["worst_regret"] == pytest.approx(max(best[name] - value for name, value in own.items()))
        if row["row"] != "class-balanced":
            gains = {
                name: value - of_set[name]["class-balanced"]["worst_group_accuracy"] for name, value in own.items()
            }
            assert row["below_baseline"] == [name for name, gain in gains.items() if gain < 0]
            assert set(row["surely_below_baseline"]) <= set(row["below_baseline"])
    assert next(row for row in result["rows"] if row["row"] == "class-balanced")["compared_with_baseline"] == []


def test_a_row_that_a_set_lacks_has_no_mean() -> None:
    def one(name: str, worst: float, *, oracle: bool = False, fitted_on: str = "train") -> dict[str, Any]:
        gain = {"mean": worst - 0.5, "ci": [worst - 0.6, worst - 0.4]}
        versus = None if name == "class-balanced" else {"worst_group_accuracy": gain}
        start = {"row": name, "name": name, "labels_used": [], "oracle": oracle, "fitted_on": fitted_on}
        return {**start, "worst_group_accuracy": worst, "versus": versus}

    first = [
        one("class-balanced", 0.5),
        one("dpt", 0.7),
        one("dfr", 0.9, oracle=True),
        one("val", 0.8, fitted_on="val"),
    ]
    second = [one("class-balanced", 0.5), one("dpt", 0.3)]
    rows = {
        row["row"]: row for row in several_sets.over_all([{"set": "a", "rows": first}, {"set": "b", "rows": second}])
    }
    assert rows["dpt"]["worst_regret"] == pytest.approx(0.2)
    assert rows["dpt"]["worst_regret_on"] == "b"
    assert rows["dpt"]["below_baseline"] == rows["dpt"]["surely_below_baseline"] == ["b"]
    assert rows["dpt"]["mean"] == pytest.approx(0.5)
    assert rows["class-balanced"]["regret"] == pytest.approx({"a": 0.2, "b": 0.0})
    assert rows["dfr"]["mean"] is rows["dfr"]["worst_regret"] is None
    assert rows["dfr"]["regret"] == pytest.approx({"a": -0.2})


def test_versus_is_the_paired_difference_of_the_very_answers() -> None:
    rng = np.random.default_rng(0)
    right = {"class-balanced": rng.random((3, 77)) < 0.6, "zero-shot": rng.random((1, 77)) < 0.5}
    index = rng.integers(0, 4, 77)
    rows = [{"row": name, "right": answers.pack(one)} for name, one in right.items()]
    answers.add_differences(rows, "class-balanced", index)
    assert all("right" not in row for row in rows)
    assert rows[0]["versus"] is None
    expected = worst_group_difference(right["zero-shot"], right["class-balanced"], index)
    assert rows[1]["versus"]["worst_group_accuracy"] == {"mean": expected.mean, "ci": list(expected.interval)}  # type: ignore[index]


def test_the_single_table_shows_intervals_over_images(result: dict[str, Any]) -> None:
    for one in result["sets"]:
        for row in one["rows"]:
            low, high = row["image_intervals"]["worst_group_accuracy"]
            assert low <= row["worst_group_accuracy"] <= high
            assert "right" not in row
            if row["row"] != "class-balanced":
                gain = row["versus"]["worst_group_accuracy"]
                baseline = one["rows"][ROWS.index("class-balanced")]["worst_group_accuracy"]
                assert gain["mean"] == pytest.approx(row["worst_group_accuracy"] - baseline)


def test_tables_show_every_row_and_set(result: dict[str, Any]) -> None:
    header, lines = set_tables.overview(result)
    assert header == ["method", "labels", "waterbirds", "own", "mean", "worst regret", "below class-balanced"]
    assert len(lines) == len(ROWS)
    assert lines[2][-1] == "-"  # class balance against itself
    text = set_tables.markdown(result)
    assert text.count("\n| ") >= len(ROWS) + 2
    assert "| own | 2 x 2 | 48 | 5 | 22 |" in text
    summary, block = set_tables.blocks(result)
    assert [len(line) for line in block[1]] == [3] * len(ROWS)
    assert summary[0] == ["method", "labels", "mean", "worst regret", "below class-balanced"]
    header, lines = set_tables.csv_table(result)
    read = [dict(zip(header, line, strict=True)) for line in csv.reader(io.StringIO(csv_text(header, lines)))][1:]
    assert {line["set"] for line in read} == {"waterbirds", "own"}
    own = [line for line in read if line["set"] == "own" and line["row"] == "dpt" and line["selection"] != "true-wga"]
    dpt = next(row for row in result["sets"][1]["rows"] if row["row"] == "dpt")
    for line, run in zip(own, dpt["per_seed"], strict=True):
        assert float(line["accuracy of gull, l"]) == pytest.approx(run["groups"][2], abs=1e-6)
        assert line["accuracy of waterbird, land"] == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "names no data set"),
        ('{"attribute": ["a=b:c"]}', "names no data set"),
        (
            '{"dataset": "x.csv", "atribute": []}',
            r"'atribute' is no setting of a data set \(did you mean 'attribute'\?\)",
        ),
        ('{"dataset": "x.csv", "method": "dpt"}', "'method' is no setting of a data set"),
        ('{"dataset": "x.csv", "val_share": "much"}', "setting 'val_share' is 'much'"),
        ("{", "not a JSON file"),
    ],
)
def test_files_that_are_no_data_sets_settings(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UsageError, match=message):
        several_sets.settings_of(str(tmp_path / "x.json"), {})


def test_a_file_names_a_set_by_its_name_too_and_what_is_given_wins(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"dataset": "waterbirds", "attribute": ["background=a:b"], "image_root": "img"}')
    settings = several_sets.settings_of(str(tmp_path / "x.json"), {"attribute": ["background=c:d"], "seeds": 7})
    assert (settings.dataset, settings.attribute, settings.seeds) == ("waterbirds", ("background=c:d",), 7)
    assert settings.image_root == str(tmp_path / "img")


def test_what_is_wrong_with_the_last_set_is_said_before_the_first_is_fitted(
    given: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "bad.csv").write_text("path,label\nnowhere.jpg,cat\nnot.jpg,dog\n")
    sets = {name: several_sets.settings_of(name, given) for name in ("waterbirds", str(tmp_path / "bad.csv"))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(several_sets, "group_robustness", lambda *_, **__: pytest.fail("fitted"))
        with pytest.raises(DatasetError, match="to draw val and test from"):
            several_sets.group_robustness_on(sets, ["erm"])


def test_the_command_takes_several_sets(cli: Cli, tiny: list[str], places: Path, tmp_path: Path) -> None:
    words = ["bench", "group-robustness", "waterbirds", places, *tiny, "--steps", 1, "--seeds", 1]
    words += ["--rows", "erm,class-balanced"]
    run = cli(*words, "--json", "--csv", tmp_path / "all.csv")
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert [one["set"] for one in found["sets"]] == ["waterbirds", "places"]
    assert {line.split(",")[0] for line in (tmp_path / "all.csv").read_text().splitlines()} == {
        "set",
        "waterbirds",
        "places",
    }
    refused = cli(*words, "--ablation", "eta", "--rows", "")
    assert refused.returncode == 2
    assert "--ablation is of one data set, and 2 are given" in refused.stderr
