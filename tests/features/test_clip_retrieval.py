"""Promises: clip-retrieval's folders come in with the fingerprint of the model that made them, which is checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from debias_pt.errors import DatasetError, DebiasWarning, FingerprintError
from debias_pt.features.clip_retrieval import table_from_clip_retrieval
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from tests.helpers.tiny_data import FOLDER

NAMES = ["landbird", "waterbird"]


def write(folder: Path, table: FeatureTable, root: Path) -> Path:
    """Write a table in two parts of half precision, as clip-retrieval does."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for number, rows in enumerate(np.array_split(np.arange(len(table)), 2)):
        np.save(folder / "img_emb" / f"img_emb_{number}.npy", table.features[rows].astype(np.float16))
        columns = {
            "image_path": [str(root / FOLDER / table.ids[row]) for row in rows],
            "kind": [NAMES[table.y[row]] for row in rows],
            "place": [table.attributes["background"].words[row] for row in rows],
        }
        parquet.write_table(arrow.table(columns), folder / "metadata" / f"metadata_{number}.parquet")
    return folder


def test_it_comes_in_with_a_fingerprint(
    backbone: Backbone, table: FeatureTable, waterbirds_root: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path / "embeddings", table, waterbirds_root)
    options = {"label_column": "kind", "attribute_columns": ["place"]}
    made = table_from_clip_retrieval(backbone, folder, NAMES, **options)  # type: ignore[arg-type]
    np.testing.assert_allclose(made.features, table.features, atol=1e-3)
    assert made.y.tolist() == table.y.tolist()
    assert made.attributes["place"].words == table.attributes["background"].words
    assert made.fingerprint == backbone.fingerprint
    assert set(made.split) == {"train", "val", "test"}


def test_another_model_and_broken_folders_are_refused(
    backbone: Backbone, table: FeatureTable, waterbirds_root: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    other = write(tmp_path / "other", replace(table, features=-table.features), waterbirds_root)
    with pytest.raises(FingerprintError, match="has other features by"):
        table_from_clip_retrieval(backbone, other, NAMES, label_column="kind")
    with pytest.raises(DatasetError, match="metadata has no column 'label'.*; it has image_path, kind, place"):
        table_from_clip_retrieval(backbone, other, NAMES)
    with pytest.raises(DatasetError, match="has the label 'waterbird'"):
        table_from_clip_retrieval(backbone, other, ["landbird", "x"], label_column="kind")
    elsewhere = write(tmp_path / "elsewhere", table, tmp_path / "nowhere")
    with pytest.warns(DebiasWarning, match="none of its images is there"):
        table_from_clip_retrieval(backbone, elsewhere, NAMES, label_column="kind")
    (elsewhere / "metadata" / "metadata_1.parquet").unlink()
    with pytest.raises(DatasetError, match=r"2 files img_emb/\*\.npy and 1 metadata"):
        table_from_clip_retrieval(backbone, elsewhere, NAMES, label_column="kind")
