"""Everything that is needed to do a run again."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from debias_pt.datasets import DATASETS
from debias_pt.methods.composition import fill, parts_text
from debias_pt.models.feature_backbone import is_without_model
from debias_pt.pages.blocks import Block, Code, Facts, Paragraph, Section, Table
from debias_pt.reports.evidence import RunEvidence
from debias_pt.settings import TrainSettings, resolve
from debias_pt.utils.stores.addresses import is_remote

PLACES = {"data_root": "DATA", "image_root": "IMAGES"}  # folders of a machine, which a page must not name
NOT_NEEDED = ("dataset", "out", "cache_dir", "workers", "device", "download", "checkpoint_every")
NAMED = 100  # class names that are listed


def reproduce_section(evidence: RunEvidence) -> Section:
    """Return the command, and what the run was made with."""
    config, facts = evidence.run.config, evidence.run.facts
    words = command(config)
    blocks: list[Block] = [Paragraph("The command, defaults left out:"), Code(words)]
    if any(place in words.split() for place in PLACES.values()) or "FOLDER/" in words:
        text = "DATA, IMAGES and FOLDER stand for folders of the machine it ran on, which this page does not name."
        blocks.append(Paragraph(text, "note"))
    return Section("How to reproduce it", [*blocks, Facts(_facts(evidence, facts)), counts_table(facts)])


def command(config: dict[str, Any]) -> str:
    """Return the command that trains with a run's settings, without the folders of the machine.

    Examples
    --------
    >>> command({"dataset": "waterbirds-mini", "method": "erm", "seeds": 3})
    'debias-pt train waterbirds-mini --method erm --seeds 3'
    """
    settings = fill(resolve(TrainSettings, config))
    default = fill(resolve(TrainSettings, {"method": settings.method, "groups": settings.groups}))
    words = ["debias-pt", "train", without_folder(settings.dataset)]
    words += ["--method", settings.method] if settings.method != TrainSettings().method else []
    for field in dataclasses.fields(TrainSettings):
        value, flag = getattr(settings, field.name), f"--{field.name.replace('_', '-')}"
        if field.name in NOT_NEEDED or (value == getattr(default, field.name) and field.name != "groups"):
            continue
        if field.name == "groups" and value == "pseudo":
            continue
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, tuple):
            words += [word for item in value for word in (flag, item)]
        elif field.name in PLACES:
            words += [flag, PLACES[field.name]] if _needed(field.name, settings) else []
        else:
            words += [flag, without_folder(value) if isinstance(value, str) else str(value)]
    return shlex.join(words)


def _needed(name: str, settings: TrainSettings) -> bool:
    """Tell whether a folder must be named: that of a named data set with files of its own."""
    known = settings.dataset in DATASETS
    return name != "data_root" or (known and not DATASETS[settings.dataset].card.synthetic)


def without_folder(text: str) -> str:
    """Return a path with its folder left out.

    Examples
    --------
    >>> without_folder("local-dir:/home/me/models/litmini"), without_folder("mini"), without_folder("/data/photos")
    ('local-dir:FOLDER/litmini', 'mini', 'FOLDER/photos')
    >>> without_folder("s3://bucket/photos"), without_folder("/data/a.tar::/data/b.tar")
    ('s3://bucket/photos', 'FOLDER/a.tar::FOLDER/b.tar')
    """
    if is_remote(text):
        return text
    if "::" in text:
        return "::".join(without_folder(part) for part in text.split("::"))
    schema, colon, path = text.rpartition(":")
    return f"{schema}{colon}FOLDER/{Path(path).name}" if path.startswith("/") else text


def _facts(evidence: RunEvidence, facts: dict[str, Any]) -> list[tuple[str, str]]:
    result, data, backbone = evidence.result, facts["data"], facts["backbone"]
    attributes = ", ".join(result["attribute_labels_used"])
    method = ", ".join(f"{name} {value}" for name, value in facts["method"].items() if name != "name")
    classes = list(dict.fromkeys(group["label"] for group in result["groups"]))
    more = f" and {len(classes) - NAMED} more" if len(classes) > NAMED else ""
    seconds = evidence.run.result.get("seconds", {}).get("fit")
    found = [
        ("Labels used", f"the classes of the training images; attribute labels: {attributes or 'none'}"),
        *([("Made of", parts_text(result["parts"]))] if "parts" in result else []),
        ("Step selection", result["selection"]),
        ("Method", f"{facts['method']['name']}{f' ({method})' if method else ''}"),
        ("Seeds", ", ".join(map(str, result["seeds"]))),
        ("Classes", ", ".join(classes[:NAMED]) + more),
        ("Model", _model(result["model"], backbone)),
        ("Data", f"{data['name']}, {data['rows']} images"),
        *[(f"Data, {name} SHA-256", str(data[name])) for name in ("labels", "content") if name in data],
        ("Splits", _splits(facts)),
        ("Images left out", str(facts.get("skipped_images", 0))),
        ("Versions", ", ".join(f"{name} {number}" for name, number in facts["versions"].items())),
    ]
    return found + ([("Time to fit", f"{seconds:.1f} seconds")] if seconds else [])


def _splits(facts: dict[str, Any]) -> str:
    rule = facts.get("split_rule") or {}
    return ", ".join(f"{name} {value}" for name, value in rule.items()) or "the data set's own"


def counts_table(facts: dict[str, Any]) -> Table:
    """Return the images of each split by the groups that the run was fitted with."""
    counts = facts["group_counts"]
    kind = "annotated groups" if facts["groups"] == "true" else "groups it was fitted with"
    rows = [[name, *[str(counts[split].get(name, 0)) for split in counts]] for name in next(iter(counts.values()))]
    return Table(f"Images by the {kind}", ["group", *counts], rows)


def _model(name: str, backbone: Mapping[str, Any]) -> str:
    if not is_without_model(backbone):
        return f"{name}, weights SHA-256 {backbone['weights']}"
    words = f", words SHA-256 {backbone['words']}" if backbone["words"] else ""
    return f"{name}, {backbone['features']} features a row{words}"
