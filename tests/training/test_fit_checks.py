"""Promises: settings that make no sense, and seeds that would change nothing, are refused before any work."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from debias_pt.errors import UsageError
from debias_pt.methods import complete
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings
from debias_pt.training.fit_checks import check_fit, require_distinct_runs
from debias_pt.training.tuner import Tuner
from tests.helpers.gaussian_fit import TABLE, TRUE


def test_seeds_that_would_change_nothing_are_refused() -> None:
    same = complete(FitSettings(seeds=2, head="linear-from-text"))
    with pytest.raises(UsageError, match="2 seeds of the head 'linear-from-text' with full-batch steps"):
        check_fit(same)
    batches = replace(same, batch_size=10)
    check_fit(batches)
    require_distinct_runs(batches, 11)
    with pytest.raises(UsageError, match="would be the same run"):
        require_distinct_runs(batches, 10)
    require_distinct_runs(replace(same, seeds=1), 10)
    require_distinct_runs(replace(same, head="linear"), 10)
    with pytest.raises(UsageError, match="2 seeds from the words 'a photo of a'"):
        check_fit(complete(FitSettings(seeds=2, context_init="a photo of a")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "dtp"}, "did you mean 'dpt'"),
        ({"loss": "ce"}, "unknown loss 'ce'"),
        ({"select": "wga"}, "did you mean 'true-wga'|did you mean 'pseudo-wga'"),
        ({"optimizer": "adam"}, "optimizer is 'adam' \\(did you mean 'adamw'\\?\\); adamw or sgd expected"),
        ({"step": 3}, "unknown setting 'step' \\(did you mean 'steps'"),
        ({"steps": -1}, "steps is -1; 0 to"),
        ({"seeds": 0}, "seeds is 0; 1 to"),
        ({"lr": 0.0}, "lr is 0.0; "),
        ({"lr": math.nan}, "lr is nan"),
        ({"lr": -1.0}, "lr is -1.0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0"),
        ({"momentum": -1.0, "optimizer": "sgd"}, "momentum is -1.0"),
        ({"seed": 10**20}, "seed is 1000"),
        ({"context_length": 0}, "context_length is 0; 1 to"),
        ({"batch_size": 0}, "batch_size is 0; 1 to"),
        ({"select_after": 1.5}, "0 to 1"),
        ({"steps": "many"}, "setting 'steps' is 'many'; int expected"),
        ({"method": "erm", "eta": 2.0}, "'erm' does not take eta"),
        ({"seeds": 2, "context_init": "a photo of a"}, "would be the same run"),
        ({"seeds": 2, "head": "linear-from-text"}, "would be the same run"),
        ({"head": "liner"}, "unknown head 'liner' .did you mean 'linear'"),
        ({"head": "linear", "context_length": 4}, "the head 'linear' does not take context_length"),
        ({"method": "cvar", "alpha": 0.0}, "alpha is 0.0"),
    ],
)
def test_wrong_settings_are_refused_before_any_work(backbone: Backbone, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Tuner(backbone, **options)


def test_batches_as_large_as_the_data_make_no_other_seed(backbone: Backbone) -> None:
    tuner = Tuner(backbone, seeds=2, context_init="a photo of a", batch_size=5000)
    with pytest.raises(UsageError, match="would be the same run"):
        tuner.fit(replace(TABLE, fingerprint={}), TRUE)
