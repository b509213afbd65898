"""Sample images: of the worst group, and those whose answer changed either way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.thumbnails import thumbnail
from debias_pt.pages.blocks import Block, Gallery, Paragraph, Picture, Section
from debias_pt.pages.text import named
from debias_pt.reports.evidence import Answers, RunEvidence
from debias_pt.utils.words import counted

SIDE = 160  # pixels of a thumbnail
SHOWN = 12  # in each gallery: all together stay far below the page's limit of 3 MB


def samples(evidence: RunEvidence) -> Section | None:
    """Return sample images, or None where there are none to show."""
    answers = evidence.answers
    if answers is None or answers.path is None:
        return None
    inside, was_right = answers.groups.index == evidence.worst_index, answers.before == answers.groups.y
    before = evidence.before_text
    better, worse = answers.right & ~was_right, ~answers.right & was_right
    parts = {
        f"Of the worst group, {named(evidence.worst_name)}": inside,
        f"Right now, wrong with {before}: {counted(int(better.sum()), 'image')}": better,
        f"Wrong now, right with {before}: {counted(int(worse.sum()), 'image')}": worse,
    }
    blocks: list[Block] = [
        Paragraph(
            f"Drawn at random, at most {SHOWN} of each kind; a red line stands above the wrong answers"
            + (". Several seeds give one answer here, by their mean probability." if _several(answers) else ".")
        )
    ]
    blocks += [Gallery(title, pictures(answers, rows)) for title, rows in parts.items() if rows.any()]
    return Section("What the images look like", blocks)


def _several(answers: Answers) -> bool:
    return len(answers.predictions) > 1


def pictures(answers: Answers, rows: NDArray[np.bool_]) -> list[Picture]:
    """Return some of the images as thumbnails, the same ones every time."""
    assert answers.path is not None
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(rows))[:SHOWN]
    names = answers.groups.class_names
    found = []
    for row in chosen:
        group = named(answers.groups.names[answers.groups.index[row]])
        answer = named(names[answers.now[row]])
        good = bool(answers.right[row])
        said = f"right, {answer}" if good else f"taken for {answer}"
        alt = f"{group}; {said} ({named(answers.ids[row])})"
        found.append(Picture(thumbnail(answers.path(answers.ids[row]), SIDE), alt, f"{group}: {said}", good))
    return found
