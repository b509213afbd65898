"""The same rows of features written in every layout that is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.features.table import FeatureTable
from tests.helpers.feature_files import CLASSES, Columns, by_split


def table_of(rows: Columns) -> FeatureTable:
    dataset_y = (rows["label"] == CLASSES[1]).astype(np.int64)
    return FeatureTable(
        tuple(rows["id"].tolist()), rows["features"], dataset_y, rows["split"], CLASSES,
        {"place": TrueAttribute.of(rows["place"].tolist())}, name="birds",
    )  # fmt: skip


def write_npz(rows: Columns, folder: Path) -> Path:
    np.savez(folder / "birds.npz", **rows)  # type: ignore[arg-type]
    return folder / "birds.npz"


def write_split_npz(rows: Columns, folder: Path) -> Path:
    np.savez(folder / "birds.npz", **by_split(rows))  # type: ignore[arg-type]
    return folder / "birds.npz"


def write_safetensors(rows: Columns, folder: Path) -> Path:
    tensors = {
        name: torch.from_numpy(array)
        for name, array in by_split(rows).items()
        if name.endswith(("_features", "_labels"))
    }
    tensors |= {
        f"{split}_place": torch.from_numpy((by_split(rows)[f"{split}_place"] == "water").astype(np.int64))
        for split in ("train", "val", "test")
    }
    save_file(tensors, folder / "birds.safetensors", {"class_names": json.dumps(CLASSES)})
    return folder / "birds.safetensors"


def write_csv(rows: Columns, path: Path) -> None:
    names = ["label", "place", "split", "id"]
    lines = [",".join(names), *(",".join(map(str, row)) for row in zip(*(rows[name] for name in names), strict=True))]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_npy(rows: Columns, folder: Path) -> Path:
    np.save(folder / "birds.npy", rows["features"])
    write_csv(rows, folder / "birds.csv")
    return folder / "birds.npy"


def write_parquet(rows: Columns, folder: Path) -> Path:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    said = {name: arrow.array(array.tolist()) for name, array in rows.items()}
    parquet.write_table(arrow.table({**said, "embedding": said["features"]}).drop(["features"]), folder / "b.parquet")
    return folder / "b.parquet"


def write_clip_retrieval(rows: Columns, folder: Path) -> Path:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for name in ("img_emb", "metadata"):
        (folder / "emb" / name).mkdir(parents=True)
    for number, part in enumerate(np.array_split(np.arange(len(rows["id"])), 2)):
        np.save(folder / "emb" / "img_emb" / f"img_emb_{number}.npy", rows["features"][part])
        said = {name: rows[name][part].tolist() for name in ("label", "place", "split")}
        said["image_path"] = rows["id"][part].tolist()
        parquet.write_table(arrow.table(said), folder / "emb" / "metadata" / f"metadata_{number}.parquet")
    return folder / "emb"


def save_table(ending: str) -> Callable[[Columns, Path], Path]:
    def write(rows: Columns, folder: Path) -> Path:
        if ending == "parquet":
            pytest.importorskip("pyarrow")
        return table_of(rows).save(folder / f"table.{ending}")

    return write


LAYOUTS: dict[str, tuple[Callable[[Columns, Path], Path], bool]] = {  # with the writer, whether ids are kept
    "npz": (write_npz, True),
    "npz by split": (write_split_npz, False),
    "safetensors": (write_safetensors, False),
    "npy and csv": (write_npy, True),
    "parquet": (write_parquet, True),
    "clip-retrieval": (write_clip_retrieval, True),
    "saved safetensors": (save_table("safetensors"), True),
    "saved parquet": (save_table("parquet"), True),
}
