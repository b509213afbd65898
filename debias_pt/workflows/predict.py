"""``debias-pt predict``: labels, probabilities and the probe's attributes for image files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import Attribute, PseudoAttribute
from debias_pt.datasets.custom.feature_paths import holds_features
from debias_pt.datasets.image_files import gather
from debias_pt.errors import NoModelError, UsageError
from debias_pt.features.encoding import encode_paths, warn_of_skipped
from debias_pt.features.files.read import ids_of, read_rows
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.refinement import RefinedProbe
from debias_pt.models.backbone import Backbone
from debias_pt.models.feature_backbone import ADVICE, FeatureBackbone, is_without_model
from debias_pt.utils.files import csv_text
from debias_pt.utils.registry import lookup
from debias_pt.utils.stores.addresses import shown
from debias_pt.workflows.evaluate import features_of, load_tuner, origin, run_backbone, run_settings
from debias_pt.workflows.run_folder import find_run


def predict(path: str | None, images: Sequence[str], *, skip_bad: bool = False, **moved: Any) -> dict[str, Any]:
    """Classify image files with a finished run; several seeds vote by their mean probability.

    Parameters
    ----------
    path : str, optional
        The run's folder; default the newest finished run under ``./runs``.
    images : sequence of str
        Image files, and folders to search for them; see :func:`debias_pt.datasets.image_files.gather`. Or files of
        features of the run's model.
    skip_bad : bool
        Leave out images that cannot be read, warn, and give their reasons under ``skipped``.
    **moved
        Where the model is now, if it has moved: model, pretrained, device.

    Returns
    -------
    dict
        ``run``, its data set and method, ``synthetic`` and ``oracle``; ``class_names`` and ``attributes``;
        ``images``: one dict each with id (the path), predicted, probability, probabilities by class, and for every
        attribute the value and confidence of the run's probe; ``path`` and ``label`` are the older names of id and
        predicted and go with the next version; ``left_out``: files in the folders without an image
        extension; ``skipped``: why an image could not be read, by path.

    Raises
    ------
    ImageError
        If a file is missing or not an image, or a folder has none; with `skip_bad`, if none can be read.
    """
    run = find_run(path)
    prompt = run.read_prompt()
    settings = run_settings(run, moved)
    left_out: list[str] = []
    skipped: dict[str, str] = {}
    if any(map(holds_features, images)):
        backbone = run_backbone(run, prompt, settings)
        paths, features = _given(images, backbone, skip_bad)
    else:
        files, left_out = gather(images)
        backbone = run_backbone(run, prompt, settings)
        if isinstance(backbone, FeatureBackbone):
            raise NoModelError(f"{run.path}: learned from features without a model, which {files[0]} needs: {ADVICE}, "
                               "or give a file of features")  # fmt: skip
        bad: dict[int, str] | None = {} if skip_bad else None
        sizes = {"batch_size": settings.encode_batch_size, "workers": settings.workers}
        features = encode_paths(backbone, files, **sizes, bad=bad).numpy()
        paths = [shown(path) for path in files]
        skipped = {paths[row]: reason for row, reason in (bad or {}).items()}
        warn_of_skipped(skipped, len(paths))
        paths = [name for name in paths if name not in skipped]
    tuner = load_tuner(prompt, settings, backbone)
    probabilities = tuner.predict_proba(features).mean(axis=0)
    attributes = [Attribute(**wording) for wording in run.facts["attributes"]]
    if attributes and is_without_model(prompt[1]["backbone"]):  # the words that the run was asked by
        backbone = features_of(prompt, settings)
    probe = RefinedProbe(AttributeProbe(backbone, attributes, tuner.class_names_)).load_state_dict(run.read_probe())
    answers = probe.predict(features, probabilities.argmax(axis=1))
    rows = [
        {"id": name, "path": name, **_answer(tuner.class_names_, p), "attributes": _values(answers, i)}
        for i, (name, p) in enumerate(zip(paths, probabilities, strict=True))
    ]
    names = {"class_names": list(tuner.class_names_), "attributes": [one.name for one in answers]}
    return {"run": str(run.path), **origin(run), **names, "images": rows, "left_out": left_out, "skipped": skipped}


def _given(inputs: Sequence[str], backbone: Backbone, skip_bad: bool) -> tuple[list[str], NDArray[np.float32]]:
    """Return names and features of the rows of files; a name begins with its file's where there are several."""
    images = [one for one in inputs if not holds_features(one)]
    if images or skip_bad:
        what = f"{images[0]} holds none" if images else "--on-bad-image skip is for images"
        raise UsageError(f"{next(filter(holds_features, inputs))} holds features, and {what}; give one kind at a time")
    names: list[str] = []
    parts = []
    for one in inputs:
        rows = read_rows(Path(one))
        if rows.features.shape[1] != backbone.dim:
            raise UsageError(
                f"{one}: {rows.features.shape[1]} features a row, the run has {backbone.dim}; give those of its model"
            )
        names += [name if len(inputs) == 1 else f"{one}/{name}" for name in ids_of(Path(one), rows)]
        parts.append(rows.features)
    return names, np.concatenate(parts)


def _answer(class_names: Sequence[str], p: NDArray[np.float64]) -> dict[str, Any]:
    probabilities = dict(zip(class_names, map(float, p), strict=True))
    best = class_names[int(p.argmax())]
    return {"predicted": best, "label": best, "probability": float(p.max()), "probabilities": probabilities}


def _values(answers: Sequence[PseudoAttribute], i: int) -> dict[str, Any]:
    return {one.name: {"value": one.values[one.labels[i]], "confidence": float(one.confidence[i])} for one in answers}


def as_csv(result: dict[str, Any]) -> str:
    """Return one line per image: id, predicted, probability, those of all classes, the probe's values and confidence.

    The last two columns, path and label, are the older names of the first two, for one version.
    """
    attributes = [column for name in result["attributes"] for column in (name, f"{name}_confidence")]
    header = ["id", "predicted", "probability", *(f"p({name})" for name in result["class_names"]), *attributes]
    rows = []
    for image in result["images"]:
        answers = [cell for one in image["attributes"].values() for cell in (one["value"], f"{one['confidence']:.6f}")]
        numbers = [f"{p:.6f}" for p in (image["probability"], *image["probabilities"].values())]
        rows.append([image["id"], image["predicted"], *numbers, *answers, image["path"], image["label"]])
    return csv_text([*header, "path", "label"], rows)


def as_jsonl(result: dict[str, Any]) -> str:
    """Return one JSON object per line and image, as in ``images``."""
    return "".join(json.dumps(image, allow_nan=False) + "\n" for image in result["images"])


FORMATS: dict[str, Callable[[dict[str, Any]], str]] = {"csv": as_csv, "jsonl": as_jsonl}


def choose_format(name: str | None, out: str | None) -> str:
    """Return the format to write: the one named, else by the file's extension, else ``"table"``.

    Raises
    ------
    UsageError
        If there is no such format, the ending tells none or another one, or a table is to go into a file.

    Examples
    --------
    >>> choose_format(None, "said.csv"), choose_format("jsonl", "said.txt"), choose_format(None, None)
    ('csv', 'jsonl', 'table')
    """
    if name is not None:
        lookup({"table": None, **FORMATS}, name, "format")
    if out is None:
        return name or "table"
    ending = Path(out).suffix.lower().removeprefix(".")
    if name in FORMATS and ending in FORMATS and name != ending:
        raise UsageError(f"--format is {name!r} and --out {out!r}, which ends in .{ending}; leave one of them out")
    chosen = name or ending
    if chosen not in FORMATS:
        seen = "--format is 'table'" if name else f"--out is {out!r}"
        raise UsageError(f"{seen}; a file can be csv or jsonl: give --out FILE.csv or FILE.jsonl, or name the --format")
    return chosen
