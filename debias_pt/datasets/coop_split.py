"""Reading CoOp's split files: ``split_zhou_*.json``, and FGVC-Aircraft's text files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from debias_pt.datasets.splits import SPLITS
from debias_pt.errors import DatasetError, UsageError
from debias_pt.utils.files import read_json
from debias_pt.utils.words import shortened

Item = tuple[str, int, str]  # path below the images' folder, label, class name
FORM = "a JSON object with lists train, val and test of [path, label, class name]"


def read_split(path: Path) -> dict[str, list[Item]]:
    """Read ``split_zhou_*.json``.

    Returns
    -------
    dict of str to list
        Path, label and class name of every image, by split.

    Raises
    ------
    DatasetError
        If it is not of that form, a label has two names or a gap below it, a path leads out of the
        folder, or an image appears twice; names the row.
    """
    try:
        raw = read_json(path)
    except UsageError as error:
        raise DatasetError(f"{error}; put CoOp's own file there") from error
    if not isinstance(raw, dict) or not all(isinstance(raw.get(split), list) for split in SPLITS):
        raise DatasetError(f"{path}: not {FORM}; put CoOp's own file there")
    items = {split: [_item(path, split, row, one) for row, one in enumerate(raw[split])] for split in SPLITS}
    require_consistent(path, items)
    return items


def _item(path: Path, split: str, row: int, one: Any) -> Item:
    if not (
        isinstance(one, list)
        and [type(value) for value in one] == [str, int, str]
        and one[0]
        and one[1] >= 0
        and one[2].strip()
    ):
        raise DatasetError(
            f"{path}: row {row + 1} of {split} is {shortened(str(one), 80)}; [path, label, class name] expected"
        )
    place = PurePosixPath(one[0])
    if place.is_absolute() or ".." in place.parts:
        raise DatasetError(f"{path}: row {row + 1} of {split} leads out of the folder, {one[0]!r}; correct it")
    return one[0], one[1], one[2]


def require_consistent(path: Path, items: Mapping[str, list[Item]]) -> None:
    """Raise for splits without images, labels with two names or gaps, and images that appear twice.

    Raises
    ------
    DatasetError
        Names the file and the first that is wrong.
    """
    names: dict[int, str] = {}
    seen: dict[str, str] = {}
    for split in SPLITS:
        if not items[split]:
            raise DatasetError(f"{path}: no images in {split}; put CoOp's own file there")
        for row, (image, label, name) in enumerate(items[split], start=1):
            if names.setdefault(label, name) != name:
                raise DatasetError(f"{path}: row {row} of {split} calls label {label} {name!r}, not {names[label]!r}")
            if image in seen:
                raise DatasetError(f"{path}: row {row} of {split}, {image!r}, is in {seen[image]} too; correct it")
            seen[image] = split
    gap = next((label for label in range(len(names)) if label not in names), None)
    if gap is not None:
        raise DatasetError(f"{path}: no image has label {gap}, yet one has {max(names)}; labels must be 0 to K - 1")


def read_variants(folder: Path) -> dict[str, list[Item]]:
    """Read FGVC-Aircraft's ``variants.txt`` and ``images_variant_*.txt``: lines of an image's number and its variant.

    Raises
    ------
    DatasetError
        If a line names no known variant, or the splits are not consistent; names file and line.
    """
    variants = _lines(folder / "variants.txt")
    label = {variant: k for k, variant in enumerate(variants)}
    items: dict[str, list[Item]] = {}
    for split in SPLITS:
        file = folder / f"images_variant_{split}.txt"
        items[split] = []
        for number, line in enumerate(_lines(file), start=1):
            image, _, variant = line.partition(" ")
            if variant not in label:
                raise DatasetError(f"{file}: line {number} names the variant {variant!r}; one of variants.txt expected")
            items[split].append((f"{image}.jpg", label[variant], variant))
    require_consistent(folder / "images_variant_*.txt", items)
    return items


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: cannot read ({error}); unpack the data set again") from error
