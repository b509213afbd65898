"""Promises: a saved tuner predicts as it did, from features without its model and from images with it; damage, another
model and foreign folders are refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from debias_pt.errors import FingerprintError, OutputError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.training.tuner import Tuner
from tests.helpers.tiny_data import FOLDER, write_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")


@pytest.fixture(scope="module")
def groups(table: FeatureTable) -> Groups:
    return Groups.true(table.y, table.class_names, [table.attributes["background"]])


@pytest.mark.parametrize("head", ["prompt", "class-tokens", "standardized", "text-encoder"])
def test_it_predicts_as_before(
    head: str, backbone: Backbone, table: FeatureTable, groups: Groups, tmp_path: Path, waterbirds_root: Path
) -> None:
    seeds = 1 if head in ("text-encoder", "class-tokens") else 2
    tuner = Tuner(backbone, method="balanced", head=head, steps=3, seeds=seeds).fit(table, groups)
    folder = tuner.save(tmp_path / "tuner")
    assert {file.name for file in folder.iterdir()} == {"tuner.json", "tuner.safetensors"}
    loaded = Tuner.load(folder)
    assert loaded._backbone is None
    np.testing.assert_array_equal(loaded.logits(table.features), tuner.logits(table.features))
    assert loaded._backbone is None  # features need no model
    assert (loaded.settings, loaded.class_names_) == (tuner.settings, tuner.class_names_)
    assert (loaded.selected_steps_, loaded.oracle_, loaded.data_) == (tuner.selected_steps_, True, "waterbirds")
    path = waterbirds_root / FOLDER / table.ids[0]
    image = Image.open(path)
    for one in (path, [str(path)], image, [image], [np.asarray(image)]):
        np.testing.assert_allclose(loaded.logits(one), tuner.logits(path), atol=1e-4)
    for name, value in tuner.head_.state_dict().items():
        assert np.array_equal(loaded.head_.state_dict()[name].numpy(), value.numpy()), name
    again = Tuner.load(loaded.save(folder), backbone=backbone)
    assert again.oracle_ is True
    np.testing.assert_array_equal(again.predict(table), tuner.predict(table))


def test_what_does_not_fit_is_refused(
    backbone: Backbone, table: FeatureTable, groups: Groups, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    with pytest.raises(UsageError, match="has learned nothing yet"):
        Tuner(backbone).save(tmp_path / "empty")
    assert not (tmp_path / "empty").exists()
    tuner = Tuner(backbone, method="balanced", steps=2).fit(table, groups)
    folder = tuner.save(tmp_path / "tuner")
    other = Backbone.load(f"local-dir:{write_checkpoint(tmp_path / 'other', seed=1)}")
    with pytest.raises(FingerprintError, match="the tuner's model: its weights is"):
        Tuner.load(folder, backbone=other)
    with pytest.raises(FingerprintError, match="the tuner's model"):
        _ = Tuner.load(folder, pretrained=f"local-dir:{tmp_path / 'other'}").backbone
    moved = shutil.copytree(tiny_checkpoint, tmp_path / "moved")
    assert Tuner.load(folder, pretrained=f"local-dir:{moved}").backbone.dim == backbone.dim
    with pytest.raises(UsageError, match="no saved tuner here"):
        Tuner.load(tmp_path)
    with pytest.raises(OutputError, match="holds something else"):
        tuner.save(tmp_path)
    facts = json.loads((folder / "tuner.json").read_text())
    (folder / "tuner.json").write_text(json.dumps({**facts, "scale": 1.0}))
    with pytest.raises(FingerprintError, match="do not belong together"):
        Tuner.load(folder)
