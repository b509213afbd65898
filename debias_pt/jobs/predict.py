"""``debias-pt predict``: labels, probabilities and the probe's attributes for image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from debias_pt.attributes import Attribute
from debias_pt.datasets import is_synthetic
from debias_pt.encoding import encode_paths
from debias_pt.errors import ImageError
from debias_pt.jobs.evaluate import load_tuner, open_run, require_same_model, run_settings
from debias_pt.jobs.prepare import load_backbone
from debias_pt.probe import AttributeProbe
from debias_pt.refinement import RefinedProbe


def predict(path: str | None, images: Sequence[str], **moved: Any) -> dict[str, Any]:
    """Classify image files with a finished run; several seeds vote by their mean probability.

    Parameters
    ----------
    path : str, optional
        The run's folder; default the newest finished run under ``./runs``.
    images : sequence of str
        Image files.
    **moved
        Where the model is now, if it has moved: model, pretrained, device.

    Returns
    -------
    dict
        ``run``, ``class_names`` and ``images``: one dict each with path, label, probability,
        probabilities by class, and for every attribute the value and confidence of the run's probe.

    Raises
    ------
    ImageError
        If a file is missing or no image.
    """
    run = open_run(path)
    prompt = run.read_prompt()
    for image in images:
        if not Path(image).is_file():
            raise ImageError(f"{image}: no such image file; give image files")
    settings = run_settings(run, moved)
    backbone = load_backbone(settings)
    require_same_model(run, prompt, backbone)
    tuner = load_tuner(prompt, settings, backbone)
    features = encode_paths(backbone, list(images)).numpy()
    probabilities = tuner.predict_proba(features).mean(axis=0)
    labels = probabilities.argmax(axis=1)
    attributes = [Attribute(**wording) for wording in run.facts["attributes"]]
    probe = RefinedProbe(AttributeProbe(backbone, attributes, tuner.class_names_)).load(run.read_probe())
    said = probe.predict(features, labels)
    rows = [
        {
            "path": str(image),
            "label": tuner.class_names_[labels[i]],
            "probability": float(probabilities[i, labels[i]]),
            "probabilities": dict(zip(tuner.class_names_, map(float, probabilities[i]), strict=True)),
            "attributes": {
                one.name: {"value": one.values[one.labels[i]], "confidence": float(one.confidence[i])} for one in said
            },
        }
        for i, image in enumerate(images)
    ]
    synthetic = is_synthetic(settings.dataset)
    return {"run": str(run.path), "synthetic": synthetic, "class_names": list(tuner.class_names_), "images": rows}
