"""``debias-pt probe``: what the frozen model says about the suspected attribute, and how often it is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from debias_pt.datasets.splits import SPLITS
from debias_pt.settings import DataSettings
from debias_pt.utils.files import require_writable, write_csv
from debias_pt.workflows.discovery.auto_attribute import with_found_attribute
from debias_pt.workflows.prepare import prepare
from debias_pt.workflows.prepared import Prepared, guard_result, judge
from debias_pt.workflows.source import data_names


def probe(settings: DataSettings, *, csv_path: str | None = None) -> dict[str, Any]:
    """Ask the probe for every image.

    Parameters
    ----------
    settings : DataSettings
        Data, model and attributes.
    csv_path : str, optional
        Where to write one row per image: id, split, class, and each attribute's value and confidence.

    Returns
    -------
    dict
        ``dataset``, ``model`` and the probe's result on each split, that on ``train`` with the ``guard``'s verdict.
    """
    if csv_path is not None:
        require_writable(Path(csv_path), "--csv")
    settings, discovery = with_found_attribute(settings)
    prepared = prepare(settings)
    prepared.pseudo.rows(prepared.mask("train")).warn_if_small()
    if csv_path is not None:
        write_answers(prepared, Path(csv_path))
    present = [split for split in SPLITS if (prepared.table.split == split).any()]
    results = {split: prepared.probe_result(split) for split in present}
    results["train"]["guard"] = guard_result(judge(prepared))
    return {
        **data_names(settings, prepared.table.name),
        "synthetic": prepared.synthetic,
        "model": prepared.backbone.name,
        "probe": results,
        **({"discovery": discovery} if discovery else {}),
        "csv": csv_path,
    }


def write_answers(prepared: Prepared, path: Path) -> None:
    """Write one line per image."""
    columns = [column for answer in prepared.answers for column in (answer.name, f"{answer.name}_confidence")]
    table = prepared.table
    values = [(answer.values, answer.labels, answer.confidence) for answer in prepared.answers]
    rows = []
    for i, name in enumerate(table.ids):
        answers = [cell for names, labels, sure in values for cell in (names[labels[i]], f"{sure[i]:.6f}")]
        rows.append([name, table.split[i], table.class_names[table.y[i]], *answers])
    write_csv(path, ["id", "split", "label", *columns], rows)
