"""``debias-pt export``: a run's class weights, as plain files that do not need this library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from debias_pt.errors import OutputError, UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.models.names import without_folders
from debias_pt.sharing.export import export_tuner
from debias_pt.training.fit_checks import require_linear
from debias_pt.training.tuner import Tuner
from debias_pt.utils.checked_json import with_checksum
from debias_pt.utils.files import whole_folder, write_json, write_tensors
from debias_pt.utils.versions import versions
from debias_pt.workflows.evaluate import load_tuner, origin, run_backbone, run_settings, with_origin
from debias_pt.workflows.run_folder import find_run

WEIGHTS, FACTS = "class_weights.safetensors", "class_weights.json"


def export(path: str | None, *, out: str | None = None, seed: int | None = None, **moved: Any) -> dict[str, Any]:
    """Write the class weights of a finished run: ``logits = logit_scale * unit image features @ weights.T``.

    The folder holds two files: ``class_weights.safetensors`` with the tensor ``class_weights``, float32,
    ``(K, D)``, rows of unit length; and ``class_weights.json``, which says what they are. An older export
    is replaced as a whole.

    Parameters
    ----------
    path : str, optional
        The run's folder; default the newest finished run under ``./runs``.
    out : str, optional
        Folder to write; default ``export`` in the run's folder. A name that ends in ``.onnx`` or ``.pt2`` becomes a
        file with image tower and classifier; see :func:`~debias_pt.sharing.export.export_tuner`.
    seed : int, optional
        Which of the run's seeds; default its first.
    **moved
        Where the model is now, if it has moved: model, pretrained, device.

    Returns
    -------
    dict
        ``run``, ``folder``, and the content of the JSON file.

    Raises
    ------
    UsageError
        If the run does not have the seed.
    OutputError
        If the folder holds anything but an export, or cannot be written to.
    """
    run = find_run(path)
    prompt = run.read_prompt()
    seeds = prompt[1]["seeds"]
    seed = seeds[0] if seed is None else seed
    if seed not in seeds:
        raise UsageError(f"{run.path}: seed is {seed}; this run has {', '.join(map(str, seeds))}")
    folder = Path(out) if out else run.path / "export"
    whole = folder.suffix in (".onnx", ".pt2")
    if not whole:
        require_replaceable(folder)
    settings = run_settings(run, moved)
    backbone = run_backbone(run, prompt, settings)
    tuner = load_tuner(prompt, settings, backbone)
    if not whole:
        require_linear(tuner.settings, "a folder of class weights")
    weights = torch.from_numpy(tuner.class_weights_[seeds.index(seed)])
    facts = {**describe(tuner, backbone), "seed": seed, **origin(run)}
    facts.pop("dataset_path", None)  # an export is there to be shared: no path of this machine
    facts |= {name: without_folders(facts[name]) for name in ("model", "pretrained")}
    if whole:
        export_tuner(with_origin(tuner, run), folder, seed)
        return {"run": str(run.path), "folder": str(folder), **facts}
    with whole_folder(folder.resolve(), "--out", replace=True) as unfinished:
        write_tensors(unfinished / WEIGHTS, {"class_weights": weights}, facts)
        write_json(unfinished / FACTS, with_checksum(facts))
    return {"run": str(run.path), "folder": str(folder), **facts}


def require_replaceable(folder: Path) -> None:
    """Raise if the folder holds anything but an older export, since it is replaced as a whole."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; give --out a folder")
    foreign = sorted({file.name for file in folder.iterdir()} - {WEIGHTS, FACTS}) if folder.exists() else []
    if foreign:
        raise OutputError(f"{folder}: holds other files ({foreign[0]!r}); give --out a folder for the export alone")


def describe(tuner: Tuner, backbone: Backbone) -> dict[str, Any]:
    """Return a description of the weights and the model they belong to."""
    model, pretrained = backbone.source
    return {
        "class_names": list(tuner.class_names_),
        "dim": backbone.dim,
        "logit_scale": tuner.head_.scale,
        "model": model,
        "pretrained": pretrained,
        "backbone": backbone.fingerprint,
        "debias_pt": versions()["debias-pt"],
    }
