"""How faster encoding changes the features: ``python -m studies.encoding_numerics DATASET``.

Compares bf16 with fp32, and other ways to decode JPEG files with Pillow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image
from torch import Tensor, nn

from debias_pt.benchmarks.shared.tables import Table, markdown_table
from debias_pt.benchmarks.speed.case import SpeedCase, load_case
from debias_pt.benchmarks.speed.section_tables import figure
from debias_pt.benchmarks.speed.suite import QUICK_ROUNDS, ROUNDS
from debias_pt.benchmarks.speed.timing import compare
from debias_pt.datasets.images import open_rgb
from debias_pt.errors import UsageError
from debias_pt.features.loader import default_batch_size
from debias_pt.models.backbone import DRAFT_TIMES
from debias_pt.models.jpeg_decoder import DeviceDecoder, read_jpeg
from debias_pt.models.zero_shot import zero_shot_weights
from debias_pt.settings import TrainSettings

ENLARGED = 2000  # the shorter side, as a photograph's


def measure(case: SpeedCase) -> tuple[list[dict[str, Any]], str]:
    """Compare features and zero-shot predictions; return what was found, and a note."""
    test = np.flatnonzero(case.dataset.split == "test")
    rows = test[np.linspace(0, len(test) - 1, min(len(test), 64 if case.quick else 1024)).astype(int)]
    paths = [case.dataset.root / case.dataset.ids[row] for row in rows]
    pixels = [case.backbone.preprocess(open_rgb(path)) for path in paths]
    found = [_compared(case, "bf16 (autocast) for fp32", _encode(case, pixels), _encode(case, pixels, torch.bfloat16))]
    found.append(_draft(case, paths[: 16 if case.quick else 128]))
    note = (
        f"zero-shot predictions of {len(case.dataset.class_names)} classes; enlarged images are smoother than real ones"
    )
    try:
        found.append(_device_decoding(case, paths, pixels))
    except UsageError as error:
        note += f"; decoding on the device is not compared: {error}"
    return found, note


def _draft(case: SpeedCase, paths: Sequence[Path]) -> dict[str, Any]:
    """Decode enlarged images whole and at a smaller scale."""
    at_least = DRAFT_TIMES * int(np.max(case.backbone.model.visual.image_size))
    with tempfile.TemporaryDirectory() as folder:
        large = [_enlarged(path, Path(folder, f"{i}.jpg")) for i, path in enumerate(paths)]

        def read(limit: int | None) -> Callable[[], list[Tensor]]:
            return lambda: [case.backbone.preprocess(open_rgb(path, limit)) for path in large]

        timings = compare({"whole": read(None), "draft": read(at_least)}, case.rounds)
        faster = timings["whole"].ratio_to(timings["draft"])
        whole, draft = (_encode(case, read(limit)()) for limit in (None, at_least))
    name = f"draft decoding for whole, images enlarged to {ENLARGED} px"
    return {**_compared(case, name, whole, draft), "reading_times_as_fast": faster.median}


def _device_decoding(case: SpeedCase, paths: Sequence[Path], pixels: Sequence[Tensor]) -> dict[str, Any]:
    """Decode on the device what it takes; one process, as here, says nothing about time."""
    preprocessing, device = case.backbone.fingerprint["preprocessing"], case.backbone.device
    decoder = DeviceDecoder(preprocessing if isinstance(preprocessing, dict) else None, device)
    files = {row: file for row, path in enumerate(paths) if (file := read_jpeg(path)) is not None}
    found = {row: image for row, file in files.items() if (image := decoder([file])[0]) is not None}
    if not found:
        raise UsageError("no image is a plain JPEG file")
    whole, other = _encode(case, [pixels[row] for row in found]), _encode(case, list(found.values()))
    return _compared(case, f"decoded by torchvision on {device.type} for Pillow's", whole, other)


def _enlarged(path: Path, target: Path) -> Path:
    image = open_rgb(path)
    scale = ENLARGED / min(image.size)
    size = (round(scale * image.width), round(scale * image.height))
    image.resize(size, Image.Resampling.BICUBIC).save(target, quality=90)
    return target


@torch.no_grad()
def _encode(case: SpeedCase, pixels: Sequence[Tensor], lower: torch.dtype | None = None) -> Tensor:
    device, size = case.backbone.device, default_batch_size(case.backbone)
    parts = []
    for first in range(0, len(pixels), size):
        batch = torch.stack(list(pixels[first : first + size])).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=lower, enabled=lower is not None):
            parts.append(case.backbone.model.encode_image(batch).float())
    return nn.functional.normalize(torch.cat(parts), dim=-1)


def _compared(case: SpeedCase, name: str, features: Tensor, others: Tensor) -> dict[str, Any]:
    cosine = (features * others).sum(dim=-1)
    words = zero_shot_weights(case.backbone, case.dataset.class_names).to(features.device)
    before, after = ((part @ words.T).argmax(dim=-1) for part in (features, others))
    return {
        "name": name,
        "images": len(features),
        "mean_cosine": float(cosine.mean()),
        "least_cosine": float(cosine.min()),
        "changed_predictions": float((before != after).float().mean()),
    }


def numerics_table(found: Sequence[dict[str, Any]]) -> Table:
    """Return a line for every comparison."""
    header = ["", "images", "mean cosine", "least cosine", "changed predictions, %", "reading faster"]
    lines = []
    for row in found:
        faster = f"{figure(row['reading_times_as_fast'])}x" if "reading_times_as_fast" in row else "-"
        cosines = [f"{row[key]:.6f}" for key in ("mean_cosine", "least_cosine")]
        lines.append([row["name"], str(row["images"]), *cosines, f"{100 * row['changed_predictions']:.1f}", faster])
    return header, lines


def main(
    dataset: Annotated[str, typer.Argument(help="As for debias-pt train.")] = "waterbirds-mini",
    data_root: Annotated[str, typer.Option(help="Where the data are.")] = TrainSettings.data_root,
    pretrained: Annotated[str | None, typer.Option(help="The model's weights.")] = None,
    device: str = "auto",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer images and rounds.")] = False,
) -> None:
    """Print a Markdown table."""
    settings = TrainSettings(dataset=dataset, data_root=data_root, pretrained=pretrained, device=device)
    case = load_case(settings, rounds=QUICK_ROUNDS if quick else ROUNDS, quick=quick, random_weights=False)
    found, note = measure(case)
    print(markdown_table(*numerics_table(found), left=1), note, sep="\n\n")


if __name__ == "__main__":
    typer.run(main)
