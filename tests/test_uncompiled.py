"""Promises: a training imports no compiler, its optimisers step as torch's own, and who wants the compiler gets it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from debias_pt.uncompiled import eager

LATER = """
import sys
import torch
import debias_pt.training
parameter = torch.nn.Parameter(torch.ones(2))
optimizer = debias_pt.training.make_optimizer(debias_pt.training.FitSettings(), [parameter])
optimizer.zero_grad()
parameter.sum().backward()
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
assert "debias_pt.backbone" in sys.modules or __import__("debias_pt.backbone")
assert not any(name.startswith("torch._dynamo") for name in sys.modules), "imported"
import torchvision
boxes = torch.tensor([[0.0, 0.0, 0.0, 3.0, 3.0]])
assert torchvision.ops.roi_align(torch.ones(1, 1, 4, 4), boxes, 2).shape == (1, 1, 2, 2)
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)) == 2
assert torch._dynamo.utils is sys.modules["torch._dynamo.utils"]
with torch._dynamo.config.patch(suppress_errors=False):
    optimizer.step()
"""


def test_the_compiler_stays_out_until_somebody_asks_for_it() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", LATER], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]


@pytest.mark.parametrize(
    ("kind", "options"),
    [(torch.optim.AdamW, {"lr": 0.1, "weight_decay": 0.1}), (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9})],
)
def test_steps_equal_torch_s_own(kind: Callable[..., Any], options: dict[str, float]) -> None:
    found = []
    for made in (kind, eager(kind)):  # type: ignore[type-var]
        parameter = torch.nn.Parameter(torch.arange(1.0, 4.0))
        optimizer = made([parameter], **options)
        for _ in range(5):
            optimizer.zero_grad()
            (parameter**3).sum().backward()
            optimizer.step()
        assert parameter.requires_grad
        found.append((parameter.detach(), optimizer.state_dict()["param_groups"]))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
