"""Promises: sets of features are rows of the files that are there, none twice, as skewed as they say; what a file lacks
is said; on CLIP's own files all of them can be drawn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from debias_pt.benchmarks.group_robustness.several_sets.compare import settings_of
from debias_pt.errors import DatasetError
from debias_pt.features.files.dataset import FeatureDataset
from debias_pt.workflows.prepare import read_dataset
from studies.feature_sets.draw import Pool, pool_of, write_set
from studies.feature_sets.sets import DRAWS, FAMILIES, Draw, Family, drawn_set, feature_sets

KINDS = ("737-200", "737-300", "747-100", "A318", "A380")
BODY = Family(
    "planes", "body",
    {"Airbus": {"narrow": ("A318",), "wide": ("A380",)}, "Boeing": {"narrow": ("737-*",), "wide": ("747-100",)}},
    val=3, test=5,
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Sixty rows of every kind, half in each split that is drawn from; the first feature counts the rows."""
    (tmp_path / "clip-vit-b32").mkdir()
    rng = np.random.default_rng(0)
    arrays = {"class_names": np.array(KINDS)}
    for split in ("train", "val", "test"):
        arrays[f"{split}_labels"] = np.repeat(np.arange(5), 30)
        arrays[f"{split}_features"] = rng.normal(size=(150, 4)).astype(np.float16)
    np.savez(tmp_path / "clip-vit-b32" / "planes.npz", **arrays)  # type: ignore[arg-type]
    return tmp_path


def test_rows_are_those_of_the_file_and_as_skewed_as_they_say(root: Path, tmp_path: Path) -> None:
    pool = pool_of(root, "planes")
    assert len(pool.ids) == 300
    settings = write_set("planes", drawn_set(BODY, Draw(0.1, crossed=True), pool), root, tmp_path / "out")
    with np.load(tmp_path / "out" / "planes.npz") as file:
        drawn = {name: file[name] for name in file.files}
    place = {name: row for row, name in enumerate(pool.ids)}
    rows = [place[name] for name in drawn["id"].tolist()]
    assert len(set(rows)) == len(rows)
    np.testing.assert_array_equal(drawn["features"], pool.features[rows])
    groups = Counter(zip(drawn["label"].tolist(), drawn["body"].tolist(), drawn["split"].tolist(), strict=True))
    for label, usual, other in (("Airbus", "wide", "narrow"), ("Boeing", "narrow", "wide")):
        assert groups[label, usual, "test"] == groups[label, other, "test"] == 5
        assert groups[label, usual, "val"] == groups[label, other, "val"] == 3
        whole = groups[label, usual, "train"] + groups[label, other, "train"]
        assert groups[label, other, "train"] == pytest.approx(0.1 * whole, abs=1)
    of = {kind: label for label, values in BODY.grid.items() for kinds in values.values() for kind in kinds}
    of |= {"737-200": "Boeing", "737-300": "Boeing"}
    assert [of[pool.kinds[row]] for row in rows] == drawn["label"].tolist()
    with pytest.warns(UserWarning, match="had another length than 1"):
        dataset, attributes = read_dataset(settings_of(str(settings), {"method": "class-balanced"}))
    assert isinstance(dataset, FeatureDataset)
    assert attributes == ()
    assert dataset.attributes["body"].values == ("narrow", "wide")


def test_what_is_not_there_is_said(root: Path) -> None:
    with pytest.raises(DatasetError, match="give --data-root the folder that holds clip-vit-b32"):
        pool_of(root, "birds")
    bare = Pool(np.zeros((0, 4)), [], [], ("A318",))
    with pytest.raises(DatasetError, match="no class 'A380' among 1"):
        drawn_set(BODY, DRAWS["5"], bare)


def test_no_kind_has_two_places() -> None:
    for name, family in FAMILIES.items():
        kinds = [kind for values in family.grid.values() for kinds in values.values() for kind in kinds]
        assert len(kinds) == len(set(kinds)), name


@pytest.mark.realdata
def test_all_are_drawn_from_the_real_files(assets: Path, tmp_path: Path) -> None:
    sets = feature_sets(assets)
    assert len(sets) == len(FAMILIES) * len(DRAWS) + 6
    for name, chosen in sets.items():
        write_set(name, chosen, assets, tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == len(sets)
