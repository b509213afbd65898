"""What a tuner shows of itself in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.pages.blocks import Block, Facts, Paragraph, Table
from debias_pt.utils.words import first_of

if TYPE_CHECKING:
    from debias_pt.training.tuner import PromptTuner


def tuner_blocks(tuner: PromptTuner, model: str, fitted: bool) -> list[Block]:
    """Return its model, method and settings, and what it was fitted to."""
    changed = ", ".join(f"{name} {value}" for name, value in tuner.changed_settings().items() if name != "method")
    facts = [("Model", model), ("Method", tuner.settings.method), ("Settings", changed or "all default")]
    if not fitted:
        return [Paragraph("PromptTuner, not fitted yet"), Facts(facts)]
    runs, classes, dim = tuner.class_weights_.shape
    facts += [
        ("Classes", first_of(tuner.class_names_)),
        ("Seeds", ", ".join(map(str, tuner.seeds))),
        ("Class weights", f"{runs} x {classes} x {dim} (seeds, classes, features)"),
    ]
    if hasattr(tuner, "selected_steps_"):
        facts.append(("Kept steps", ", ".join(map(str, tuner.selected_steps_))))
    blocks: list[Block] = [Paragraph(f"PromptTuner, fitted to {classes} classes"), Facts(facts)]
    groups = tuner.train_groups_
    if groups is not None:
        rows = [[name, str(n)] for name, n in zip(groups.names, groups.counts.tolist(), strict=True)]
        blocks.append(Table("Groups it was fitted with", ["group", "images"], rows))
    return blocks
