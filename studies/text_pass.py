"""The text pass of ViT-B/32 with random weights, as JSON: ``python -m studies.text_pass --classes 2 10 100``.

``--peak 1000`` prints the memory that 1,000 classes take instead.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from typing import Any

import torch
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

from debias_pt.benchmarks.speed.text_pass import (
    CLASSES,
    CONTEXT_LENGTH,
    context_step,
    make_prompts,
    random_text_tower,
    shared_pass,
    text_pass,
)
from debias_pt.models.text import TextTower


def peak_memory(count: int) -> dict[str, Any]:
    """Measure this process's peak memory over one shared pass; needs a fresh process.

    Returns
    -------
    dict
        Mebibytes before and at the peak.
    """
    tower = TextTower(*random_text_tower())
    prompts = make_prompts(tower, IMAGENET_CLASSNAMES[:count])
    before = _peak_mebibytes()
    context_step(shared_pass(tower, prompts), torch.zeros(CONTEXT_LENGTH, tower.width))()
    return {"classes": count, "mebibytes_before": before, "mebibytes_at_peak": _peak_mebibytes()}


def _peak_mebibytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=list(CLASSES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", type=int, metavar="K", help="measure the peak memory of K classes instead")
    options = parser.parse_args()
    if options.peak:
        print(json.dumps(peak_memory(options.peak), indent=2))
        return
    print(json.dumps(text_pass(*random_text_tower(), classes=options.classes, rounds=options.rounds), indent=2))


if __name__ == "__main__":
    main()
