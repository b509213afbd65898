"""Finished runs that were never trained: any class names, any number of groups, images on disk or not."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from debias_pt.groups.groups import Groups
from debias_pt.groups.metrics import GroupReport
from debias_pt.reports.evidence import Answers, RunEvidence
from debias_pt.utils.files import write_json
from debias_pt.workflows.report import small_groups, worst_group
from debias_pt.workflows.run_folder import RunFolder

VOID = {"meta", "link", "img", "rect", "line", "path", "polyline", "circle", "br"}


def evidence_of(
    folder: Path,
    class_names: Sequence[str],
    values: Sequence[str],
    *,
    per_group: int = 6,
    images: bool = False,
    seeds: int = 1,
    attribute: str = "background",
    seed: int = 0,
) -> RunEvidence:
    """Write a run folder with random figures, and return it with its answers."""
    rng = np.random.default_rng(seed)
    n_groups = len(class_names) * len(values)
    index = np.repeat(np.arange(n_groups), per_group)
    y, a = index // len(values), index % len(values)
    groups = Groups(y, np.eye(len(values))[a], tuple(class_names), tuple(values), "true")
    run_seeds = tuple(range(seeds))
    predictions = np.where(rng.random((seeds, len(y))) < 0.7, y, (y + 1) % len(class_names))
    before = np.where(rng.random(len(y)) < 0.5, y, (y + 1) % len(class_names))
    report = GroupReport.of(predictions, groups, groups.counts, run_seeds).to_dict()
    erm = GroupReport.of(before[None], groups, groups.counts, (0,)).to_dict()
    attributes = [{"name": attribute, "values": {value: [value] for value in values}, "templates": ["{attribute}."]}]
    probe: dict[str, Any] = {"kind": "zero-shot", "attributes": attributes, "mean_confidence": {attribute: 0.9}}
    probe |= {"pseudo_group_sizes": dict(zip(groups.names, groups.counts.tolist(), strict=True)), "not_annotated": []}
    result = {
        "dataset": f"set of {class_names[0]}", "synthetic": False, "method": "dpt", "oracle": False, "model": "tiny",
        "attribute_labels_used": [], "split": "test", "seeds": list(run_seeds), "reported_by": [attribute], **report,
        "worst_group": worst_group(report), "small_groups": small_groups(report), "selection": "last", "probe": probe,
        "baselines": {"erm": {"oracle": False, **erm}}, "selected_steps": [9] * seeds, "steps": 10, "finished": 0.0,
    }  # fmt: skip
    run = RunFolder.create(folder, {"dataset": "waterbirds-mini", "method": "dpt"})
    counts = {split: dict(zip(groups.names, groups.counts.tolist(), strict=True)) for split in ("train", "test")}
    facts = {
        "versions": {"python": "3"}, "method": {"name": "dpt"}, "backbone": {"weights": "w"}, "groups": "pseudo",
        "data": {"name": "data", "rows": len(y), "labels": "l", "content": "c"}, "group_counts": counts,
    }  # fmt: skip
    write_json(folder / "run.json", facts)
    write_json(folder / "result.json", result)
    rows = {name: rng.random((10, seeds, n_groups)) for name in ("p_bar", "val_accuracy", "group_weights")}
    run.append_history(
        [
            {"step": i, "loss": [1.0] * seeds, **{name: values[i].tolist() for name, values in rows.items()}}
            for i in range(10)
        ]
    )
    probabilities = 0.3 * np.eye(len(class_names))[before] + 0.7 * np.eye(len(class_names))[predictions[0]]
    ids = tuple(f"{i}-{class_names[y[i]]}".replace("/", "-") for i in range(len(y)))
    if images:
        for name in ids:
            pixels = rng.integers(0, 255, (160, 160, 3), dtype=np.uint8)  # noise: nothing compresses worse
            Image.fromarray(pixels).save(folder / name, "PNG")
    answers = Answers(ids, lambda name: str(folder / name), groups, predictions, probabilities, before)
    return RunEvidence(run, result, answers)


class Parsed(HTMLParser):
    """A page's tags, texts, attributes and numbers; complains of tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data)

    @property
    def numbers(self) -> set[float]:
        """The figures as programs read them."""
        return {float(value) for tag, name, value in self.attributes if (tag, name) == ("data", "value")}

    def holds(self, table: tuple[Sequence[str], Sequence[Sequence[str]]]) -> bool:
        """Whether every word and figure of a table is on the page."""
        header, lines = table
        known = {text.strip() for text in self.texts}
        return {cell.strip() for row in (header, *lines) for cell in row if cell.strip()} <= known
