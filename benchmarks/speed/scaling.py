"""How time and memory grow with training rows, classes, groups and stacked runs; one size is varied at a time."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from debias_pt.datasets.attributes import TrueAttribute
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings
from debias_pt.training.callbacks import Callback
from debias_pt.training.loop import Training
from debias_pt.training.tuner import Tuner

from .case import SpeedCase
from .machine_limits import counted, machine
from .peak_memory import peak_bytes
from .timing import Timing

VAL = 5  # one validation row for so many training rows
STEPS = 3  # the first is not counted
METHOD = "dpt"
FITTED = ("setup", "setup_floor", "setup_bytes", "step", "floor", "step_bytes")  # to which a power is fitted
NOTE = (
    "peaks are what is allocated at once, beyond the data; the least time of a step is that of its operations at the "
    "matrix rate or of its bytes at the copy rate, that of the set-up one copy of the features"
)


@dataclass(frozen=True)
class FitSize:
    """One size of a fit: N training rows, K classes, G groups (a multiple of K), R runs."""

    N: int = 8_000
    K: int = 10
    G: int = 20
    R: int = 1


BASE = FitSize()
# Each size alone, the others as above; what the letters stand for.
AXES: dict[str, tuple[str, tuple[int, ...]]] = {
    "N": ("training rows", (2_000, 8_000, 32_000, 128_000)),
    "K": ("classes", (10, 40, 160, 640)),
    "G": ("groups", (20, 160, 1_280, 10_240)),
    "R": ("stacked runs", (1, 2, 4, 8)),
}


def sizes_of(axis: str, *, quick: bool = False) -> list[FitSize]:
    """Return the sizes of an axis; without the largest if `quick`.

    Examples
    --------
    >>> [size.G for size in sizes_of("K", quick=True)]
    [20, 80, 320]
    """
    varied = AXES[axis][1][: -1 if quick else None]
    # With more classes there are more groups: two values of the attribute throughout.
    return [replace(BASE, **{axis: value}, **({"G": 2 * value} if axis == "K" else {})) for value in varied]


def draw(size: FitSize, backbone: Backbone) -> tuple[FeatureTable, Groups]:
    """Return random unit features, balanced classes and the groups of an attribute with G / K values."""
    rng = np.random.default_rng(0)
    n, values = size.N + size.N // VAL, size.G // size.K
    features = rng.standard_normal((n, backbone.dim), dtype=np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    y, names = np.arange(n) % size.K, tuple(f"class {k}" for k in range(size.K))
    split = np.where(np.arange(n) < size.N, "train", "val")
    attribute = TrueAttribute(tuple(map(str, range(values))), rng.integers(0, values, n))
    table = FeatureTable(
        ids=tuple(map(str, range(n))), features=features, y=y, split=split, class_names=names,
        attributes={"value": attribute}, name="random", fingerprint=backbone.fingerprint,
    )  # fmt: skip
    return table, Groups.true(y, names, [attribute])


@dataclass
class Figures:
    """What was measured at one size, a figure for every round."""

    setup: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)


def measure(case: SpeedCase) -> list[dict[str, Any]]:
    """Return a section for every size that is varied."""
    rates = machine(case.backbone.device, case.rounds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of small groups
        return [_axis(axis, case, rates) for axis in AXES]


def _axis(axis: str, case: SpeedCase, rates: dict[str, float]) -> dict[str, Any]:
    own = sizes_of(axis, quick=case.quick)
    data = [draw(size, case.backbone) for size in own]
    found = [Figures() for _ in own]
    for done in range(case.rounds):  # sizes take turns, as candidates do
        for place in range(len(own)) if done % 2 == 0 else reversed(range(len(own))):
            _once(_tuner(case, own[place]), *data[place], found[place])
    rows = [
        _row(axis, size, figures, _least(case, size, *of, rates))
        for size, of, figures in zip(own, data, found, strict=True)
    ]
    what, sizes = AXES[axis][0], [row["size"] for row in rows]
    return {
        "title": f"Cost by {axis}, {what}",
        "axis": axis,
        "note": f"{METHOD}, head {case.settings.head}, {case.backbone.dim} features, {_fixed(axis)}; {NOTE}",
        "machine": rates,
        "rows": rows,
        "exponents": {name: exponent(sizes, [_value(row, name) for row in rows]) for name in FITTED},
    }


def _fixed(axis: str) -> str:
    """Say what the other sizes are."""
    others = {name: f"{size:,}" for name, size in vars(BASE).items() if name != axis}
    return ", ".join(f"{name} = {size}" for name, size in (others | ({"G": "2 K"} if axis == "K" else {})).items())


def _value(row: dict[str, Any], name: str) -> float:
    """Return a row's figure, of seconds the median."""
    return float(row[name]["median"] if isinstance(row[name], dict) else row[name])


def exponent(sizes: Sequence[float], values: Sequence[float | None]) -> float | None:
    """Fit values = c * size ** exponent by least squares of the logarithms; None where a value is missing or zero.

    Examples
    --------
    >>> round(exponent([1, 10, 100], [3.0, 300.0, 30_000.0]), 6)
    2.0
    """
    if len(sizes) < 2 or not all(values):
        return None
    return float(np.polyfit(np.log(sizes), np.log(np.array(values, dtype=float)), 1)[0])


def _tuner(case: SpeedCase, size: FitSize) -> Tuner:
    names = FitSettings.__dataclass_fields__
    settings = FitSettings(**{name: getattr(case.settings, name) for name in names})
    return Tuner(case.backbone, replace(settings, method=METHOD, steps=STEPS, seeds=size.R, batch_size=None))


class _Clock(Callback):
    """Notes when every step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step(self, training: Training) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def _once(tuner: Tuner, table: FeatureTable, groups: Groups, figures: Figures) -> None:
    """Set up a fit, as the command line does once features and answers are there, and make its steps."""
    start = time.perf_counter()
    training = _set_up(tuner, table, groups)
    figures.setup.append(time.perf_counter() - start)
    clock = _Clock()
    training.run([clock])
    figures.step.append(float(np.median(np.diff(clock.ends))))


def _set_up(tuner: Tuner, table: FeatureTable, groups: Groups) -> Training:
    run_group = tuner.run_group(table, groups)
    return Training(tuner.make_head(table.class_names), [run_group])


def _least(
    case: SpeedCase, size: FitSize, table: FeatureTable, groups: Groups, rates: dict[str, float]
) -> dict[str, Any]:
    """Return a step's operations and bytes, the least seconds of step and set-up, and the memory of both."""
    device = case.backbone.device
    training, setup_bytes = peak_bytes(lambda: _set_up(_tuner(case, size), table, groups), device)
    assert isinstance(training, Training)
    step_bytes = peak_bytes(training.run, device)[1]
    operations = counted(_set_up(_tuner(case, size), table, groups).run) // STEPS
    touched = 2 * table.features.nbytes + 2 * _text_bytes(case.backbone)
    return {
        "operations": operations,
        "bytes": touched,
        "floor": max(operations / rates["operations_per_second"], touched / rates["bytes_per_second"]),
        "setup_bytes": setup_bytes,
        "step_bytes": step_bytes,
        "setup_floor": 2 * table.features.nbytes / rates["bytes_per_second"],
    }


def _text_bytes(backbone: Backbone) -> int:
    text: Any = getattr(backbone.model, "text", backbone.model)
    return sum(parameter.nbytes for parameter in text.transformer.parameters())


def _row(axis: str, size: FitSize, figures: Figures, least: dict[str, Any]) -> dict[str, Any]:
    setup, step = Timing(tuple(figures.setup)).to_dict(), Timing(tuple(figures.step)).to_dict()
    return {
        "name": f"{axis} = {getattr(size, axis):,}",
        "size": getattr(size, axis),
        "shape": vars(size),
        "setup": setup,
        "setup_times_floor": setup["median"] / least["setup_floor"],
        "step": step,
        "times_floor": step["median"] / least["floor"],
        **least,
    }
