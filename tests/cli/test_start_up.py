"""Promises: a training by the command line imports no compiler; who asks for the compiler there gets it; as a library
debias_pt leaves torch as it is."""

from __future__ import annotations

import subprocess
import sys

COMMON = """
import sys
import torch
import debias_pt.models.backbone
from debias_pt.training.optimizer import make_optimizer
from debias_pt.settings import FitSettings
for kind in ("adamw", "sgd"):
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = make_optimizer(FitSettings(optimizer=kind, lr=0.5), [[parameter]])
    optimizer.zero_grad()
    parameter.sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert torch.allclose(parameter, torch.full((2,), 0.5), atol=1e-6)
"""
QUICK = f"""
from debias_pt.cli.start import leave_compiler_out
leave_compiler_out()
{COMMON}
assert "torch._dynamo.symbolic_convert" not in sys.modules, "the compiler was imported"
import torchvision
boxes = torch.tensor([[0.0, 0.0, 0.0, 3.0, 3.0]])
assert torchvision.ops.roi_align(torch.ones(1, 1, 4, 4), boxes, 2).shape == (1, 1, 2, 2)
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)) == 2
assert type(sys.modules["torch._dynamo"]).__name__ == type(sys.modules["torch._dynamo.utils"]).__name__ == "module"
optimizer.step()
"""
LIBRARY = f"""
{COMMON}
assert all(type(module).__name__ != "StandIn" for module in sys.modules.values())
assert torch.optim.Optimizer.__module__ == type(optimizer).__module__.rpartition(".")[0] + ".optimizer"
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-500:]


def test_the_compiler_stays_out_until_somebody_asks_for_it() -> None:
    run(QUICK)


def test_the_library_leaves_torch_as_it_is() -> None:
    run(LIBRARY)
