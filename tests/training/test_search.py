"""Promises: a search is never worse than where it begins, by its objective; it reads no test row, continues from its
file, refuses another search's, and only an oracle reads annotated groups."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from debias_pt.errors import FingerprintError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings
from debias_pt.training import Tuner, search_settings
from debias_pt.training.search_space import SearchSpace, default_space, parse_space

pytest.importorskip("optuna", reason="pip install 'debias-pt[tune]'")
pytestmark = pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")  # of small groups
SPACE: SearchSpace = {"lr": (0.0001, 0.5, "log"), "steps": [1, 4]}
BEGIN = FitSettings(steps=2, seeds=2)


@pytest.fixture(scope="module")
def groups(table: FeatureTable) -> Groups:
    """Pseudo groups that are right."""
    true = Groups.true(table.y, table.class_names, [table.attributes["background"]])
    return replace(true, source="pseudo")


def test_the_best_of_a_search_is_what_a_fit_with_its_settings_has(
    backbone: Backbone, table: FeatureTable, groups: Groups
) -> None:
    found = search_settings(backbone, table, groups, BEGIN, space=SPACE, trials=6, objective="pseudo-wga")
    assert len(found.trials) == 6
    assert found.trials[0]["settings"] == {}
    assert found.score == max(trial["score"] for trial in found.trials) >= found.default_score
    assert not found.oracle
    tuner = Tuner(backbone, found.settings).fit(table, groups)
    val = table.split == "val"
    correct = tuner.predict(table.features[val]) == table.y[val]
    index = groups.index[val]
    by_group = np.stack([correct[:, index == g].mean(axis=1) for g in np.unique(index)])
    assert found.score == pytest.approx(by_group.min(axis=0).mean())


def test_no_test_row_is_read(backbone: Backbone, table: FeatureTable, groups: Groups) -> None:
    changed = np.array(table.features)
    rows = table.split == "test"
    changed[rows] = changed[rows][::-1]
    other = replace(table, features=changed)
    one, two = (search_settings(backbone, each, groups, BEGIN, space=SPACE, trials=3).trials for each in (table, other))
    assert one == two


def test_a_search_continues_and_refuses_another(
    backbone: Backbone, table: FeatureTable, groups: Groups, tmp_path: Path
) -> None:
    file = tmp_path / "trials.journal"
    first = search_settings(backbone, table, groups, BEGIN, space=SPACE, trials=3, storage=file)
    again = search_settings(backbone, table, groups, BEGIN, space=SPACE, trials=5, storage=file)
    assert again.trials[:3] == first.trials
    assert len(again.trials) == 5
    assert len({json.dumps(trial["settings"]) for trial in again.trials}) == 5
    with pytest.raises(FingerprintError, match="objective"):
        search_settings(backbone, table, groups, BEGIN, space=SPACE, trials=5, storage=file, objective="pseudo-wga")


def test_only_an_oracle_reads_true_groups(backbone: Backbone, table: FeatureTable, groups: Groups) -> None:
    true = Groups.true(table.y, table.class_names, [table.attributes["background"]])
    with pytest.raises(UsageError, match="objective pseudo-wga was given true groups; give pseudo ones"):
        search_settings(backbone, table, groups, BEGIN, objective="pseudo-wga", validation_groups=true)
    oracle = search_settings(
        backbone, table, groups, BEGIN, space=SPACE, trials=1, objective="true-wga", validation_groups=true
    )
    assert oracle.oracle


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr", "give NAME=A,B,C"),
        ("stepz=1,2", "did you mean 'steps'"),
        ("seed=1,2", "seed is not searched over"),
        ("loss=a:b", "a range is LOW:HIGH"),
        ("steps=10:5", "the range 10 to 5 is empty"),
        ("lr=0:1:log", "not above 0"),
        ("soft=yes", "neither true nor false"),
        ("steps=1.5,2", "'1.5' is no int"),
    ],
)
def test_a_space_that_makes_no_sense_is_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        parse_space([text])
    assert "\n" not in str(raised.value)


def test_a_head_that_is_fitted_to_its_optimum_has_no_default_space() -> None:
    with pytest.raises(UsageError, match="head standardized is fitted to its optimum"):
        default_space(FitSettings(method="anchored", head="standardized"))
    assert "eta" in default_space(FitSettings(method="dpt"))
