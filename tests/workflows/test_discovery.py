"""Promises: ``discover`` reports in words, JSON and one page; ``--attribute auto`` says so, or why there is none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from debias_pt.cli.discover import print_discovery
from debias_pt.cli.output import print_found
from debias_pt.discovery import Vocabulary
from debias_pt.discovery.discover import DIVIDES
from debias_pt.errors import UsageError
from debias_pt.settings import DataSettings, TrainSettings, resolve
from debias_pt.workflows.discovery.auto_attribute import with_found_attribute
from debias_pt.workflows.discovery.page import page
from debias_pt.workflows.discovery.run import discover
from debias_pt.workflows.evaluate import evaluate
from debias_pt.workflows.train import train
from tests.conftest import Cli
from tests.discovery.planted import write_birds

WORDS = ["place=lake|sea:forest|wood:street", "season=snow:grass", "red", "blue"]


@pytest.fixture(scope="module")
def tiny_data(waterbirds_root: Path, tiny_checkpoint: Path, cache_dir: Path) -> dict[str, Any]:
    return {
        "data_root": str(waterbirds_root),
        "check_counts": False,
        "pretrained": f"local-dir:{tiny_checkpoint}",
        "cache_dir": str(cache_dir),
        "workers": 0,
    }


@pytest.fixture(scope="module")
def result(tiny_data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("page")
    words = folder / "words.txt"
    words.write_text("\n".join(WORDS), encoding="utf-8")
    settings = resolve(DataSettings, tiny_data)
    return discover(settings, vocabulary=str(words), html_path=str(folder / "found.html"))


def test_the_result_is_plain_json(result: dict[str, Any]) -> None:
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert {"found", "not_enough", "unnamed", "reason", "words", "supported", "seconds"} <= set(result)
    assert bool(result["found"]) != bool(result["reason"])
    for one in result["found"] + result["not_enough"]:
        assert sum(group["n"] for group in one["groups"]) == result["images"] == 48
        assert len(one["values"]) >= 2


def test_the_page_is_one_file(result: dict[str, Any]) -> None:
    text = Path(result["html"]).read_text(encoding="utf-8")
    assert len(text) < 2_000_000
    assert not re.search(r"(src|href)=\"(?!data:)|<script|url\(", text)
    if result["unnamed"] or result["found"]:
        assert "data:image/jpeg;base64," in text


def test_names_are_escaped(result: dict[str, Any]) -> None:
    evil = {**result, "dataset": "<script>alert(1)</script>", "found": [], "reason": "<b>none</b>"}
    text = page(evil, [{"title": "<i>", "rows": [{"label": "<u>", "value": "&", "images": ["<x>"], "pictures": [""]}]}])
    assert not re.search(r"<script|<b>|<i>|<u>|<x>", text)


def test_it_is_printed(result: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    print_discovery(result)
    shown = capsys.readouterr().out
    assert "waterbirds" in shown
    assert "48 training images" in shown
    assert ("nothing named: " in shown) == (not result["found"])
    assert "3 attributes tried" in shown


def test_what_has_no_name_is_said_and_shown(result: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """No word is printed where none fits, but who is taken for whom, and where the images are."""
    unnamed = {"label": "gull", "predicted": "owl", "errors": 12, "effect": 1.56}
    told = {**result, "found": [], "reason": DIVIDES, "unnamed": [unnamed]}
    print_discovery({**told, "html": None})
    shown = " ".join(capsys.readouterr().out.split())
    assert "nothing named: something divides these images; no word fits" in shown
    assert "12 images of 'gull' taken for 'owl' differ from the others by 1.6 standard deviations" in shown
    assert "--html FILE shows images of either side" in shown
    for one in result["not_enough"]:
        assert one["attribute"] not in shown
    rows = [{"label": "gull", "value": side, "images": ["a"], "pictures": [""]} for side in ("this side", "that side")]
    text = page(told, [{"title": "without a name: gull taken for owl", "rows": rows}])
    assert "no word fits" in text
    assert "Look at the images on either side" in text
    assert "gull: this side" in text
    assert "gull: that side" in text


def test_what_is_done_instead_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_found({"discovery": {"attribute": None, "reason": DIVIDES, "instead": "inferred"}})
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        shown == f"--attribute auto: no attribute is named: {DIVIDES}; instead: --method inferred, without an attribute"
    )


def test_the_command(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("lake\nforest\nlake\nlandbird\ntone=dark:light\n", encoding="utf-8")
    done = cli("discover", "waterbirds", *tiny, "--vocabulary", words, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["words"]
    assert found["tried"] == 2
    assert found["repeated"] == 1
    assert "landbird" in found["set_aside"]
    words.write_text("a:b\nlake\n", encoding="utf-8")
    done = cli("discover", "waterbirds", *tiny, "--vocabulary", words)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*line 1: 'a:b' has.*\n", done.stderr)


def test_auto_stands_alone(tiny_data: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="auto or the others"):
        with_found_attribute(resolve(DataSettings, tiny_data, {"attribute": ("auto", "background")}))


def test_other_attributes_stay(tiny_data: dict[str, Any]) -> None:
    settings = resolve(DataSettings, tiny_data, {"attribute": ("background",)})
    assert with_found_attribute(settings) == (settings, {})


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    few = Vocabulary.of(WORDS)
    monkeypatch.setattr("debias_pt.workflows.discovery.auto_attribute.words_for", lambda backbone: few)
    monkeypatch.setattr("debias_pt.discovery.discover.EFFECT", 1e9)


@pytest.mark.usefixtures("nothing")
def test_nothing_found_is_said_and_no_attribute_used(tiny_data: dict[str, Any]) -> None:
    asked = resolve(TrainSettings, tiny_data, {"attribute": ("auto",), "method": "dpt"})
    with pytest.raises(UsageError, match=r"--attribute auto: nothing to use was found: .*--method auto"):
        with_found_attribute(asked)
    settings, told = with_found_attribute(resolve(TrainSettings, tiny_data, {"attribute": ("auto",), "method": "auto"}))
    assert settings.method == "auto"  # which chooses when the images are encoded
    assert settings.attribute == ()
    assert told["attribute"] is None
    assert told["reason"]


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
def test_a_run_says_that_its_attribute_was_found(cache_dir: Path, tmp_path: Path) -> None:
    given = {"dataset": str(write_birds(tmp_path)), "label_column": "label", "split_column": "split", "model": "mini"}
    given |= {"attribute": ("auto",), "cache_dir": str(cache_dir), "workers": 0, "steps": 2}
    settings = resolve(TrainSettings, given, {"attribute_column": ("background",), "out": str(tmp_path / "run")})
    result = train(settings, baselines=False)
    assert result["discovery"]["guard"]["verdict"] == "usable"
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["attribute"] == [result["discovery"]["attribute"]]
    assert evaluate(str(tmp_path / "run"))["discovery"] == result["discovery"]
