"""A fitted tuner as a folder: what was learned as safetensors, what it belongs to as JSON. The model is not in it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from debias_pt.errors import FingerprintError, OutputError, UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.models.names import SCHEMAS, absolute, below_home, from_home
from debias_pt.settings import FitSettings, resolve
from debias_pt.utils.files import read_json, read_tensors, whole_folder, write_json, write_tensors
from debias_pt.utils.fingerprint import digest, require_match
from debias_pt.utils.versions import versions

if TYPE_CHECKING:
    from debias_pt.training.tuner import PromptTuner

FACTS, WEIGHTS = "tuner.json", "tuner.safetensors"
CLASS_WEIGHTS = "class_weights"
HEAD = "head."


def save_tuner(
    tuner: PromptTuner, path: str | Path, more: dict[str, str] | None = None, *, portable: bool = False
) -> Path:
    """Write a fitted tuner; see :meth:`~debias_pt.training.tuner.PromptTuner.save`. `more` are further files' texts.

    With `portable`, a model that is only on this machine is left without a name; else the user's home folder is written
    as ``~`` in it.
    """
    folder, further = Path(path), more or {}
    head = tuner._head if isinstance(tuner._head, dict) else tuner.head_.state_dict()  # not to load the model for it
    if folder.exists():
        known = {FACTS, WEIGHTS, *further, "README.md"}
        foreign = sorted({file.name for file in folder.iterdir()} - known) if folder.is_dir() else [folder.name]
        if foreign:
            raise OutputError(f"{folder}: holds something else ({foreign[0]!r}); give a folder for the tuner alone")
    facts = describe(tuner)
    names = {name: facts[name] for name in ("model", "pretrained")}
    gone = portable and any(map(_is_local, names.values()))
    facts |= {name: None if gone else below_home(value) for name, value in names.items()}
    tensors = {HEAD + name: value for name, value in head.items()}
    tensors[CLASS_WEIGHTS] = torch.from_numpy(tuner.class_weights_)
    with whole_folder(folder.resolve(), "path", replace=True) as unfinished:
        write_tensors(unfinished / WEIGHTS, tensors, {"tuner": digest(facts)})
        write_json(unfinished / FACTS, facts)
        for name, text in further.items():
            (unfinished / name).write_text(text, encoding="utf-8")
    return folder


def _is_local(name: str | None) -> bool:
    """Tell whether a model's name is the path of a folder or a file, which means nothing elsewhere."""
    return name is not None and Path(name.rpartition(":")[2].rpartition("=")[2]).is_absolute()


def describe(tuner: PromptTuner) -> dict[str, Any]:
    """Return what a saved tuner says of itself, as plain JSON."""
    model, pretrained, fingerprint, _, precision = tuner._source
    return json.loads(  # type: ignore[no-any-return]
        json.dumps(
            {
                "settings": dataclasses.asdict(tuner.settings),
                "class_names": list(tuner.class_names_),
                "scale": tuner.scale_,
                "selected_steps": getattr(tuner, "selected_steps_", None),
                "inferred": tuner.inferred_,
                "oracle": tuner.oracle_,
                "data": tuner.data_,
                "model": model,
                "pretrained": pretrained,
                "precision": precision,
                "backbone": fingerprint,
                "debias_pt": versions()["debias-pt"],
            }
        )
    )


def load_tuner_state(
    path: str | Path, model: str | None, pretrained: str | None, device: str, backbone: Backbone | None
) -> dict[str, Any]:
    """Return the attributes of a saved tuner.

    Raises
    ------
    UsageError
        If there is none.
    FingerprintError
        If its files do not belong together, or `backbone` is another model.
    """
    folder = Path(path)
    if not (folder / FACTS).is_file():
        raise UsageError(f"{folder}: no saved tuner here (no {FACTS}); give the folder that PromptTuner.save wrote")
    facts = read_json(folder / FACTS)
    tensors, meta = read_tensors(folder / WEIGHTS)
    if meta.get("tuner") != digest(facts):
        raise FingerprintError(f"{folder}: {FACTS} and {WEIGHTS} do not belong together; save the tuner again")
    if backbone is not None:
        require_match(backbone.fingerprint, facts["backbone"], "the tuner's model", "give the model it was fitted with")
    source = (from_home(facts["model"]), from_home(facts["pretrained"]))
    if model is not None or pretrained is not None:
        whole = str(pretrained or "").startswith(SCHEMAS)  # such a checkpoint is both
        source = absolute(pretrained, None) if whole else absolute(model or source[0], pretrained)
    state = {
        "_backbone": backbone,
        "_source": (*source, facts["backbone"], device, facts["precision"]),
        "_head": {name.removeprefix(HEAD): value for name, value in tensors.items() if name.startswith(HEAD)},
        "settings": resolve(FitSettings, facts["settings"]),
        "class_names_": tuple(facts["class_names"]),
        "class_weights_": np.array(tensors[CLASS_WEIGHTS].numpy()),
        "scale_": facts["scale"],
        "inferred_": facts["inferred"],
        "data_": facts["data"],
        "_oracle": facts["oracle"],
    }
    return state if facts["selected_steps"] is None else {**state, "selected_steps_": facts["selected_steps"]}
