"""Promises: one name in site-packages, a light import, no global seeding, and settings that the help lists."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution

import pytest
import torch

import debias_pt
import debias_pt.datasets


def test_one_top_level_package() -> None:
    tops = distribution("debias-pt").read_text("top_level.txt")
    assert tops is not None
    assert tops.split() == ["debias_pt"]


def test_import_is_light_and_names_are_there() -> None:
    code = "import sys, debias_pt; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    for name in debias_pt.__all__:
        assert getattr(debias_pt, name) is not None


def test_names_come_from_their_homes_and_others_are_refused() -> None:
    from debias_pt.datasets.custom.listing import CustomData

    assert debias_pt.CustomData is debias_pt.OwnData is debias_pt.datasets.CustomData is CustomData
    with pytest.raises(AttributeError, match="module 'debias_pt' has no attribute 'Backbones'"):
        debias_pt.Backbones  # noqa: B018


def test_the_function_encode_is_not_shadowed_by_a_module() -> None:
    import debias_pt.features.encoding

    assert debias_pt.encode is debias_pt.features.encoding.encode


def test_imports_and_fits_leave_the_global_generators_alone() -> None:
    from debias_pt.models.heads import LinearHead
    from debias_pt.training.data import Minibatches

    before = torch.random.get_rng_state()
    LinearHead(4, 2, seeds=[0, 1])
    Minibatches(10, 2, seeds=[0]).rows(3)
    assert torch.equal(before, torch.random.get_rng_state())
