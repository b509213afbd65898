"""Promises: the code blocks of docs/objects.md run one after another, as they stand."""

from __future__ import annotations

import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from tests.helpers.tiny_data import FOLDER

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "objects.md").read_text(encoding="utf-8")


def write_shards(paths: list[str], labels: list[int]) -> None:
    """Two shards of two samples each: an image and its class."""
    for number, first in enumerate((0, 2)):
        with tarfile.open(f"birds-{number:04}.tar", "w") as shard:
            for path, label in zip(paths[first : first + 2], labels[first : first + 2], strict=True):
                key = Path(path).stem
                Path(f"{key}.cls").write_text(str(label), encoding="utf-8")
                shard.add(path, f"{key}.jpg")
                shard.add(f"{key}.cls")


@pytest.mark.filterwarnings("ignore")  # of small groups, torch's exporter, onnxruntime
def test_the_blocks_run(
    backbone: Backbone, table: FeatureTable, waterbirds_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    pytest.importorskip("torch", minversion="2.8")
    monkeypatch.chdir(tmp_path)
    shutil.copy(waterbirds_root / FOLDER / table.ids[0], "photo.jpg")
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    rows = {"image": [str(waterbirds_root / FOLDER / name) for name in table.ids], "label": table.y.tolist()}
    names: dict[str, Any] = {
        "backbone": backbone, "table": table, "hugging_face": datasets.Dataset.from_dict(rows, features=kinds),
        "groups": Groups.true(table.y, table.class_names, [table.attributes["background"]]),
    }  # fmt: skip
    blocks = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    assert len(blocks) == 6
    write_shards(rows["image"][:4], rows["label"][:4])
    for block in blocks:
        quick = block.replace('method="dpt", seeds=2', 'method="dpt", seeds=2, steps=2').replace(
            "{0000..0099}", "{0000..0001}"
        )
        exec(quick, names)
    assert len(names["table"]) == 4
    assert names["logits"].shape == (1, 2)
    assert names["again"].data_fingerprint() == table.data_fingerprint()
    assert len(names["subset"]) == int((table.split != "test").sum())
