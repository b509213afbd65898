"""The frozen vision-language model: any open_clip model, by the names open_clip uses."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
import torch
from PIL import Image
from torch import Tensor, nn

from debias_pt.errors import BackboneError, UsageError
from debias_pt.models.jpeg_decoder import decoder_for
from debias_pt.models.text import TextTower, Tokenizer, require_fit, warn_unread
from debias_pt.utils.fingerprint import digest, weights_digest
from debias_pt.utils.registry import nearest
from debias_pt.utils.words import shortened

SCHEMAS = ("local-dir:", "hf-hub:")
# Checkpoints inside the package, by folder name: the miniature's model.
BUILT_IN = Path(__file__).parent
# Draft decoding keeps both sides of an image at least this many times the model's input size.
DRAFT_TIMES = 2
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Backbone:
    """A frozen CLIP-like model with its tokenizer, preprocessing and fingerprint.

    Parameters
    ----------
    model : nn.Module
        An open_clip model; it is set to ``eval`` and frozen in place.
    tokenizer : callable
        List of strings to token ids ``(n, context length)``.
    preprocess : callable
        PIL image to tensor ``(3, H, W)``.
    name : str
        What to call the model in results.
    config : dict, optional
        The model's architecture settings, for the fingerprint.
    preprocessing : dict, optional
        The preprocessing's settings, for the fingerprint; default its ``repr``.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    precision : {"fp32", "bf16", "fp16"}
        Precision of image encoding on a GPU. Text encoding and everything learned stay in fp32.
    draft : bool
        Decode large JPEG files at a smaller scale; see :func:`debias_pt.datasets.images.open_rgb`.
        Part of the fingerprint.
    decode : {"cpu", "device"}
        Where JPEG files are decoded: by Pillow in worker processes, or by torchvision on `device` (nvJPEG on a GPU).
        The latter is part of the fingerprint.

    Attributes
    ----------
    source : tuple of str or None
        Model and weights as open_clip takes them, of a model that :meth:`load` loaded; paths are absolute.
    fingerprint : dict
        Weights' content hash, architecture, QuickGELU, preprocessing and precision: what features depend
        on. The name is not part of it: a checkpoint may be moved or renamed.
    dim : int
        Size of the joint embedding, D.
    decode_at_least : int or None
        Smallest side that `draft` decoding keeps: twice the model's input size.
    decoder : DeviceDecoder or None
        Decodes on the device, if requested.
    logit_scale : float
        The model's own scale (inverse temperature) between cosine and logit.

    Examples
    --------
    >>> backbone = Backbone.load("ViT-B-32-quickgelu", "openai")        # doctest: +SKIP
    >>> backbone.encode_text(["a photo of a landbird."]).shape           # doctest: +SKIP
    torch.Size([1, 512])
    """

    source: tuple[str | None, str | None] = (None, None)

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Tokenizer,
        preprocess: Callable[[Image.Image], Tensor],
        *,
        name: str,
        config: dict[str, Any] | None = None,
        preprocessing: dict[str, Any] | None = None,
        device: str = "cpu",
        precision: str = "fp32",
        draft: bool = False,
        decode: str = "cpu",
    ) -> None:
        if precision not in PRECISIONS:
            raise UsageError(f"unknown precision {precision!r}; use {', '.join(PRECISIONS)}")
        self.device = resolve_device(device)
        self.model: Any = model.eval().requires_grad_(False).to(self.device)
        # Convolutions run about twice as fast channels-last, on CPUs and GPUs; other layers are not affected.
        self.model.visual.to(memory_format=torch.channels_last)
        self.tokenizer = tokenizer
        self.preprocess = preprocess
        self.name = name
        self.precision = precision
        self.logit_scale = float(model.get_parameter("logit_scale").detach().exp().max())
        self.fingerprint: dict[str, Any] = {
            "weights": weights_digest(self.model),
            "config": digest(config),
            "quick_gelu": any(type(module).__name__ == "QuickGELU" for module in self.model.modules()),
            "preprocessing": preprocessing or re.sub(r" at 0x\w+", "", repr(preprocess)),
            "precision": precision,
        }
        self.decode_at_least = DRAFT_TIMES * _side(preprocessing) if draft else None
        if draft:  # without it, the fingerprint stays what it always was
            self.fingerprint["decoding"] = f"draft, {self.decode_at_least} pixels"
        self.decoder = decoder_for(decode, preprocessing, device, self.device, draft)
        if self.decoder is not None:
            self.fingerprint["decoding"] = f"torchvision on {self.device.type}"
        self.dim = int(self.encode_text([""]).shape[-1])

    def __repr__(self) -> str:
        """Name the model, its precision and its device."""
        return f"Backbone({self.name!r}, {self.dim} features, {self.precision}, {self.device})"

    @classmethod
    def load(
        cls,
        model: str | None = None,
        pretrained: str | None = None,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        draft: bool = False,
        decode: str = "cpu",
    ) -> Backbone:
        """Load a model by the names open_clip uses.

        Parameters
        ----------
        model : str, optional
            ``"ViT-B-32-quickgelu"``, ``"hf-hub:org/repo"``, ``"local-dir:PATH"``, or ``"mini"``, the small
            model inside this package (pretrained on synthetic images).
        pretrained : str, optional
            A tag (``"openai"``) or a weights file for a named model; ``local-dir:`` and ``hf-hub:``
            are accepted here too; leave `model` out then.
        device, precision, draft, decode
            As for the class.

        Raises
        ------
        BackboneError
            If the model or tag is unknown, or the weights do not fit, cannot be downloaded, or were
            trained with the other GELU.
        """
        source, tag = _resolve_names(model, pretrained)
        with warnings.catch_warnings(), _no_logging():
            warnings.simplefilter("ignore")  # open_clip's own; what matters is checked before
            try:
                loaded, preprocess = open_clip.create_model_from_pretrained(source, pretrained=tag)
                tokenizer = open_clip.get_tokenizer(source)
            except Exception as error:
                raise BackboneError(_loading_failed(source, tag, error)) from error
        prefix, _, place = source.rpartition(":")
        name = Path(place).resolve().name if prefix == "local-dir" else source
        backbone = cls(
            loaded,
            tokenizer,
            preprocess,
            name=name,
            config=open_clip.get_model_config(source),
            preprocessing=json.loads(json.dumps(open_clip.get_model_preprocess_cfg(loaded))),
            device=device,
            precision=precision,
            draft=draft,
            decode=decode,
        )
        backbone.source = absolute(source, tag)
        return backbone

    @property
    def text(self) -> TextTower:
        """The text tower for prompts given as embeddings; refuses towers that it does not support."""
        return TextTower(self.model, self.tokenizer)

    @torch.no_grad()
    def encode_images(self, images: Tensor) -> Tensor:
        """Encode preprocessed images ``(B, 3, H, W)`` to unit features ``(B, D)`` in fp32.

        Raises
        ------
        UsageError
            If the precision is below fp32 and there is no GPU.
        """
        lower = self.precision != "fp32"
        if lower and self.device.type != "cuda":
            raise UsageError(f"precision {self.precision!r} needs a GPU, the device is {self.device}; use fp32")
        images = images.to(self.device, non_blocking=True, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=PRECISIONS[self.precision], enabled=lower):
            features = self.model.encode_image(images)
        return nn.functional.normalize(features.float(), dim=-1)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Encode whole prompts to unit features ``(n, D)`` in fp32, by the model's own ``encode_text``.

        Raises
        ------
        UsageError
            If a prompt does not fit into the text tower's context.
        """
        warn_unread(getattr(self.model, "text", self.model), self.tokenizer, texts)
        tokens = require_fit(self.tokenizer, texts).to(self.device)
        return nn.functional.normalize(self.model.encode_text(tokens).float(), dim=-1)


def _side(preprocessing: dict[str, Any] | None) -> int:
    """Return the longer side of the model's input images."""
    size = (preprocessing or {}).get("size")
    if size is None:
        raise UsageError("draft decoding needs the size of preprocessed images, not known here; leave draft out")
    return max(size) if isinstance(size, list | tuple) else int(size)


def absolute(model: str | None, pretrained: str | None) -> tuple[str | None, str | None]:
    """Return model and weights with absolute paths; names and tags stay as they are.

    Examples
    --------
    >>> absolute("ViT-B-32-quickgelu", "openai")
    ('ViT-B-32-quickgelu', 'openai')
    """
    if pretrained is not None and Path(pretrained).is_file():
        pretrained = str(Path(pretrained).resolve())
    return _absolute_dir(model), _absolute_dir(pretrained)


def _absolute_dir(name: str | None) -> str | None:
    if name is None or not name.startswith("local-dir:"):
        return name
    return f"local-dir:{Path(name.partition(':')[2]).resolve()}"


def resolve_device(device: str) -> torch.device:
    """Turn ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"`` into a torch device.

    Raises
    ------
    UsageError
        If the name is none of these, or no such GPU is present.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise UsageError(f"unknown device {device!r}; use auto, cpu, cuda or cuda:N")
    index = int(device.partition(":")[2] or 0)
    if device.startswith("cuda") and index >= torch.cuda.device_count():
        raise UsageError(f"device {device!r} is not there ({torch.cuda.device_count()} GPUs seen); use --device cpu")
    return torch.device(device)


@contextmanager
def _no_logging() -> Iterator[None]:
    """Keep open_clip from logging to the root logger what is raised as an error anyway."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _resolve_names(model: str | None, pretrained: str | None) -> tuple[str, str | None]:
    """Return what open_clip takes as (model, pretrained), or refuse with the nearest known name."""
    if pretrained is not None and pretrained.startswith(SCHEMAS):
        if model is not None and model != pretrained:
            raise BackboneError(
                f"model {model!r} and pretrained {pretrained!r} name two models; leave the model out, "
                f"{pretrained.partition(':')[0]} brings its own"
            )
        model, pretrained = pretrained, None
    if model is None:
        raise BackboneError(f"no model given (pretrained is {pretrained!r}); give --model NAME")
    if model == "mini" and pretrained is None:
        return f"local-dir:{BUILT_IN / model}", None
    if model.startswith(SCHEMAS):
        if pretrained is not None:
            raise BackboneError(f"{model!r} brings its own weights, yet pretrained is {pretrained!r}; leave it out")
        if model.startswith("local-dir:"):
            _require_local_dir(Path(model.partition(":")[2]))
        return model, None
    if model == "mini":
        raise BackboneError(f"'mini' brings its own weights, yet pretrained is {pretrained!r}; leave it out")
    known, model = ["mini", *open_clip.list_models()], model.replace("/", "-")  # open_clip takes ViT-B/32 for ViT-B-32
    if model not in known:
        raise BackboneError(
            f"unknown model {model!r}{nearest(model, known)}; open_clip.list_models() lists all {len(known) - 1}, "
            "local-dir:PATH and hf-hub:ORG/REPO work too"
        )
    _require_weights(model, pretrained, open_clip.list_pretrained_tags_by_model(model))
    return model, pretrained


def _require_local_dir(folder: Path) -> None:
    if not (folder / "open_clip_config.json").is_file():
        raise BackboneError(f"{folder}: no open_clip_config.json here; give the folder of an open_clip checkpoint")
    if not any(file.suffix in (".safetensors", ".bin", ".pth") for file in folder.iterdir()):
        raise BackboneError(f"{folder}: no weights here (*.safetensors, *.bin, *.pth); give a whole checkpoint")


def _require_weights(model: str, pretrained: str | None, tags: list[str]) -> None:
    if pretrained is None:
        raise BackboneError(f"no weights given for {model!r}; give --pretrained, known tags: {', '.join(tags)}")
    if pretrained not in tags and not Path(pretrained).is_file():
        raise BackboneError(
            f"unknown pretrained tag {pretrained!r} for {model!r}{nearest(pretrained, tags)}, and no such file; "
            f"known tags: {', '.join(tags)}"
        )
    if pretrained in tags:
        # Weights run with the other GELU give plausible, wrong numbers (open_clip issues 441 and 771).
        trained_with = bool(open_clip.get_pretrained_cfg(model, pretrained).get("quick_gelu", False))
        runs_with = bool(open_clip.get_model_config(model).get("quick_gelu", False))
        if trained_with != runs_with:
            other = model.removesuffix("-quickgelu") if runs_with else f"{model}-quickgelu"
            raise BackboneError(
                f"{pretrained!r} was trained with quick_gelu={trained_with}, {model!r} has quick_gelu={runs_with}; "
                f"use --model {other}"
            )


def _loading_failed(source: str, tag: str | None, error: Exception) -> str:
    if source.startswith("local-dir:") or (tag is not None and Path(tag).is_file()):
        reason = shortened(str(error), 160)
        return f"the weights {tag or source!r} do not fit the model {source!r}: {reason}; give weights made for it"
    return (
        f"cannot load {source!r} with weights {tag!r}: {shortened(str(error), 200)}; without internet, download the "
        "checkpoint elsewhere and give --pretrained local-dir:PATH or a weights file"
    )
