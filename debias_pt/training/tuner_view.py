"""What a tuner shows of itself in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from debias_pt.groups.groups import Groups
from debias_pt.pages.blocks import Block, Facts, Paragraph, Table
from debias_pt.settings import FitSettings
from debias_pt.training.tuner_files import TunerState
from debias_pt.utils.words import first_of


def tuner_blocks(
    model: str, settings: FitSettings, changed: Mapping[str, Any], state: TunerState | None, groups: Groups | None
) -> list[Block]:
    """Return a tuner's model, method and settings, and what it was fitted to.

    Parameters
    ----------
    model : str
        What to call the model.
    settings : FitSettings
    changed : mapping
        The settings that are not the default.
    state : TunerState or None
        What was learned, if anything was.
    groups : Groups or None
        The training groups, where they are known.
    """
    named = ", ".join(f"{name} {value}" for name, value in changed.items() if name != "method")
    facts = [("Model", model), ("Method", settings.method), ("Settings", named or "all default")]
    if state is None:
        return [Paragraph("Tuner, not fitted yet"), Facts(facts)]
    runs, weights, dim = state.class_weights.shape
    facts += [
        ("Classes", first_of(state.class_names)),
        ("Seeds", ", ".join(str(settings.seed + run) for run in range(runs))),
        ("Class weights", f"{runs} x {weights} x {dim} (seeds, classes, features)"),
    ]
    if state.selected_steps is not None:
        facts.append(("Kept steps", ", ".join(map(str, state.selected_steps))))
    blocks: list[Block] = [Paragraph(f"Tuner, fitted to {len(state.class_names)} classes"), Facts(facts)]
    if groups is not None:
        rows = [[name, str(n)] for name, n in zip(groups.names, groups.counts.tolist(), strict=True)]
        blocks.append(Table("Groups it was fitted with", ["group", "images"], rows))
    return blocks
