"""Promises: ``debias-pt tune`` prints one JSON object, says whose labels it read, continues, and leaves a file that
``train --config`` takes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from tests.conftest import Cli

pytest.importorskip("optuna", reason="pip install 'debias-pt[tune]'")


def test_tune_then_train(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    words = ["tune", "waterbirds", *tiny, "--steps", "3", "--search", "lr=0.001:0.1:log", "--out", tmp_path / "found"]
    done = cli(*words, "--trials", "2", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["oracle"] is False
    assert result["attribute_labels_used"] == "none"
    assert result["score"] >= result["default_score"]
    assert [trial["number"] for trial in result["trials"]] == [0, 1]
    done = cli("train", "waterbirds", "--config", result["config"], "--out", tmp_path / "run", "--no-baselines")
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert {name: config[name] for name in result["best"]} == result["best"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trials", "0"], "trials is 0; give 1 or more"),
        (["--objective", "pseudo-wgaa"], "did you mean 'pseudo-wga'?"),
        (["--method", "auto"], "name the one whose settings to search"),
        (["--method", "anchored"], "is fitted to its optimum"),
    ],
)
def test_what_it_cannot_do_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    from debias_pt.cli.main import main

    with warnings.catch_warnings(), pytest.raises(SystemExit) as stopped:
        main(["tune", "waterbirds-mini", *words])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
