"""How far the hot parts are from what the machine can do: operations counted, rates measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from debias_pt.features.loader import default_batch_size
from debias_pt.models.heads.prompt import PromptHead

from .case import SpeedCase
from .timing import compare

SIDE, SIDE_ON_GPU = 1024, 8192  # large enough to keep the device busy
COPIED = 1 << 26  # floats, well beyond any cache


def machine(device: torch.device, rounds: int) -> dict[str, float]:
    """Return the machine's matrix rate (floating-point operations per second, fp32) and copy rate (bytes per second).

    A copy reads and writes: both count.
    """
    side = SIDE_ON_GPU if device.type == "cuda" else SIDE
    a, b = (torch.randn(side, side, device=device) for _ in range(2))
    source = torch.ones(COPIED, device=device)
    target = torch.empty_like(source)
    timings = compare({"matrix": lambda: a @ b, "copy": lambda: target.copy_(source)}, 3 * rounds)
    return {
        "operations_per_second": 2 * side**3 / timings["matrix"].seconds.median,
        "bytes_per_second": 2 * source.nbytes / timings["copy"].seconds.median,
    }


def counted(call: Callable[[], object]) -> int:
    """Return the floating-point operations of a call: its matrix products, convolutions and attention.

    Examples
    --------
    >>> counted(lambda: torch.ones(2, 3) @ torch.ones(3, 4))
    48
    """
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def measure(case: SpeedCase) -> list[dict[str, Any]]:
    """Compare every hot part's seconds with the least that its operations and bytes could take."""
    rates = machine(case.backbone.device, case.rounds)
    parts = _parts(case)
    timings = compare({name: call for name, (call, _) in parts.items()}, case.rounds)
    rows = []
    for name, (call, touched) in parts.items():
        operations = counted(call)
        least = max(operations / rates["operations_per_second"], touched / rates["bytes_per_second"])
        seconds = timings[name].to_dict()
        times = seconds["median"] / least
        rows.append(
            {"name": name, "seconds": seconds, "operations": operations, "bytes": touched, "floor": least,
             "times_floor": times}
        )  # fmt: skip
    note = (
        "the floor is the longer of operations at the matrix rate and bytes at the copy rate; bytes are the weights "
        "and features that have to be read once"
    )
    return [{"title": "Floor", "note": note, "machine": rates, "rows": rows}]


def _parts(case: SpeedCase) -> dict[str, tuple[Callable[[], object], int]]:
    """Return the hot parts, with the bytes that each has to read."""
    backbone, table = case.backbone, case.prepared.table
    head = PromptHead(backbone, table.class_names)
    features = torch.from_numpy(table.where("train").features).to(backbone.device)
    weights = head().detach().requires_grad_()
    config = case.backbone.model.visual
    n = case.settings.encode_batch_size or default_batch_size(backbone)
    images = torch.zeros(n, 3, *_size(config.image_size), device=backbone.device)

    def text_pass() -> None:
        head().sum().backward()

    def product() -> None:
        logits = head.scale * features @ weights.transpose(1, 2)
        logits.sum().backward()

    text: Any = getattr(backbone.model, "text", backbone.model)
    return {
        f"text pass, {len(table.class_names)} classes": (text_pass, 2 * _bytes(text.transformer)),
        f"features product, {len(features)} images": (product, 2 * features.nbytes),
        f"image tower, {n} images": (lambda: backbone.encode_images(images), _bytes(backbone.model.visual)),
    }


def _size(side: int | tuple[int, int]) -> tuple[int, int]:
    return (side, side) if isinstance(side, int) else side


def _bytes(module: torch.nn.Module) -> int:
    return sum(parameter.nbytes for parameter in module.parameters())
