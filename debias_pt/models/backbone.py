"""The frozen vision-language model: any open_clip model, by the names open_clip uses."""

from __future__ import annotations

import copy
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import open_clip
import torch
from PIL import Image
from torch import Tensor, nn

from debias_pt.errors import BackboneError, DebiasError, UsageError
from debias_pt.models.hugging_face import from_transformers
from debias_pt.models.jpeg_decoder import decoder_for
from debias_pt.models.names import Source, absolute, loading_failed, resolve_names
from debias_pt.models.no_remote_code import require_no_code, tokenizer_options
from debias_pt.models.text import PromptIds, TextTower, Tokenizer, require_fit, warn_unread
from debias_pt.utils.fingerprint import digest, weights_digest

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
        ``"auto"``, ``"cpu"``, ``"cuda"`` (all GPUs), ``"cuda:N"`` or ``"cuda:N,M"``. With several, images are encoded
        on all of them, and everything else is done on the first.
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
    device : torch.device
        Where everything but images is computed.
    devices : tuple of torch.device
        Where images are encoded; the first is `device`.
    dim : int
        Size of the joint embedding, D.
    decode_at_least : int or None
        Smallest side that `draft` decoding keeps: twice the model's input size.
    decoder : DeviceDecoder or None
        Decodes on the device, if requested.
    logit_scale : float
        The model's own scale (inverse temperature) between cosine and logit.
    logit_bias : float or None
        What SigLIP's sigmoid adds to a logit; None for models trained with a softmax. Nothing here adds it: classes
        and an attribute's values exclude each other, so predictions, the probe's posterior and the losses are a softmax
        over them, in which a bias that is the same for all cancels.

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
        self.devices = resolve_devices(device)
        self.device = self.devices[0]
        self.model: Any = model.eval().requires_grad_(False).to(self.device)
        # Convolutions run about twice as fast channels-last, on CPUs and GPUs; other layers are not affected.
        self.model.visual.to(memory_format=torch.channels_last)
        self.tokenizer = tokenizer
        self.preprocess = preprocess
        self.name = name
        self.precision = precision
        self.logit_scale = float(model.get_parameter("logit_scale").detach().exp().max())
        bias = getattr(model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias.detach().max())
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

    def __sklearn_clone__(self) -> Backbone:
        """Return itself: the model is frozen, so that clones of an estimator share it."""
        return self

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
            ``"ViT-B-32-quickgelu"``, ``"hf-hub:org/repo"``, ``"local-dir:PATH"``, ``"hf:PATH_OR_NAME"`` for
            transformers' ``CLIPModel``, ``SiglipModel`` or ``Siglip2Model``, or ``"mini"``, the small model inside
            this package (pretrained on synthetic images).
        pretrained : str, optional
            A tag (``"openai"``) or a weights file for a named model; ``"TAG=FILE"`` for a file that is to be used as
            the weights of that tag. Names with ``local-dir:``, ``hf-hub:`` and ``hf:`` are accepted here too; leave
            `model` out then.
        device, precision, draft, decode
            As for the class.

        Raises
        ------
        BackboneError
            If the model or tag is unknown, or the weights do not fit or cannot be downloaded, or a package is missing.

        Warns
        -----
        DebiasWarning
            If the weights were trained with the other GELU: the model's twin is loaded then.
        """
        source = resolve_names(model, pretrained)
        made = from_transformers(source) if source.model.startswith("hf:") else _from_open_clip(source)
        try:
            backbone = cls(**made, device=device, precision=precision, draft=draft, decode=decode)
        except DebiasError:
            raise
        except Exception as error:  # a tokenizer that was read and does not work
            raise BackboneError(loading_failed(source, error)) from error
        backbone.source = absolute(source.model, source.pretrained)
        return backbone

    @property
    def text(self) -> TextTower:
        """The text tower for prompts given as embeddings."""
        return TextTower(self.model, self.tokenizer)

    @cached_property
    def replicas(self) -> tuple[Any, ...]:
        """The model on each of its devices; copied when images are first encoded on several."""
        others = tuple(copy.deepcopy(self.model).to(device) for device in self.devices[1:])
        return (self.model, *others)

    @torch.no_grad()
    def encode_images(self, images: Tensor, replica: int = 0) -> Tensor:
        """Encode preprocessed images ``(B, 3, H, W)`` to unit features ``(B, D)`` in fp32, on one of the devices.

        Raises
        ------
        UsageError
            If the precision is below fp32 and there is no GPU.
        """
        lower = self.precision != "fp32"
        if lower and self.device.type != "cuda":
            raise UsageError(f"precision {self.precision!r} needs a GPU, the device is {self.device}; use fp32")
        images = images.to(self.devices[replica], non_blocking=True, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=PRECISIONS[self.precision], enabled=lower):
            features = (self.replicas[replica] if replica else self.model).encode_image(images)
        return nn.functional.normalize(features.float(), dim=-1)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Encode whole prompts to unit features ``(n, D)`` in fp32, by the model's own ``encode_text``.

        Raises
        ------
        UsageError
            If a prompt does not fit into the text tower's context.
        """
        ids = PromptIds(self.tokenizer)
        warn_unread(getattr(self.model, "text", self.model), ids, texts)
        tokens = require_fit(ids, texts).to(self.device)
        return nn.functional.normalize(self.model.encode_text(tokens).float(), dim=-1)


def _side(preprocessing: dict[str, Any] | None) -> int:
    """Return the longer side of the model's input images."""
    size = (preprocessing or {}).get("size")
    if size is None:
        raise UsageError("draft decoding needs the size of preprocessed images, not known here; leave draft out")
    return max(size) if isinstance(size, list | tuple) else int(size)


def resolve_devices(device: str) -> tuple[torch.device, ...]:
    """Turn ``"auto"``, ``"cpu"``, ``"cuda"`` (all GPUs), ``"cuda:N"`` or ``"cuda:N,M"`` into torch devices.

    Raises
    ------
    UsageError
        If the name is none of these, a GPU is named twice, or no such GPU is present.

    Examples
    --------
    >>> resolve_devices("cpu")
    (device(type='cpu'),)
    """
    seen = torch.cuda.device_count()
    if device == "auto":
        device = "cuda" if seen else "cpu"
    if device == "cpu":
        return (torch.device("cpu"),)
    if not re.fullmatch(r"cuda(:\d+(,\d+)*)?", device):
        raise UsageError(f"unknown device {device!r}; use auto, cpu, cuda (all GPUs), cuda:N or cuda:N,M")
    numbers = [int(number) for number in device.partition(":")[2].split(",") if number] or list(range(max(seen, 1)))
    if max(numbers) >= seen:
        raise UsageError(f"device {device!r} is not there ({seen} GPUs seen); use --device cpu")
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"device {device!r} names a GPU twice; name each once")
    return tuple(torch.device("cuda", number) for number in numbers)


def _from_open_clip(source: Source) -> dict[str, Any]:
    """Return what :class:`Backbone` takes for a model of open_clip's."""
    with warnings.catch_warnings(), no_logging():
        warnings.simplefilter("ignore")  # open_clip's own; what matters is checked before
        try:
            config = open_clip.get_model_config(source.model)
            require_no_code(config, source.model)
            model, preprocess = open_clip.create_model_from_pretrained(
                source.model, pretrained=source.weights, weights_only=True, **source.options
            )
            tokenizer = open_clip.get_tokenizer(source.model, **tokenizer_options(config))
        except BackboneError:
            raise
        except Exception as error:
            raise BackboneError(loading_failed(source, error)) from error
    prefix, _, place = source.model.rpartition(":")
    return {
        "model": model,
        "tokenizer": tokenizer,
        "preprocess": preprocess,
        "name": Path(place).resolve().name if prefix == "local-dir" else source.model,
        "config": config,
        "preprocessing": json.loads(json.dumps(open_clip.get_model_preprocess_cfg(model))),
    }


@contextmanager
def no_logging() -> Iterator[None]:
    """Keep open_clip from logging to the root logger what is raised as an error anyway."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
