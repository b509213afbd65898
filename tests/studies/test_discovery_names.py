"""Promises: the cross-fitted probe equals a plain count, the table says what is named, a bad set is one line."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from debias_pt.datasets.attributes import Attribute
from debias_pt.discovery import Discovery, Finding
from debias_pt.discovery.evidence import explain
from studies.discovery_names import Line, held_out_accuracy, summary


def line(probe: float, right: float | None) -> Line:
    y = np.repeat([0, 1], 10)
    evidence = explain(y, y, np.zeros(20, dtype=bool), 2, 2)
    place = Attribute("place", {"land": ("land",), "water": ("water",)})
    finding = Finding(place, 1.0, 1.0, (), evidence, y, np.ones(20))
    found = () if right is None else (finding,)
    return Line("birds", Discovery(found, (), (), ("a", "b"), 20, 3, {}), probe, right)


def test_lines_and_their_summary() -> None:
    lines = [line(0.8, 0.9), line(0.8, None), line(0.76, 0.6), line(0.6, 0.9)]
    assert lines[0].cells() == ["birds", "20", "3", "0.80", "place: land, water", "0.90", "0"]
    assert lines[1].cells()[4:6] == ["nothing", "-"]
    assert "Of 4 sets" in summary(lines)
    assert "on 3; on 1 of these" in summary(lines)


def test_every_group_counts_the_same() -> None:
    """The scores say nothing of group 2, which looks like the large group 0 and the small group 3."""
    group = np.array([0] * 100 + [1] * 100 + [2] * 50 + [3] * 20)
    labels = np.isin(group, (1, 2)).astype(np.int64)
    scores = np.stack([np.where(group == 1, 0.0, 9.0), np.zeros(270)], axis=1)
    found = held_out_accuracy(scores, group, labels)
    assert found == pytest.approx(3 / 4)
    rng = np.random.default_rng(0)
    assert held_out_accuracy(rng.normal(size=(400, 2)), np.arange(400) % 2, np.arange(400) % 2) < 0.6


def test_a_set_without_annotation_is_refused_in_one_line() -> None:
    command = [sys.executable, "-m", "studies.discovery_names", "/nowhere/birds.csv"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
