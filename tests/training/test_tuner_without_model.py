"""Promises: a tuner without a backbone fits heads that read no words, as one with any backbone does; it is saved,
loaded and pickled; features of another width are refused in one line."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from debias_pt.errors import FingerprintError, NoModelError
from debias_pt.features.table import FeatureTable, table_from_arrays
from debias_pt.models.backbone import Backbone
from debias_pt.models.feature_backbone import FeatureBackbone
from debias_pt.sharing.export import export_tuner
from debias_pt.training.tuner import Tuner
from tests.helpers.feature_files import CLASSES, DIM, columns


@pytest.fixture(scope="module")
def made() -> FeatureTable:
    rows = columns()
    y = (rows["label"] == CLASSES[1]).astype(np.int64)
    return table_from_arrays(rows["features"], y, CLASSES, split=rows["split"].tolist())


@pytest.mark.parametrize("head", ["linear", "standardized"])
def test_it_learns_what_any_backbone_of_that_width_would(head: str, made: FeatureTable) -> None:
    options = {"method": "class-balanced", "head": head, "steps": 30}
    tuner = Tuner(None, **options).fit(made)
    standing = Tuner(FeatureBackbone(DIM), **options).fit(made)
    np.testing.assert_array_equal(tuner.class_weights_, standing.class_weights_)
    rows = made.where("train")
    assert (tuner.predict(rows)[0] == rows.y).mean() > 0.7
    assert "no model" in repr(tuner)


@pytest.mark.parametrize("head", ["prompt", "text-encoder", "class-tokens", "full-prompt", "linear-from-text"])
def test_heads_that_read_words_are_refused_at_once(head: str) -> None:
    with pytest.raises(NoModelError, match=f"--head {head} reads words by a model.*take --head linear or standardized"):
        Tuner(None, method="class-balanced", head=head)


def test_it_is_saved_loaded_and_pickled(made: FeatureTable, tmp_path: Path) -> None:
    tuner = Tuner(None, method="class-balanced", head="linear", steps=5).fit(made)
    wanted = tuner.predict(made)
    for again in (Tuner.load(tuner.save(tmp_path / "tuner")), pickle.loads(pickle.dumps(tuner))):
        np.testing.assert_array_equal(again.predict(made), wanted)
        assert again.head_.scale == tuner.scale_
        with pytest.raises(NoModelError, match="needs a model"):
            again.predict(str(Path(__file__).parents[2] / "docs" / "report.png"))
        with pytest.raises(NoModelError, match="would hold an image tower"):
            export_tuner(again, tmp_path / "birds.onnx")


def test_another_width_is_a_line(made: FeatureTable, backbone: Backbone) -> None:
    with pytest.raises(FingerprintError, match=f"data: {DIM} features a row, .* has {backbone.dim}; give features of"):
        Tuner(backbone, method="class-balanced", head="linear").fit(made)
    tuner = Tuner(None, method="class-balanced", head="linear", steps=2).fit(made)
    other = table_from_arrays(np.eye(6), [0, 1] * 3, CLASSES)
    with pytest.raises(FingerprintError, match=f"data: 6 features a row, .* has {DIM}"):
        tuner.fit(other)
