"""Promises: one call from Python does what the command does; a run says what it knows and opens what it
needs; a run of an older version opens too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import debias_pt
from debias_pt import Attribute, Backbone, Tuner
from debias_pt.cli.main import main
from debias_pt.errors import RunError, UsageError
from debias_pt.groups.refinement import RefinedProbe
from debias_pt.workflows.evaluate import evaluate
from tests.helpers.tiny_data import FOLDER

pytestmark = pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
WORDS = Attribute("background", {"land": ("land", "forest"), "water": ("water", "lake")})


@pytest.fixture(scope="module")
def given(waterbirds_root: Path, tiny_checkpoint: Path, cache_dir: Path) -> dict[str, Any]:
    where = {"data_root": str(waterbirds_root), "check_counts": False, "workers": 0, "cache_dir": str(cache_dir)}
    return {**where, "pretrained": f"local-dir:{tiny_checkpoint}", "steps": 4}


@pytest.fixture(scope="module")
def run(given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> debias_pt.Run:
    out = tmp_path_factory.mktemp("one-call") / "run"
    return debias_pt.train("waterbirds", attribute=WORDS, method="auto", seeds=1, out=str(out), **given)


def test_one_call_is_the_command(
    run: debias_pt.Run, given: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "waterbirds", "--method", "auto", "--attribute", WORDS.in_words(), "--out", str(tmp_path / "run")]
    flags = {name: value for name, value in given.items() if name != "check_counts"}
    words += [word for name, value in flags.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--no-check-counts", "--json"])
    assert stop.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    changing = {"run", "seconds", "finished", "sha256"}
    assert {k: v for k, v in printed.items() if k not in changing} == {
        k: v for k, v in run.result.items() if k not in changing
    }


def test_a_run_says_what_it_knows(run: debias_pt.Run, waterbirds_root: Path, tmp_path: Path) -> None:
    assert run.finished
    assert repr(run) == f"Run({str(run.path)!r})"
    assert run.parts["method"] in ("anchored", "inferred")
    assert run.parts["auto"]
    assert run.config["method"] == run.parts["method"]
    assert len(run.history()) == 4
    image = next((waterbirds_root / FOLDER).glob("*/*.jpg"))
    (name,) = run.predict(image)
    assert name == run.tuner.class_names_[run.tuner.predict(image, ensemble=True)[0]]
    assert len(run.groups) == len(run.table)
    assert run.groups.origin == run.parts["groups"]
    assert run.evaluate()["groups"] == run.result["groups"]
    assert run.evaluate("val")["split"] == "val"
    assert run.report(tmp_path / "page.html", images=False) == tmp_path / "page.html"
    again = debias_pt.open_run(run.path)
    assert (again.tuner.class_weights_ == run.tuner.class_weights_).all()


def test_the_groups_of_a_run_are_those_it_was_fitted_with(run: debias_pt.Run) -> None:
    table, settings = run.table, run.config
    tuner = Tuner(run.tuner.backbone, run.tuner.settings).fit(table, run.groups)
    assert np.allclose(tuner.class_weights_, run.tuner.class_weights_, atol=1e-6)
    assert settings["fit_on"] == "train+val"


def test_options_are_written_in_one_way(given: dict[str, Any], tmp_path: Path, backbone: Backbone) -> None:
    run = debias_pt.train("waterbirds", method_options={"eta": 3}, baselines=False, out=str(tmp_path / "run"), **given)
    assert run.folder.facts["method"]["eta"] == 3.0
    assert run.config["method_option"] == ["eta=3"]
    tuner = Tuner(backbone, method="dpt", method_options={"eta": 3.5}, loss="gce", loss_options={"q": 0.6})
    assert (tuner.settings.method_option, tuner.settings.loss_option) == (("eta=3.5",), ("q=0.6",))
    with pytest.raises(UsageError, match=r"method_options is 'eta=3'; give a dict, \{'eta': 3\}"):
        Tuner(backbone, method_options="eta=3")
    with pytest.raises(UsageError, match="the method 'dpt' has no option 'eto'"):
        Tuner(backbone, method_options={"eto": 3})


def test_an_attribute_that_words_cannot_say_is_refused(given: dict[str, Any]) -> None:
    own = Attribute("place", {"land": ("a forest",), "water": ("a lake",)})
    with pytest.raises(UsageError, match="attribute 'place' cannot be written as"):
        debias_pt.train("waterbirds", attribute=own, **given)


def test_a_probe_option_without_an_attribute_is_refused(given: dict[str, Any], tmp_path: Path) -> None:
    images = given["data_root"]
    rows = [f"{path},{'ab'[i % 2]}" for i, path in enumerate(sorted(Path(images, FOLDER).glob("*/*.jpg")))]
    (tmp_path / "t.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    for options, flag in (
        ({"probe": "mixture"}, "--probe"),
        ({"class_conditional": True}, "--class-conditional"),
        ({"attribute_template": "a photo of {attribute}."}, "--attribute-template"),
    ):
        with pytest.raises(UsageError, match=f"{flag} changes nothing: no attribute is named"):
            debias_pt.train(tmp_path / "t.csv", method="erm", **given, **options)  # type: ignore[arg-type]


def test_what_is_not_there_is_said(tmp_path: Path, backbone: Backbone) -> None:
    with pytest.raises(RunError, match="no run here"):
        debias_pt.open_run(tmp_path)
    with pytest.raises(NotFittedError, match="learned nothing yet; call fit first, or open a finished run: open_run"):
        Tuner(backbone).predict(np.ones((1, 24), dtype=np.float32))
    with pytest.raises(UsageError, match="learned nothing yet"):
        Tuner(backbone).head_  # noqa: B018


def test_old_names_work_for_a_version(run: debias_pt.Run) -> None:
    with pytest.warns(DeprecationWarning, match=r"load_run\(path\) is now open_run\(path\).tuner"):
        tuner = debias_pt.load_run(run.path)
    assert isinstance(tuner, debias_pt.Tuner)
    assert debias_pt.PromptTuner is Tuner
    assert debias_pt.RefinedProbe is RefinedProbe


def test_a_run_from_before_methods_opens(train_tiny: Callable[..., Path], tmp_path: Path) -> None:
    """It had no probe in its settings, inferred groups beside annotated ones, and said nothing of its parts."""
    folder = train_tiny(tmp_path / "run", method="anchored", groups="true")
    before = evaluate(str(folder))
    for name, change in (
        ("config.json", {"probe": None, "infer_groups": True}),
        ("run.json", {"parts": None}),
        ("result.json", {"parts": None}),
    ):
        content = {**json.loads((folder / name).read_text()), **change}
        kept = {key: value for key, value in content.items() if key != "sha256" and (key, value) != ("parts", None)}
        (folder / name).write_text(json.dumps(kept))
    old = debias_pt.open_run(folder)
    assert old.parts == {}
    assert old.evaluate()["groups"] == before["groups"]
    assert old.evaluate()["parts"]["groups"] == "annotation"
