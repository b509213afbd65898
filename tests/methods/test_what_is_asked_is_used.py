"""Promise: a run uses what was asked for, or is refused in one line; it never uses another thing. Combinations of
method, head, probe, selection and rows are drawn, and asked for through every door."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import debias_pt
from debias_pt import AttributeProbe, Backbone, FeatureTable, Groups, RefinedProbe, Tuner
from debias_pt.cli.main import main
from debias_pt.errors import UsageError
from debias_pt.methods import METHODS
from debias_pt.models.heads import (
    ClassTokenHead,
    LinearHead,
    PromptHead,
    StandardizedHead,
    TextEncoderHead,
)
from debias_pt.settings import FIT_ON, PROBES, SELECTIONS
from debias_pt.sklearn import DebiasedClassifier
from tests.helpers.small_case import PLACE

pytestmark = pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")

METHOD_NAMES = sorted(METHODS)
CLASSES = {
    "prompt": PromptHead,
    "full-prompt": PromptHead,
    "class-tokens": ClassTokenHead,
    "text-encoder": TextEncoderHead,
    "linear": LinearHead,
    "linear-from-text": LinearHead,
    "standardized": StandardizedHead,
}
HEADS = ["prompt", "linear", "standardized", "linear-from-text"]  # the others take long
ROWS = {"train": ("train",), "train+val": ("train", "val")}
DRAWN = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
combination = st.fixed_dictionaries(
    {"method": st.sampled_from(METHOD_NAMES)},
    optional={
        "head": st.sampled_from(HEADS),
        "select": st.sampled_from(SELECTIONS),
        "fit_on": st.sampled_from(FIT_ON),
        "soft": st.booleans(),
        "infer_groups": st.booleans(),
    },
)
with_probe = st.tuples(combination, st.sampled_from([None, *PROBES])).map(
    lambda pair: pair[0] if pair[1] is None else {**pair[0], "probe": pair[1]}
)


def check_run(folder: Path, asked: dict[str, Any]) -> None:
    """Compare a run with what was asked, by what it says and by what it is."""
    run = debias_pt.open_run(folder)
    said, config = run.parts, run.config
    for name in ("head", "select", "fit_on", "soft"):
        if name in asked:
            assert said[name] == config[name] == asked[name]
    method = METHODS[asked["method"]]
    if method.choose is None:
        assert said["method"] == asked["method"]
        assert said["scheduler"] == method.scheduler
        assert "auto" not in said
        for name in {"head", "select", "fit_on", "soft"} - {*asked}:
            assert said[name] == getattr(method, name)
    else:
        assert said["method"] in method.candidates
        assert said["auto"]
    if "probe" in asked:
        assert config["probe"] == asked["probe"]
        assert run.result["probe"]["kind"] == asked["probe"]
        if METHODS[said["method"]].asks_attribute:
            assert said["groups"].split("+")[0] == asked["probe"]
    if "infer_groups" in asked:
        assert config["infer_groups"] == asked["infer_groups"]
        assert ("inferred" in said["groups"].split("+")) <= asked["infer_groups"]
    assert isinstance(run.tuner.head_, CLASSES[said["head"]])
    if said["select"] == "last":
        assert run.result["selected_steps"] == [2]


@given(asked=with_probe, door=st.sampled_from(["command line", "settings file", "one call"]))
@DRAWN
def test_a_run_uses_what_was_asked_or_is_refused(
    asked: dict[str, Any],
    door: str,
    tiny: list[str],
    cache_dir: Path,
    waterbirds_root: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / uuid.uuid4().hex
    common = {"steps": 2, "attribute": "background=land|forest:water|lake", "cache_dir": str(cache_dir)}
    if door == "one call":
        where = {"data_root": str(waterbirds_root), "check_counts": False, "workers": 0, "out": str(out)}
        model = {"pretrained": f"local-dir:{tiny_checkpoint}"}
        try:
            debias_pt.train("waterbirds", baselines=False, **asked, **common, **where, **model)
        except UsageError as error:
            assert "\n" not in str(error)
            assert not out.exists()
            return
    else:
        words = ["train", "waterbirds", *tiny, "--no-baselines", "--out", str(out)]
        if door == "command line":
            for name, value in {**common, **asked}.items():
                flag = f"--{name.replace('_', '-')}"
                words += [flag if value else f"--no-{flag[2:]}"] if isinstance(value, bool) else [flag, str(value)]
        else:
            file = tmp_path / "settings.json"
            file.write_text(json.dumps({**common, **asked}))
            words += ["--config", str(file)]
        with pytest.raises(SystemExit) as stop:
            main(words)
        if stop.value.code != 0:
            lines = capsys.readouterr().err.splitlines()
            assert stop.value.code == 2
            assert sum(line.startswith("error: ") for line in lines) == 1
            assert not out.exists()
            return
        capsys.readouterr()
    check_run(out, asked)


@given(asked=combination, origin=st.sampled_from([*PROBES, "annotation", None]))
@DRAWN
def test_a_tuner_uses_what_was_asked_or_refuses(
    asked: dict[str, Any], origin: str | None, backbone: Backbone, table: FeatureTable
) -> None:
    zero_shot = AttributeProbe(backbone, [PLACE])
    if origin is None:
        groups = None
    elif origin == "annotation":
        groups = Groups.true(table.y, table.class_names, [*table.attributes.values()])
    else:
        probe = zero_shot if origin == "zero-shot" else RefinedProbe(zero_shot, origin).fit(table)
        said = probe.predict(table.features) if isinstance(probe, AttributeProbe) else probe.answer(table)
        groups = Groups.pseudo(table.y, table.class_names, said)
    try:
        tuner = Tuner(backbone, steps=2, **asked).fit(table, groups)
    except UsageError as error:
        assert "\n" not in str(error)
        return
    method = METHODS[asked["method"]]
    expected = {name: asked.get(name, getattr(method, name)) for name in ("head", "select", "fit_on", "soft")}
    assert {name: tuner.parts_[name] for name in expected} == expected
    assert isinstance(tuner.head_, CLASSES[expected["head"]])
    assert tuner.train_groups_ is not None
    assert len(tuner.train_groups_) == np.isin(table.split, ROWS[expected["fit_on"]]).sum()
    made = tuner.train_groups_.origin.split("+")
    if origin is not None and method.asks_attribute:
        assert made[0] == origin
        assert "probe" not in method.fixed or origin in (method.probe, "annotation")
    if asked.get("infer_groups", method.infer_groups) and origin != "annotation":
        assert "inferred" in made or not tuner.inferred_["used"]  # type: ignore[index]
    else:
        assert "inferred" not in made


@given(
    method=st.sampled_from(METHOD_NAMES),
    head=st.sampled_from(["logistic", "prompt", "linear", "standardized"]),
    attribute=st.sampled_from([None, "infer", "background=land|forest:water|lake", "given"]),
)
@DRAWN
def test_an_estimator_uses_what_was_asked_or_refuses(
    method: str, head: str, attribute: str | None, backbone: Backbone, table: FeatureTable
) -> None:
    train = table.where("train")
    values = np.array(train.attributes["background"].words) if attribute == "given" else None
    words = None if attribute == "given" else attribute
    estimator = DebiasedClassifier(
        method, attribute=words, head=head, steps=2, backbone=backbone, class_names=list(table.class_names)
    )
    try:
        estimator.fit(train.features, train.y, attribute=values)
    except UsageError as error:
        assert "\n" not in str(error)
        return
    of = METHODS[method]
    assert estimator.method_ in ((method,) if of.choose is None else of.candidates)
    used = METHODS[estimator.method_]
    origin = estimator.groups_.origin.split("+")
    if not used.uses_groups:
        assert origin == ["classes"]
    elif attribute == "given":
        assert origin == ["annotation"]
    elif attribute in (None, "infer"):
        assert origin == ["inferred"] or not estimator.facts_["inferred"]["used"]
        assert "probe" not in used.fixed
    elif used.asks_attribute:
        assert origin[0] == used.probe
    if head != "logistic":
        assert isinstance(estimator.tuner_.head_, CLASSES[head])
