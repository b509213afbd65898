"""``debias-pt discover``: what a model leans on in a data set, without a name for it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from debias_pt.datasets.base import ImageDataset
from debias_pt.discovery import Discovery, find_attributes, read_vocabulary
from debias_pt.discovery.words import Vocabulary
from debias_pt.errors import UsageError
from debias_pt.features.files.dataset import FeatureDataset
from debias_pt.features.table import FeatureTable
from debias_pt.groups.guard import guard
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.verdict import NOT_USABLE
from debias_pt.models.backbone import Backbone
from debias_pt.models.feature_backbone import FeatureBackbone
from debias_pt.settings import DataSettings
from debias_pt.utils.files import require_writable, write_text
from debias_pt.workflows.discovery.contact_sheet import contact_sheet, examples, sides
from debias_pt.workflows.discovery.page import page
from debias_pt.workflows.prepare import encode_dataset, load_backbone, load_images, with_shots
from debias_pt.workflows.source import data_names


def discover(settings: DataSettings, *, vocabulary: str | None = None, html_path: str | None = None) -> dict[str, Any]:
    """Look for suspected attributes in the training images of a data set.

    Parameters
    ----------
    settings : DataSettings
        Data and model; no attribute is asked for, and no attribute label is read.
    vocabulary : str, optional
        File with attributes to try, see :func:`~debias_pt.discovery.words.read_vocabulary`.
    html_path : str, optional
        Where to write a page with example images.

    Returns
    -------
    dict
        ``dataset``, ``model``, ``found``, ``not_enough``, ``unnamed``, ``reason``, ``words``, ``seconds``; see
        :meth:`~debias_pt.discovery.finding.Discovery.to_dict`. Every attribute found has the guard's verdict and the
        ids of example images by value and class; every direction without a name the ids of images on either side.
    """
    words = None if vocabulary is None else read_vocabulary(vocabulary)
    if html_path is not None:
        require_writable(Path(html_path), "--html")
    dataset, backbone, table = load_and_encode(settings)
    if html_path is not None and isinstance(dataset, FeatureDataset):
        raise UsageError(f"--html {html_path} shows images, and {settings.dataset} holds features; leave it out")
    start = time.perf_counter()
    result, found = discover_and_judge(table, backbone, words or words_for(backbone))
    result = {
        **data_names(settings, table.name),
        "synthetic": dataset.synthetic,
        "model": backbone.name,
        **result,
        "seconds": time.perf_counter() - start,
        "html": html_path,
    }
    if html_path is not None:
        write_text(Path(html_path), page(result, contact_sheet(dataset, table, found)))
    return result


def load_and_encode(settings: DataSettings) -> tuple[ImageDataset, Backbone, FeatureTable]:
    """Load images, model and features."""
    dataset = with_shots(settings, load_images(settings))
    backbone = load_backbone(settings, dataset)
    return dataset, backbone, encode_dataset(settings, backbone, dataset)[0]


def words_for(backbone: Backbone) -> Vocabulary:
    """Return the words to name an attribute with: those of the package, or those that came with the features."""
    if isinstance(backbone, FeatureBackbone) and backbone.words is not None:
        return Vocabulary.of(backbone.words.names, "given", backbone.words.source)
    return read_vocabulary(None)


def discover_and_judge(table: FeatureTable, backbone: Backbone, words: Vocabulary) -> tuple[dict[str, Any], Discovery]:
    """Return the discovery, as plain JSON with the guard's verdicts and example images, and itself."""
    reads = not isinstance(backbone, FeatureBackbone) or backbone.words is not None
    found = find_attributes(table, backbone if reads else None, words)
    attributes = found.attributes
    verdicts = guard(backbone, table, attributes, AttributeProbe(backbone, attributes)) if attributes else {}
    result = found.to_dict()
    for entry, finding in zip(result["found"], found.findings, strict=True):
        entry["guard"] = verdicts[finding.attribute.name].to_dict()
        entry["examples"] = examples(finding, table.where("train"), found.class_names)
    for entry, direction in zip(result["unnamed"], found.unnamed, strict=True):
        entry["examples"] = sides(direction, table.where("train"), found.class_names)
    usable = [one["attribute"] for one in result["found"] if one["guard"]["verdict"] != NOT_USABLE]
    return {**result, "supported": usable[0] if usable else None}, found
