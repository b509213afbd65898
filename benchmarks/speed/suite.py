"""All sections in one run, on one machine."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Callable, Sequence
from typing import Any

import torch

from debias_pt.errors import UsageError
from debias_pt.settings import TrainSettings
from debias_pt.utils.progress import progress
from debias_pt.utils.registry import lookup
from debias_pt.utils.versions import versions

from . import encode_images, machine_limits, scaling, stacked, step_split, text_pass, train_loop
from .case import SpeedCase, load_case

# In the order of the report; a section measures on a case and returns tables in the form of timing.section.
SECTIONS: dict[str, Callable[[SpeedCase], list[dict[str, Any]]]] = {
    "text": text_pass.measure,
    "training": train_loop.measure,
    "step": step_split.measure,
    "stacked": stacked.measure,
    "encoding": encode_images.measure,
    "floor": machine_limits.measure,
    "scale": scaling.measure,
}
# Sections of earlier versions, and the script of a checkout that measures the same.
MOVED = {"numerics": "studies.encoding_numerics", "start": "studies.start_up"}
ROUNDS, QUICK_ROUNDS = 7, 3


def speed(
    settings: TrainSettings,
    names: Sequence[str] = (),
    *,
    quick: bool = False,
    random_weights: bool = False,
    rounds: int | None = None,
) -> dict[str, Any]:
    """Measure every section on one data set and one model.

    Parameters
    ----------
    settings : TrainSettings
        Data, model and training; the steps are those of the whole training that is timed.
    names : sequence of str
        Sections; none means all.
    quick : bool
        Fewer rounds, smaller parts.
    random_weights : bool
        Draw the weights of an architecture that open_clip knows, instead of loading any.
    rounds : int, optional
        How often every candidate is timed.

    Returns
    -------
    dict
        Machine, versions, settings, and ``sections``: title, note, rows with seconds and ratios.

    Raises
    ------
    UnknownNameError
        For an unknown section.
    UsageError
        For a section that is now a script.
    """
    for name in names:
        if name in MOVED:
            raise UsageError(f"--sections {name} is now python -m {MOVED[name]}, run from a checkout of the repository")
    chosen = {name: lookup(SECTIONS, name, "section") for name in (names or SECTIONS)}
    rounds = rounds or (QUICK_ROUNDS if quick else ROUNDS)
    case = load_case(settings, rounds=rounds, quick=quick, random_weights=random_weights)
    sections: list[dict[str, Any]] = []
    with progress("measuring", len(chosen), "sections") as advance:
        for name, measure in chosen.items():
            load = os.getloadavg()[0]
            sections += [{"section": name, "load_before": load, **part} for part in measure(case)]
            advance(1)
    return {
        "suite": "speed",
        "dataset": settings.dataset,
        "synthetic": case.prepared.synthetic or case.dataset.synthetic,
        "model": case.backbone.name,
        "random_weights": random_weights,
        "machine": machine_facts(case),
        "versions": versions(),
        "settings": dataclasses.asdict(settings),
        "rounds": rounds,
        "quick": quick,
        "sections": sections,
    }


def machine_facts(case: SpeedCase) -> dict[str, Any]:
    """Return what a reader has to know about the machine."""
    device = case.backbone.device
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "precision": case.backbone.precision,
    }
