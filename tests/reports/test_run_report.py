"""Promises: a report's figures are those of ``eval --json``; it shows what a team has to know, in order; class names,
many groups and missing images leave it whole, foreign runs are refused; it stays small and names no folder."""

from __future__ import annotations

import base64
import io
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from debias_pt import open_run
from debias_pt.cli.main import main
from debias_pt.errors import DatasetError, DebiasWarning, FingerprintError, RunError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.pages.render import html
from debias_pt.reports.build import page, write_report
from debias_pt.reports.confidence import bins, calibration_error
from debias_pt.reports.limits import speaks_of_gender
from debias_pt.reports.reproduce import command
from debias_pt.workflows.run_folder import RunFolder
from tests.helpers.report_case import Parsed, evidence_of

pytestmark = pytest.mark.filterwarnings("ignore:groups of the", "ignore:not every attribute")  # tiny data

Train = Callable[..., Path]
EVIL = ["<script>alert(1)</script>", "\"quoted\" & 'so'", "red \x1b[31m", "עוף מים", "a/b\\c"]
ORDER = [
    "Group by group", "What the images look like", "What the probe said, and how far to trust it", "How it was trained",
    "Does it know when it is wrong?", "The suspected words", "How to reproduce it", "What this page does not tell you",
]  # fmt: skip


def read(file: str | Path) -> Parsed:
    return Parsed(Path(file).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(train_tiny: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny(tmp_path_factory.mktemp("report") / "run", seeds=2, steps=8)


@pytest.fixture(scope="module")
def parsed(run: Path) -> Parsed:
    return read(write_report([str(run)])["out"])


def figures(result: dict[str, Any]) -> set[float]:
    names = ("worst_group_accuracy", "average_accuracy", "adjusted_average_accuracy", "group_mean_accuracy", "gap")
    of_groups = {group["accuracy"] for group in (*result["groups"], *result["baselines"]["erm"]["groups"])}
    return of_groups | {one[name] for one in (result, *result["baselines"].values()) for name in names}


def test_the_figures_are_those_of_eval(run: Path, parsed: Parsed, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["eval", str(run), "--json"])
    result = json.loads(capsys.readouterr().out)
    assert figures(result) <= parsed.numbers
    probe = {group[name] for group in result["probe"]["groups"] for name in ("recall", "precision")} - {None}
    assert probe <= parsed.numbers


def test_the_verdict_comes_first_and_the_sections_in_order(run: Path, parsed: Parsed) -> None:
    result = RunFolder(run).result
    worst, ends = result["worst_group"], result["image_intervals"]["worst_group_accuracy"]
    texts = [text for text in parsed.texts if text.startswith("In the worst group (")]
    assert texts[0].startswith(
        f"In the worst group ({worst['label']}, {worst['attribute']}), "
        f"{100 * result['worst_group_accuracy']:.0f} of 100 are right, 95 % interval {100 * ends[0]:.0f} to "
        f"{100 * ends[1]:.0f}; before, with plain prompt tuning (erm): "
        f"{100 * result['baselines']['erm']['worst_group_accuracy']:.0f}"
    )
    places = [max(i for i, text in enumerate(parsed.texts) if text == title) for title in ORDER]
    assert places == sorted(places)


def test_sample_images_are_of_the_split_and_flip_as_they_say(run: Path, table: FeatureTable) -> None:
    tuner = open_run(run).tuner
    test = table.where("test")
    now, known = tuner.predict(test, ensemble=True), dict(zip(test.ids, range(len(test)), strict=True))
    parsed = read(write_report([str(run)])["out"])
    alts = [value for tag, name, value in parsed.attributes if (tag, name) == ("img", "alt")]
    assert alts
    for alt in alts:
        row = known[alt.rpartition("(")[2].rstrip(")")]
        assert alt.startswith(f"{test.class_names[test.y[row]]}, ")
        answer = test.class_names[now[row]]
        assert (f"right, {answer}" if now[row] == test.y[row] else f"taken for {answer}") in alt
    for tag, name, value in parsed.attributes:
        if (tag, name) == ("img", "src"):
            data = base64.b64decode(value.removeprefix("data:image/jpeg;base64,"))
            assert max(Image.open(io.BytesIO(data)).size) <= 160


def test_no_images_on_request(run: Path, tmp_path: Path) -> None:
    parsed = read(write_report([str(run)], out=str(tmp_path / "r.html"), images=False)["out"])
    assert "img" not in parsed.tags
    assert not any("Bird/" in text for text in parsed.texts)  # no image's name either
    assert ORDER[1] not in parsed.texts


def test_no_folder_of_the_machine_is_named(run: Path) -> None:
    text = (run / "report.html").read_text(encoding="utf-8")
    assert str(run.parent) not in text
    assert RunFolder(run).config["data_root"] not in text
    assert "--data-root DATA" in text


def test_the_command_gives_the_settings_back(run: Path) -> None:
    words = command(RunFolder(run).config).split()
    assert words[:3] == ["debias-pt", "train", "waterbirds"]
    assert words[words.index("--seeds") + 1] == "2"
    assert words[words.index("--steps") + 1] == "8"
    assert "--no-check-counts" in words
    assert command({"dataset": "celeba", "attribute": ["a=b c:d"], "soft": True}).endswith(
        "--attribute 'a=b c:d' --soft"
    )


def test_from_python_and_in_a_notebook(run: Path, tmp_path: Path) -> None:
    file = open_run(run).report(tmp_path / "page.html", images=False)
    assert file == tmp_path / "page.html"
    assert "Group by group" in read(file).texts
    tuner = open_run(run).tuner
    parsed = Parsed(tuner._repr_html_())
    assert "Tuner, fitted to 2 classes" in parsed.texts
    assert "landbird, waterbird" in parsed.texts


def test_several_runs_stand_in_a_table(run: Path, train_tiny: Train, tmp_path: Path) -> None:
    erm = train_tiny(tmp_path / "erm", method="erm", seeds=2, baselines=False)
    oracle = train_tiny(tmp_path / "oracle", groups="true", seeds=2, baselines=False)
    parsed = read(write_report([str(run), str(erm), str(oracle)], out=str(tmp_path / "r.html"))["out"])
    assert "Beside the other runs" in parsed.texts
    for name in ("dpt (run)", "erm", "dpt (oracle), oracle"):
        assert name in parsed.texts
    assert {RunFolder(one).result["worst_group_accuracy"] for one in (run, erm, oracle)} <= parsed.numbers


@pytest.mark.parametrize(
    "options",
    [
        {"method": "erm", "baselines": False},
        {"attribute": ["color=red:blue"]},
        {"method": "anchored", "seeds": 2},  # validation groups are fewer than those that were fitted
        {"method": "inferred"},
    ],
)
@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
def test_runs_with_less_to_tell(train_tiny: Train, tmp_path: Path, options: dict[str, Any]) -> None:
    one = train_tiny(tmp_path / "run", **options)
    parsed = read(write_report([str(one)])["out"])
    assert [title for title in ORDER if title in parsed.texts] == ORDER
    fitted = options.get("method") in ("anchored", "inferred")
    assert any("Validation images were fitted too" in text for text in parsed.texts) == fitted


def test_images_that_are_gone(run: Path, tmp_path: Path, waterbirds_root: Path) -> None:
    moved = tmp_path / "data"
    shutil.copytree(waterbirds_root, moved)
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    config = RunFolder(copy).config
    (copy / "config.json").write_text(json.dumps({**config, "data_root": str(moved)}))
    shutil.rmtree(moved)
    with pytest.warns(DebiasWarning, match="figures as they were when it was trained, without images"):
        parsed = read(write_report([str(copy)])["out"])
    assert figures(RunFolder(run).result) <= parsed.numbers
    assert any(text.startswith("The images or the model were not where the run had them") for text in parsed.texts)
    with pytest.raises(DatasetError, match="no such folder"):
        write_report([str(copy)], data_root=str(tmp_path / "nowhere"))
    with pytest.raises(DatasetError, match="no such folder"):
        write_report([str(copy)], split="val")


def test_other_data_is_refused_with_the_difference_named(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    facts = RunFolder(copy).facts
    (copy / "run.json").write_text(json.dumps({**facts, "data": {**facts["data"], "name": "birds2"}}))
    with pytest.raises(FingerprintError, match="its name is 'birds2'"):
        write_report([str(run), str(copy)])


@pytest.mark.parametrize("name", ["report.png", "report"])
def test_a_page_has_a_pages_name(run: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"a page is a \.html file"):
        write_report([str(run)], out=str(tmp_path / name))


def test_an_unfinished_run_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "result.json").unlink()
    with pytest.raises(RunError, match="not finished"):
        write_report([str(tmp_path / "run")])
    with pytest.raises(RunError, match="no run here"):
        write_report([str(tmp_path)])


# Names and numbers


def test_evil_names_stay_text(tmp_path: Path) -> None:
    plain = Parsed(html(page([evidence_of(tmp_path / "plain", list("abcde"), ["in", "out"])])))
    evil = evidence_of(tmp_path / "evil", EVIL, ["in", "<b>out</b>"], attribute="<i>place</i>")
    parsed = Parsed(html(page([evil])))
    assert parsed.tags == plain.tags
    joined = "\n".join(parsed.texts)
    for name in (*EVIL[:2], r"red \x1b[31m", *EVIL[3:], "<b>out</b>", "<i>place</i>"):
        assert name in joined
    assert "\x1b" not in joined


@pytest.mark.parametrize(("classes", "values"), [(1000, 1), (100, 2)])
def test_many_classes_and_groups_stay_readable(tmp_path: Path, classes: int, values: int) -> None:
    names = [f"class {i}" for i in range(classes)]
    evidence = evidence_of(tmp_path / "run", names, ["in", "out"][:values], per_group=2, images=classes == 100)
    text = html(page([evidence]))
    assert len(text.encode()) < 3_000_000
    parsed = Parsed(text)
    assert {group["accuracy"] for group in evidence.result["groups"]} <= parsed.numbers
    shown = text
    while "<details" in shown:  # what is seen before anything is unfolded
        start = shown.rindex("<details")
        shown = shown[:start] + shown[shown.index("</details>", start) + len("</details>") :]
    assert shown.count("<tr>") < 100
    assert shown.count('class="row') < 60
    assert all(f"{name}, in" in text for name in names[:50])


def test_images_stay_small(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path / "run", ["cat", "dog"], ["in", "out"], per_group=40, images=True)
    text = html(page([evidence]))
    assert text.count("<img") == 36
    assert len(text.encode()) < 1_000_000


def test_what_it_costs_is_said_largest_first(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path / "run", [f"class {i}" for i in range(30)], ["in", "out"])
    pairs = zip(evidence.result["groups"], evidence.result["baselines"]["erm"]["groups"], strict=True)
    losses = {f"{now['label']}, {now['attribute']}": old["accuracy"] - now["accuracy"] for now, old in pairs}
    (text,) = [one for one in Parsed(html(page([evidence]))).texts if one.startswith("What that costs: ")]
    first = text.removeprefix("What that costs: ").partition(" went from")[0]
    assert losses[first] == max(losses.values())
    assert f"; and {sum(loss > 0.05 for loss in losses.values()) - 4} other groups." in text


def test_an_image_that_cannot_be_read_any_more_is_named(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path / "run", ["cat", "dog"], ["in", "out"])
    parsed = Parsed(html(page([evidence])))
    assert "img" not in parsed.tags
    assert any(text.endswith("the image cannot be read any more") for text in parsed.texts)


def test_inferred_groups_are_named(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path / "run", ["cat", "dog"], ["in", "out"])
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    counts = {"train": {"cat": 12, "dog": 12}}  # each is split by what its images look like
    (tmp_path / "run" / "run.json").write_text(json.dumps({**facts, "group_counts": counts}))
    inferred = {"used": True, "classes": ["cat", "dog"], "expected": [[10.0, 2.0], [3.0, 9.0]]}
    parsed = Parsed(html(page([replace(evidence, result={**evidence.result, "inferred": inferred})])))
    assert {"cat, like cat", "cat, like dog", "dog, like cat", "dog, like dog"} <= set(parsed.texts)
    assert any(text.startswith("Groups inferred from the images: 2 of 12 of cat") for text in parsed.texts)


def test_gender_is_spoken_of_where_it_is_meant(tmp_path: Path) -> None:
    faces = evidence_of(tmp_path / "faces", ["blond", "dark"], ["female", "male"], attribute="gender")
    birds = evidence_of(tmp_path / "birds", ["cat", "mandrill"], ["in", "out"])
    assert speaks_of_gender(faces)
    assert not speaks_of_gender(birds)
    assert any("not how a person identifies" in text for text in Parsed(html(page([faces]))).texts)


def test_calibration_is_that_of_plain_loops() -> None:
    rng = np.random.default_rng(0)
    confidence, right = rng.random(500), rng.random(500) < 0.6
    total = 0.0
    for b in range(10):
        own = [i for i in range(500) if b / 10 <= confidence[i] < (b + 1) / 10]
        if own:
            total += len(own) / 500 * abs(np.mean([right[i] for i in own]) - np.mean([confidence[i] for i in own]))
    assert calibration_error(confidence, right) == pytest.approx(total)
    assert bins(np.array([1.0]), np.array([True]))[9][0] == 1


def test_the_command_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "page.html"
    for flags in ([], ["--json"]):
        with warnings.catch_warnings(), pytest.raises(SystemExit) as stop:
            main(["report", str(run), "--out", str(out), "--no-images", *flags])
        assert stop.value.code == 0
        text = capsys.readouterr().out
        assert out.exists()
        if flags:
            assert json.loads(text)["bytes"] == out.stat().st_size
        else:
            assert f"written: {out} (" in text
    with pytest.raises(SystemExit) as stop:
        main(["report", str(tmp_path / "nothing")])
    assert stop.value.code == 2
