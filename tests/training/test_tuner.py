"""Promises: a tuner fits the rows and groups that its settings name; its figures are those of its class weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from debias_pt.errors import UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings
from debias_pt.training.tuner import Tuner
from debias_pt.utils.membership import Membership
from tests.helpers.gaussian_fit import TABLE, TRUE

pytestmark = pytest.mark.usefixtures("one_thread")
PLAIN = replace(TABLE, fingerprint={})


def test_a_tuner_fits_training_and_validation_rows_if_asked(backbone: Backbone) -> None:
    both = Tuner(backbone, head="linear", method="balanced", fit_on="train+val").run_group(PLAIN, TRUE)
    assert len(both.train) == int(np.isin(TABLE.split, ["train", "val"]).sum())
    assert len(both.val) == int((TABLE.split == "val").sum())
    tuner = Tuner(backbone, head="linear", method="balanced")
    alone = tuner.run_group(PLAIN, TRUE)
    assert len(alone.train) == 400
    assert tuner.train_groups_ is not None
    assert tuner.train_groups_.counts.tolist() == [190, 10, 10, 190]
    beside = Tuner(backbone, head="linear", method="erm").run_group(PLAIN, TRUE, share_features_with=alone)
    assert beside.train.features is alone.train.features
    assert beside.val.features is alone.val.features
    assert Tuner(backbone, head="linear").run_group(PLAIN, TRUE, share_features_with=both).train.features is not (
        both.train.features
    )
    with pytest.raises(UsageError, match="400 groups for 960 rows"):
        tuner.run_group(PLAIN, TRUE.rows(TABLE.split == "train"))


def test_a_tuner_selects_by_the_groups_it_is_given_for_that(backbone: Backbone) -> None:
    others = replace(TRUE, values=np.zeros(len(TABLE), dtype=np.int64))
    tuner = Tuner(backbone, head="linear", method="balanced", select="pseudo-wga")
    found = tuner.run_group(PLAIN, TRUE, validation_groups=others)
    assert found.val.membership.first.unique().tolist() == [0, 2]
    assert found.train.membership.first.unique().tolist() == [0, 1, 2, 3]


def test_a_tuners_settings_seeds_and_figures(backbone: Backbone) -> None:
    tuner = Tuner(backbone, FitSettings(seed=3, seeds=2, head="linear"), steps=2, method="balanced")
    assert tuner.seeds == (3, 4)
    assert tuner.changed_settings() == {"seed": 3, "seeds": 2, "head": "linear", "steps": 2, "method": "balanced"}
    assert repr(tuner).endswith(": not fitted")
    tuner.fit(PLAIN, TRUE)
    logits = tuner.logits(TABLE.features[:7])
    expected = tuner.scale_ * np.einsum("nd,rkd->rnk", TABLE.features[:7], tuner.class_weights_)
    assert logits == pytest.approx(expected, abs=1e-5)
    proba = tuner.predict_proba(TABLE.features[:7])
    assert proba == pytest.approx(np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True), abs=1e-6)
    assert tuner.predict(TABLE.features[:7]).tolist() == logits.argmax(axis=-1).tolist()
    assert tuner.selected_steps_ == [2, 2]
    report = tuner.score(PLAIN, TRUE, split="val")
    right = tuner.predict(TABLE.features[TABLE.split == "val"]) == TABLE.y[TABLE.split == "val"]
    assert report.average_accuracy.tolist() == pytest.approx(right.mean(axis=1).tolist())
    assert report.train_counts.tolist() == [190, 10, 10, 190]
    assert report.seeds == (3, 4)
    assert tuner.score(PLAIN, TRUE, np.array([1, 0, 0, 0]), split="val").train_counts.tolist() == [1, 0, 0, 0]
    kept = tuner.class_weights_.copy()
    with torch.no_grad():
        tuner.head_.weight.mul_(-1)  # type: ignore[operator,union-attr]
    assert (tuner.class_weights_ == kept).all()  # a copy
    assert tuner.scale_ == tuner.head_.scale


def rows_of(membership: Membership) -> torch.Tensor:
    return membership.sums(torch.eye(len(membership)))


@pytest.mark.parametrize("soft", [True, False])
def test_soft_groups_are_fitted_softly_and_validated_hard(backbone: Backbone, soft: bool) -> None:
    posterior = np.resize([[0.75, 0.25], [0.25, 0.75]], (len(TABLE), 2))
    groups = replace(TRUE, values=posterior, source="pseudo")
    table = replace(TABLE, fingerprint={})
    tuner = Tuner(backbone, head="linear", soft=soft, method="balanced")
    run_group = tuner.run_group(table, groups)
    row = rows_of(run_group.train.membership)[0]
    own = 2 * int(run_group.train.y[0])
    assert row[own : own + 2].tolist() == ([0.75, 0.25] if soft else [1, 0])
    assert float(row.sum()) == 1
    assert set(rows_of(run_group.val.membership).unique().tolist()) <= {0.0, 1.0}
