"""Decoding JPEG files where the model runs: worker processes read bytes, the device decodes, resizes and normalises."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from torch import Tensor
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize
from torchvision.transforms.functional import resize

from debias_pt.errors import UsageError

DECODE = ("cpu", "device")
ORIENTATION = 0x0112  # Exif tag; 1 is upright
END_OF_IMAGE = b"\xff\xd9"
# What of open_clip's preprocessing is done here; anything else is refused.
KNOWN: dict[str, tuple[str, ...]] = {
    "mode": ("RGB",),
    "resize_mode": ("shortest", "squash"),
    "interpolation": ("bicubic", "bilinear"),
}


def read_jpeg(path: str | Path, content: bytes | None = None) -> Tensor | None:
    """Read a JPEG file of the kind that all decoders understand alike: colours as YCbCr, upright, complete.

    Parameters
    ----------
    path : str or Path
        The file.
    content : bytes, optional
        Its content, if it is at hand.

    Returns
    -------
    Tensor or None
        Its bytes ``(n,)``, uint8. None for everything else (other formats, greyscale, CMYK, colours stored as RGB,
        an Exif orientation, no end mark, unreadable), which
        :func:`debias_pt.datasets.images.open_rgb` is to read or refuse.

    Examples
    --------
    >>> read_jpeg("missing.jpg") is None
    True
    """
    try:
        data = Path(path).read_bytes() if content is None else content
        with Image.open(io.BytesIO(data)) as image:  # reads the header only
            plain = image.format == "JPEG" and image.mode == "RGB" and _is_ycc(image)
            whole = image.getexif().get(ORIENTATION, 1) == 1 and data.endswith(END_OF_IMAGE)
    except Exception:  # whatever Pillow raises on damaged headers: open_rgb reports it with the path
        return None
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if plain and whole else None


def _is_ycc(image: Any) -> bool:
    """Tell by Adobe's marker, or the components' names, whether the colours are YCbCr and not RGB as they are."""
    return bool(image.info.get("adobe_transform", 1) == 1 and image.layer[0][0] != ord("R"))


class DeviceDecoder:
    """From JPEG files' bytes to what a model takes: torchvision's decoder (nvJPEG on a GPU), resize, crop, normalise.

    Resizing is antialiased, in two 8-bit passes as in Pillow; pixels are close to Pillow's but not equal.

    Parameters
    ----------
    preprocessing : mapping or None
        open_clip's preprocessing settings: size, mode, mean, std, interpolation, resize_mode.
    device : torch.device
        Where to decode.

    Raises
    ------
    UsageError
        If the preprocessing is not known here, or this torchvision does not decode on the device.

    Examples
    --------
    >>> config = {"size": 8, "mode": "RGB", "mean": [0.5] * 3, "std": [0.5] * 3}
    >>> config |= {"interpolation": "bicubic", "resize_mode": "shortest"}
    >>> decoder = DeviceDecoder(config, torch.device("cpu"))
    >>> decoder([torch.zeros(9, dtype=torch.uint8)])  # no JPEG file
    [None]
    """

    def __init__(self, preprocessing: Mapping[str, Any] | None, device: torch.device) -> None:
        self.device = device
        self._crop, self._normalise = _transforms(preprocessing or {})
        file = io.BytesIO()
        Image.new("RGB", (16, 16)).save(file, "JPEG")
        try:
            self._decode([torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)])
        except (AttributeError, NotImplementedError, RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UsageError(
                f"torchvision {torchvision.__version__} does not decode JPEG files on {device} ({reason}); "
                "use --decode cpu"
            ) from error

    @torch.no_grad()
    def __call__(self, files: Sequence[Tensor]) -> list[Tensor | None]:
        """Decode and preprocess files.

        Parameters
        ----------
        files : sequence of Tensor
            What :func:`read_jpeg` returns, on the CPU.

        Returns
        -------
        list of Tensor or None
            Images ``(3, H, W)`` on the device; None for a file that the decoder refuses.
        """
        try:
            images = self._decode(files)
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError:  # one bad file fails the whole batch: find it
            return [None] if len(files) == 1 else [self([file])[0] for file in files]
        pixels = torch.stack([self._crop(image) for image in images])
        return list(self._normalise(pixels.float() / 255))

    def _decode(self, files: Sequence[Tensor]) -> list[Tensor]:
        """Return uint8 images ``(3, H, W)``, each of its own size."""
        with warnings.catch_warnings():
            # Since 0.29 torchvision announces that its decoders will move to torchcodec; __init__ notices when they do.
            warnings.simplefilter("ignore", DeprecationWarning)
            mode = torchvision.io.ImageReadMode.RGB
            decoded: list[Tensor] = torchvision.io.decode_jpeg(list(files), mode=mode, device=self.device)
        return decoded


def decoder_for(
    decode: str, preprocessing: Mapping[str, Any] | None, asked: str, device: torch.device, draft: bool
) -> DeviceDecoder | None:
    """Return the device's decoder, or None if Pillow decodes.

    Parameters
    ----------
    decode : {"cpu", "device"}
        Where to decode.
    preprocessing : mapping or None
        As for :class:`DeviceDecoder`.
    asked, device : str, torch.device
        The device as named, and as resolved.
    draft : bool
        Whether draft decoding was requested too.

    Raises
    ------
    UsageError
        If that is not possible.

    Examples
    --------
    >>> decoder_for("cpu", None, "auto", torch.device("cpu"), False) is None
    True
    """
    if decode not in DECODE:
        raise UsageError(f"decode is {decode!r}; {' or '.join(DECODE)} expected")
    if decode == "cpu":
        return None
    if draft:
        raise UsageError("draft and decode 'device' are two ways of decoding; choose one")
    if asked == "auto" and device.type == "cpu":
        raise UsageError(
            "decode is 'device', but no GPU is seen; use --decode cpu, or --device cpu for torchvision's decoder there"
        )
    return DeviceDecoder(preprocessing, device)


def _transforms(preprocessing: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return a function that resizes any image to the model's input, and one that normalises a batch."""
    for name, known in KNOWN.items():
        if preprocessing.get(name) not in known:
            raise _unknown(name, preprocessing.get(name), " or ".join(known))
    size, squash = preprocessing.get("size"), preprocessing["resize_mode"] == "squash"
    height, width = size if isinstance(size, list | tuple) and len(size) == 2 else (size, size)
    if not isinstance(height, int) or not isinstance(width, int) or (height != width and not squash):
        raise _unknown("size", size, "a square")
    for name in ("mean", "std"):
        if not isinstance(preprocessing.get(name), list | tuple) or len(preprocessing[name]) != 3:
            raise _unknown(name, preprocessing.get(name), "three numbers")
    scale = _Resize(height, width, squash, InterpolationMode(preprocessing["interpolation"]))
    return Compose([scale, CenterCrop((height, width))]), Normalize(preprocessing["mean"], preprocessing["std"])


@dataclass(frozen=True)
class _Resize:
    """Resize to height and width, or, unless squashed, to that length of the shorter side."""

    height: int
    width: int
    squash: bool
    way: InterpolationMode

    def __call__(self, image: Tensor) -> Tensor:
        rows, columns = image.shape[-2:]
        height, width = self.height, self.width
        if not self.squash:  # the longer side is cut to whole pixels, as torchvision does it for Pillow's images
            short = min(rows, columns)
            height, width = int(height * rows / short), int(width * columns / short)
        # Pillow rounds and clips between its passes, across first (Pillow 13: down first, where that is cheaper). One
        # pass in floats differs by up to 15 of 255, where the bicubic kernel overshoots.
        across: Tensor = resize(image, [rows, width], self.way, antialias=True)
        resized: Tensor = resize(across, [height, width], self.way, antialias=True)
        return resized


def _unknown(name: str, value: object, known: str) -> UsageError:
    return UsageError(
        f"decoding on the device, but the preprocessing's {name} is {value!r}; {known} expected: use --decode cpu"
    )
