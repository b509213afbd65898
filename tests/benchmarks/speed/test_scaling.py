"""Promises: each size is varied alone and the others stay; exponents are those of the sizes; memory is what was
allocated at once; tables and JSON have the floor beside every figure."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.benchmarks.speed import machine_limits, scaling, section_tables
from debias_pt.benchmarks.speed.case import SpeedCase
from debias_pt.benchmarks.speed.peak_memory import peak_bytes
from debias_pt.benchmarks.speed.scaling import AXES, FitSize, draw, sizes_of
from debias_pt.models.backbone import Backbone
from debias_pt.settings import TrainSettings

# The largest is left out by --quick.
SMALL = {
    "N": ("training rows", (200, 800, 0)),
    "K": ("classes", (10, 20, 0)),
    "G": ("groups", (20, 40, 0)),
    "R": ("stacked runs", (1, 2, 0)),
}
CPU = torch.device("cpu")


@pytest.mark.parametrize("axis", AXES)
def test_each_size_is_varied_alone(axis: str) -> None:
    seen = [vars(size) for size in sizes_of(axis)]
    assert len(seen) >= 3
    assert [one[axis] for one in seen] == list(AXES[axis][1])
    follows = {"K": {"K", "G"}}.get(axis, {axis})
    for one in seen:
        assert {name: size for name, size in one.items() if name not in follows} == {
            name: size for name, size in vars(FitSize()).items() if name not in follows
        }
        assert one["G"] % one["K"] == 0
    assert sizes_of(axis, quick=True) == sizes_of(axis)[:-1]


def test_drawn_data_has_the_sizes(backbone: Backbone) -> None:
    size = FitSize(N=500, K=5, G=20)
    data, groups = draw(size, backbone)
    assert int((data.split == "train").sum()) == 500
    assert (data.split == "val").any()
    assert (len(data.class_names), groups.n_groups, data.features.shape[1]) == (5, 20, backbone.dim)


@given(st.floats(-2, 3), st.floats(0.01, 100))
def test_the_exponent_of_a_power_is_the_power(power: float, factor: float) -> None:
    sizes = [10, 40, 160]
    assert scaling.exponent(sizes, [factor * size**power for size in sizes]) == pytest.approx(power, abs=1e-6)


def test_no_exponent_without_values() -> None:
    assert scaling.exponent([1, 2], [1.0, 0.0]) is None
    assert scaling.exponent([1], [1.0]) is None


def test_peaks_count_what_is_alive_at_once_and_no_views() -> None:
    mega = 1 << 20
    given_before = torch.ones(mega)

    def work() -> torch.Tensor:
        for _ in range(5):  # freed in every round
            one = given_before.exp()  # 4 MiB
            one = one.view(1024, 1024).T[:, :512].flatten()[:10]  # and 2 MiB for the copy
        array = np.ones(3 * mega)  # 24 MiB
        return torch.from_numpy(array)[:5] + one[:5]

    _, peak = peak_bytes(work, CPU)
    assert 24 * mega <= peak < 31 * mega
    assert peak_bytes(lambda: given_before.view(1024, 1024).T[3:], CPU)[1] < 50_000


def test_the_graph_of_a_backward_pass_counts() -> None:
    x = torch.ones(1 << 18, requires_grad=True)  # 1 MiB

    def chain() -> None:
        y = x
        for _ in range(8):
            y = y.exp().clamp_max(1.0)  # each is kept for the backward pass
        y.sum().backward()

    assert 8 << 20 <= peak_bytes(chain, CPU)[1] <= 24 << 20


@pytest.fixture
def sections(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(machine_limits, "SIDE", 64)
    monkeypatch.setattr(machine_limits, "COPIED", 1 << 12)
    monkeypatch.setattr("debias_pt.benchmarks.speed.scaling.AXES", SMALL)
    monkeypatch.setattr("debias_pt.benchmarks.speed.scaling.BASE", FitSize(N=200))
    case: Any = type("Tiny", (), {"backbone": backbone, "settings": TrainSettings(), "rounds": 2, "quick": True})()
    whole: SpeedCase = case
    return scaling.measure(whole)


def test_tables_and_json_have_exponents_and_floors(sections: list[dict[str, Any]]) -> None:
    assert [section["axis"] for section in sections] == ["N", "K", "G", "R"]
    json.dumps(sections, allow_nan=False)
    for section in sections:
        assert len(section["rows"]) == 2
        for row in section["rows"]:
            rates = section["machine"]
            least = max(row["operations"] / rates["operations_per_second"], row["bytes"] / rates["bytes_per_second"])
            assert row["floor"] == pytest.approx(least)
            assert row["times_floor"] == pytest.approx(row["step"]["median"] / least)
            assert len(row["step"]["rounds"]) == len(row["setup"]["rounds"]) == 2
            assert min(row["setup_bytes"], row["step_bytes"], row["operations"]) > 0
        header, lines = section_tables.table(section)
        assert {len(line) for line in lines} == {len(header)}
        assert lines[-1][0] == f"grows as {section['axis']} to the power"
        assert lines[0][0] == f"{section['axis']} = {section['rows'][0]['size']:,}"
        seconds = [row["step"]["median"] for row in section["rows"]]
        sizes = [row["size"] for row in section["rows"]]
        assert section["exponents"]["step"] == scaling.exponent(sizes, seconds)
    # Not those of seconds: a busy machine would decide.
    of_rows, _, of_groups, of_runs = (section["exponents"] for section in sections)
    assert of_rows["setup_floor"] == pytest.approx(1)
    assert of_rows["setup_bytes"] > 0.05
    assert of_groups["floor"] == pytest.approx(0)
    assert of_runs["step_bytes"] > 0.3
