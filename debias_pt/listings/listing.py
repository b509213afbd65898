"""A list of image files with what is written about each: what every reader makes of a folder or table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from debias_pt.errors import DatasetError

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """Images and the words that stand beside them.

    Parameters
    ----------
    source : Path
        The folder or table that was read, for messages.
    root : Path
        Folder that `ids` are relative to.
    ids : sequence of str
        Image paths, unique; N of them.
    labels : sequence of str
        The class of each, as written.
    splits : sequence of str or None
        The split of each (``"train"``, ``"val"``, ``"test"``), or None where none is given.
    attributes : mapping of str to sequence of str
        Annotated attributes, as written.

    Raises
    ------
    DatasetError
        If there is no image, or one stands in it twice.
    """

    source: Path
    root: Path
    ids: Sequence[str]
    labels: Sequence[str]
    splits: Sequence[str] | None = None
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.ids:
            raise DatasetError(f"{self.source}: lists no image; give a folder of class folders, or a table of images")
        if len(set(self.ids)) < len(self.ids):
            first: dict[str, int] = {}
            for row, name in enumerate(self.ids, start=1):
                if name in first:
                    raise DatasetError(
                        f"{self.source}: rows {first[name]} and {row} are the same image, {name!r}; remove one"
                    )
                first[name] = row


def split_of(text: str) -> str | None:
    """Return the split that a word means, or None.

    Examples
    --------
    >>> split_of("Validation"), split_of("testing"), split_of("cats")
    ('val', 'test', None)
    """
    return SPLIT_NAMES.get(text.strip().lower())
