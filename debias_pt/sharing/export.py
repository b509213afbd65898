"""Image tower and classifier as one function of pixels: ONNX, ``torch.export``, and an open_clip checkpoint."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from debias_pt.errors import NoModelError, OutputError, UsageError
from debias_pt.models.backbone import Backbone, no_logging
from debias_pt.models.feature_backbone import ADVICE, FeatureBackbone
from debias_pt.models.heads.base import class_logits
from debias_pt.models.names import without_folders
from debias_pt.training.fit_checks import require_linear
from debias_pt.training.tuner import Tuner
from debias_pt.training.tuner_files import describe
from debias_pt.utils.files import whole_file, whole_folder, write_json, write_tensors

CHECKPOINT = ("open_clip_config.json", "open_clip_model.safetensors", "class_weights.json", "class_weights.safetensors")
NEEDED = (2, 8)  # torch, for its exporter


class ImageClassifier(nn.Module):
    """Preprocessed images to logits.

    Parameters
    ----------
    backbone : Backbone
    class_weights : Tensor, shape (K, D), or (K V, D) with several weights per class
    scale : float
        Factor from products of unit vectors to logits.
    classes : int
        K.
    """

    weights: Tensor

    def __init__(self, backbone: Backbone, class_weights: Tensor, scale: float, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.tower = _image_tower(backbone)
        self.register_buffer("weights", scale * class_weights.to(backbone.device).T.contiguous())

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``(B, K)`` of images ``(B, 3, H, W)``."""
        features = nn.functional.normalize(self.tower(images).float(), dim=-1)
        return class_logits(features @ self.weights, self.classes)


class _Encoder(nn.Module):
    """A model whose images take another way than through its image tower alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.model.encode_image(images)
        return features


def _image_tower(backbone: Backbone) -> nn.Module:
    """Return the image tower, where that is all that encodes images; a text tower need not be exported then."""
    model = backbone.model
    with torch.no_grad():
        alone = model.visual(_example(backbone))
        if isinstance(alone, Tensor) and torch.equal(alone, model.encode_image(_example(backbone))):
            tower: nn.Module = model.visual
            return tower
    return _Encoder(model)


def _example(backbone: Backbone) -> Tensor:
    """Return two preprocessed images: a batch of one would be taken for a constant."""
    from PIL import Image

    one = backbone.preprocess(Image.new("RGB", (32, 32), (90, 120, 30)))
    return torch.stack([one, one]).to(backbone.device)


def export_tuner(tuner: Tuner, path: str | Path, seed: int | None = None) -> Path:
    """Write image tower and classifier for other runtimes: preprocessed images in, logits out.

    Parameters
    ----------
    tuner : Tuner
        Fitted.
    path : path-like
        ``.onnx`` for ONNX, ``.pt2`` for ``torch.export``; a folder becomes an open_clip checkpoint
        (``local-dir:``), with the class weights beside it.
    seed : int, optional
        Which of the seeds; default the first.

    Raises
    ------
    UsageError
        If nothing was fitted; for another ending, a seed that was not fitted, a missing package, or a model that
        open_clip cannot name.

    Examples
    --------
    >>> export_tuner(tuner, "birds.onnx")                            # doctest: +SKIP
    """
    facts = describe(tuner.state())
    if isinstance(tuner.backbone, FeatureBackbone):
        raise NoModelError(f"{path}: would hold an image tower, and this tuner has features alone; {ADVICE}, or export "
                           "its class weights alone: debias-pt export")  # fmt: skip
    target, run = Path(path), _run_of(tuner, seed)
    facts |= {name: without_folders(facts[name]) for name in ("model", "pretrained")}  # it is there to be shared
    facts |= {"preprocessing": tuner.backbone.fingerprint["preprocessing"], "seed": tuner.seeds[run]}
    if target.suffix in (".onnx", ".pt2"):
        _require_torch()
        weights, classes = torch.from_numpy(tuner.class_weights_[run]), len(tuner.class_names_)
        classifier = ImageClassifier(tuner.backbone, weights, tuner.scale_, classes).eval()
        write = _write_onnx if target.suffix == ".onnx" else _write_program
        with whole_file(target) as unfinished, no_logging(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, on its own internals
            write(classifier, _example(tuner.backbone), unfinished, facts)
        return target
    if target.suffix:
        raise UsageError(f"{target}: exports end in .onnx or .pt2, or are a folder (an open_clip checkpoint)")
    return _write_checkpoint(tuner, target, run, facts)


def _run_of(tuner: Tuner, seed: int | None) -> int:
    if seed is not None and seed not in tuner.seeds:
        raise UsageError(f"seed is {seed}; this tuner has {', '.join(map(str, tuner.seeds))}")
    return 0 if seed is None else tuner.seeds.index(seed)


def _program(classifier: ImageClassifier, example: Tensor) -> Any:
    with torch.no_grad():
        shapes = {"images": {0: torch.export.Dim("batch")}}
        program = torch.export.export(classifier, (example,), dynamic_shapes=shapes, strict=False)
    for module in program.graph_module.modules():
        for node in getattr(module, "graph", program.graph).nodes:
            node.meta.pop("stack_trace", None)  # names the folders of this machine
    return program


def _write_program(classifier: ImageClassifier, example: Tensor, file: Path, facts: dict[str, Any]) -> None:
    place = file.with_name(file.name + ".pt2")  # torch insists on the ending
    try:
        torch.export.save(_program(classifier, example), place, extra_files={"debias_pt.json": json.dumps(facts)})
        place.replace(file)
    finally:
        place.unlink(missing_ok=True)


def _require_torch() -> None:
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < NEEDED:
        needed = ".".join(map(str, NEEDED))
        raise UsageError(
            f"exports to .onnx and .pt2 need torch {needed}, {torch.__version__} is here; pip install -U it"
        )


def _write_onnx(classifier: ImageClassifier, example: Tensor, file: Path, facts: dict[str, Any]) -> None:
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(f"ONNX needs {error.name}, which is not installed; pip install 'debias-pt[onnx]'") from error
    names: dict[str, Any] = {"input_names": ["images"], "output_names": ["logits"], "verbose": False}
    made = torch.onnx.export(_program(classifier, example), (), dynamo=True, **names)
    assert made is not None
    model = made.model_proto
    for name in ("class_names", "preprocessing", "oracle", "data", "seed", "debias_pt"):
        model.metadata_props.add(key=name, value=json.dumps(facts[name]))
    onnx.save(model, str(file))


def _write_checkpoint(tuner: Tuner, folder: Path, run: int, facts: dict[str, Any]) -> Path:
    """Write model and class weights as a folder that open_clip loads by ``local-dir:``."""
    foreign = sorted({file.name for file in folder.iterdir()} - set(CHECKPOINT)) if folder.is_dir() else []
    if foreign or folder.is_file():
        raise OutputError(f"{folder}: holds something else ({(foreign or [folder.name])[0]!r}); give a new folder")
    require_linear(tuner.settings, "an open_clip checkpoint")
    name = tuner.backbone.source[0]
    config = None if name is None or name.startswith("hf:") else open_clip.get_model_config(name)
    if config is None:
        raise UsageError(f"{tuner.backbone!r} is no model that open_clip loads by name; export .onnx or .pt2 instead")
    preprocessing = {key: value for key, value in facts["preprocessing"].items() if key not in ("size", "mode")}
    weights = torch.from_numpy(tuner.class_weights_[run])
    whole = {key: value.clone(memory_format=torch.contiguous_format) for key, value in _state(tuner.backbone).items()}
    with whole_folder(folder.resolve(), "path", replace=True) as unfinished:
        write_json(unfinished / CHECKPOINT[0], {"model_cfg": config, "preprocess_cfg": preprocessing})
        write_tensors(unfinished / CHECKPOINT[1], whole, {})
        write_json(unfinished / CHECKPOINT[2], {**facts, "logit_scale": tuner.scale_})
        write_tensors(unfinished / CHECKPOINT[3], {"class_weights": weights}, {**facts, "logit_scale": tuner.scale_})
    return folder


def _state(backbone: Backbone) -> dict[str, Tensor]:
    state: dict[str, Tensor] = backbone.model.state_dict()
    return state
