"""A fitted tuner as a folder: what was learned as safetensors, what it belongs to as JSON. The model is not in it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias_pt.errors import FingerprintError, OutputError, UsageError
from debias_pt.models.names import SCHEMAS, absolute, below_home, from_home
from debias_pt.settings import FitSettings, resolve
from debias_pt.utils.files import read_json, read_tensors, whole_folder, write_json, write_tensors
from debias_pt.utils.fingerprint import digest
from debias_pt.utils.versions import versions

FACTS, WEIGHTS = "tuner.json", "tuner.safetensors"
CLASS_WEIGHTS = "class_weights"
HEAD = "head."


@dataclass(frozen=True)
class TunerState:
    """What a fitted tuner has learned and what it belongs to, without its model.

    Parameters
    ----------
    source : tuple
        The model's name, its weights, its fingerprint, its device and its precision.
    settings : FitSettings
    class_names : tuple of str
    class_weights : ndarray of float32, shape (R, K, D)
    scale : float
        Factor from products of unit vectors to logits.
    head : dict of str to Tensor
        The head's parameters.
    data : str or None
        The name of the data it was fitted to.
    oracle : bool or None
        Whether annotated attributes were used; None if that is not known.
    inferred : dict or None
        What was inferred of the groups.
    selected_steps : list of int or None
        Updates each run's kept parameters had seen.
    """

    source: tuple[str | None, str | None, dict[str, Any], str, str]
    settings: FitSettings
    class_names: tuple[str, ...]
    class_weights: NDArray[np.float32]
    scale: float
    head: dict[str, Tensor]
    data: str | None
    oracle: bool | None
    inferred: dict[str, Any] | None
    selected_steps: list[int] | None


def write_tuner(
    state: TunerState, path: str | Path, more: Mapping[str, str] | None = None, *, portable: bool = False
) -> Path:
    """Write a tuner's folder; an older tuner there is replaced as a whole.

    Parameters
    ----------
    state : TunerState
    path : path-like
        A new folder, or one that holds a saved tuner.
    more : mapping of str to str, optional
        Names and texts of further files.
    portable : bool
        Leave out the name of a model that is only on this machine. Otherwise the home folder is written as ``~`` in it.

    Raises
    ------
    OutputError
        If the folder holds anything else, or cannot be written to.
    """
    folder, further = Path(path), more or {}
    if folder.exists():
        known = {FACTS, WEIGHTS, *further, "README.md"}
        foreign = sorted({file.name for file in folder.iterdir()} - known) if folder.is_dir() else [folder.name]
        if foreign:
            raise OutputError(f"{folder}: holds something else ({foreign[0]!r}); give a folder for the tuner alone")
    facts = describe(state)
    names = {name: facts[name] for name in ("model", "pretrained")}
    gone = portable and any(map(_is_local, names.values()))
    facts |= {name: None if gone else below_home(value) for name, value in names.items()}
    tensors = {HEAD + name: value for name, value in state.head.items()}
    tensors[CLASS_WEIGHTS] = torch.from_numpy(state.class_weights)
    with whole_folder(folder.resolve(), "path", replace=True) as unfinished:
        write_tensors(unfinished / WEIGHTS, tensors, {"tuner": digest(facts)})
        write_json(unfinished / FACTS, facts)
        for name, text in further.items():
            (unfinished / name).write_text(text, encoding="utf-8")
    return folder


def _is_local(name: str | None) -> bool:
    """Tell whether a model's name is the path of a folder or a file, which means nothing elsewhere."""
    return name is not None and Path(name.rpartition(":")[2].rpartition("=")[2]).is_absolute()


def describe(state: TunerState) -> dict[str, Any]:
    """Return what a saved tuner says of itself, as plain JSON."""
    model, pretrained, fingerprint, _, precision = state.source
    return json.loads(  # type: ignore[no-any-return]
        json.dumps(
            {
                "settings": dataclasses.asdict(state.settings),
                "class_names": list(state.class_names),
                "scale": state.scale,
                "selected_steps": state.selected_steps,
                "inferred": state.inferred,
                "oracle": state.oracle,
                "data": state.data,
                "model": model,
                "pretrained": pretrained,
                "precision": precision,
                "backbone": fingerprint,
                "debias_pt": versions()["debias-pt"],
            }
        )
    )


def read_tuner(
    path: str | Path, *, model: str | None = None, pretrained: str | None = None, device: str = "cpu"
) -> TunerState:
    """Read what :func:`write_tuner` wrote.

    Parameters
    ----------
    path : path-like
        The folder.
    model, pretrained : str, optional
        Where the model is now, if it has moved.
    device : str
        Where to load the model.

    Raises
    ------
    UsageError
        If there is no saved tuner.
    FingerprintError
        If its files do not belong together.
    """
    folder = Path(path)
    if not (folder / FACTS).is_file():
        raise UsageError(f"{folder}: no saved tuner here (no {FACTS}); give the folder that Tuner.save wrote")
    facts = read_json(folder / FACTS)
    tensors, meta = read_tensors(folder / WEIGHTS)
    if meta.get("tuner") != digest(facts):
        raise FingerprintError(f"{folder}: {FACTS} and {WEIGHTS} do not belong together; save the tuner again")
    source = (from_home(facts["model"]), from_home(facts["pretrained"]))
    if model is not None or pretrained is not None:
        whole = str(pretrained or "").startswith(SCHEMAS)  # such a checkpoint is both
        source = absolute(pretrained, None) if whole else absolute(model or source[0], pretrained)
    return TunerState(
        source=(*source, facts["backbone"], device, facts["precision"]),
        settings=resolve(FitSettings, facts["settings"]),
        class_names=tuple(facts["class_names"]),
        class_weights=np.array(tensors[CLASS_WEIGHTS].numpy()),
        scale=facts["scale"],
        head={name.removeprefix(HEAD): value for name, value in tensors.items() if name.startswith(HEAD)},
        data=facts["data"],
        oracle=facts["oracle"],
        inferred=facts["inferred"],
        selected_steps=facts["selected_steps"],
    )
