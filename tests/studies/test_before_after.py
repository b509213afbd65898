"""Promises: two finished runs become one picture by group; runs that cannot be compared are refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from debias_pt.errors import RunError, UsageError
from studies.before_after import plot_before_after


def _run(folder: Path, method: str, accuracies: tuple[float, ...] = (0.9, 0.4), **changes: Any) -> Path:
    """Write a finished run with the fields that ``train`` writes."""
    groups = [
        {"label": "bird", "attribute": place, "n": n, "accuracy": accuracy, "ci": [accuracy - 0.02, accuracy + 0.03]}
        for place, n, accuracy in zip(("land", "water"), (100, 20), accuracies, strict=True)
    ]
    result = {
        "dataset": "waterbirds", "synthetic": False, "method": method, "oracle": False, "model": "tiny",
        "split": "test", "seeds": [0, 1], "groups_from": "true", "worst_group_accuracy": min(accuracies),
        "groups": groups, **changes,
    }  # fmt: skip
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return folder


def test_bars_show_accuracies_sizes_and_intervals(tmp_path: Path) -> None:
    before, after = _run(tmp_path / "erm", "erm"), _run(tmp_path / "dpt", "dpt", (0.8, 0.7))
    out = tmp_path / "new" / "groups.svg"
    plot_before_after(before, after, out)
    drawn = out.read_text(encoding="utf-8")
    for text in (
        "waterbirds, test split, tiny; 2 seeds",
        "erm: worst group 40.0 %",
        "dpt: worst group 70.0 %",
        "n = 20",
    ):
        assert f"<!-- {text}" in drawn, text
    for accuracy in ("90.0", "40.0", "80.0", "70.0"):
        assert f"<!-- {accuracy} -->" in drawn


def test_pseudo_groups_synthetic_data_and_oracles_are_called_so(tmp_path: Path) -> None:
    facts = {"groups_from": "pseudo", "synthetic": True}
    before, after = _run(tmp_path / "a", "erm", **facts), _run(tmp_path / "b", "dpt", oracle=True, **facts)
    plot_before_after(before, after, tmp_path / "groups.svg")
    drawn = (tmp_path / "groups.svg").read_text(encoding="utf-8")
    assert "waterbirds (synthetic), test split, tiny; pseudo groups" in drawn
    assert "dpt (oracle): worst group" in drawn


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "val"}, "split differs, test and val"),
        ({"dataset": "celeba"}, "dataset differs, waterbirds and celeba"),
        ({"groups_from": "pseudo"}, "groups_from differs, true and pseudo"),
        ({"groups": []}, "their groups differ"),
    ],
)
def test_runs_that_cannot_be_compared(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    before, after = _run(tmp_path / "a", "erm"), _run(tmp_path / "b", "dpt", **changes)
    with pytest.raises(UsageError, match=message):
        plot_before_after(before, after, tmp_path / "groups.png")
    assert not (tmp_path / "groups.png").exists()


def test_an_empty_group_is_named(tmp_path: Path) -> None:
    empty = [{"label": "bird", "attribute": "water", "n": 0, "accuracy": None, "ci": None}]
    before, after = (_run(tmp_path / name, name, groups=empty) for name in ("erm", "dpt"))
    with pytest.raises(UsageError, match="no image in the group 'bird, water'"):
        plot_before_after(before, after, tmp_path / "groups.png")


def test_an_unfinished_run(tmp_path: Path) -> None:
    before, after = _run(tmp_path / "a", "erm"), _run(tmp_path / "b", "dpt")
    (after / "result.json").unlink()
    with pytest.raises(RunError, match="not finished; resume it with debias-pt train"):
        plot_before_after(before, after, tmp_path / "groups.png")


def test_the_command(tmp_path: Path) -> None:
    before, after = _run(tmp_path / "a", "erm"), _run(tmp_path / "b", "dpt", (0.8, 0.7))
    command = [sys.executable, "-m", "studies.before_after", str(before)]
    root = Path(__file__).resolve().parents[2]
    words = [*command, str(after), "--out", str(tmp_path / "groups.png")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "groups.png").read_bytes().startswith(b"\x89PNG")
    words = [*command, str(tmp_path / "none"), "--out", str(tmp_path / "x.png")]
    failed = subprocess.run(words, capture_output=True, text=True, cwd=root)
    assert failed.returncode == 2
    assert failed.stderr.startswith(f"error: {tmp_path / 'none'}: no run here")
    assert len(failed.stderr.splitlines()) == 1
