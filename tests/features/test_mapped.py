"""Promises: mapped features stay in their file, in half precision too, and give what they give in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from debias_pt.errors import NonFiniteError
from debias_pt.features.mapped import MappedRows, is_mapped
from debias_pt.features.table import FeatureTable, lengths, table_from_arrays
from debias_pt.utils import row_blocks


def unit(n: int, dim: int = 8) -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((n, dim), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def mapped(path: Path, rows: np.ndarray) -> np.ndarray:
    np.save(path, rows)
    return np.load(path, mmap_mode="r")


def test_rows_and_blocks_are_those_of_the_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "ROWS_AT_A_TIME", 12)
    rows = unit(50)
    places = np.random.default_rng(1).permutation(50)[:30]
    source = MappedRows(mapped(tmp_path / "a.npy", rows.astype(np.float16)), places)
    wanted = torch.tensor([[0, 29, 3], [3, 3, 11]])
    assert torch.allclose(source.take(wanted), torch.from_numpy(rows[places])[wanted], atol=1e-3)
    assert torch.allclose(source.take(wanted).norm(dim=-1), torch.ones(2, 3), atol=1e-6)
    assert [len(block) for block in source.blocks()] == [12, 12, 6]
    assert torch.allclose(torch.cat(list(source.blocks())), torch.from_numpy(rows[places]), atol=1e-3)


def test_a_table_of_half_precision_stays_mapped(tmp_path: Path) -> None:
    rows = mapped(tmp_path / "a.npy", unit(40).astype(np.float16))
    table = table_from_arrays(rows, [0, 1] * 20, ["cat", "dog"], split="train")
    assert is_mapped(table.features)
    assert table.features.dtype == np.float16
    assert table.data_fingerprint()["content"] != ""
    again = table_from_arrays(2 * unit(40), [0, 1] * 20, ["cat", "dog"], split="train")
    assert np.allclose(again.features, unit(40), atol=1e-6)


def test_lengths_are_numpys_also_where_single_precision_ends() -> None:
    rows = unit(20000, 4)
    rows[3] *= 1e25
    rows[9] *= 1e-25
    assert lengths(rows) == pytest.approx(np.linalg.norm(rows.astype(np.float64), axis=1), rel=1e-6)


def test_nan_is_found_in_a_mapped_file(tmp_path: Path) -> None:
    rows = unit(30)
    rows[17, 2] = np.nan
    with pytest.raises(NonFiniteError, match="1 of 30 feature rows hold NaN or infinity, first '17'"):
        FeatureTable(
            tuple(map(str, range(30))), mapped(tmp_path / "a.npy", rows), np.zeros(30), np.full(30, "train"), ("a",)
        )
