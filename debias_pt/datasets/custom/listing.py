"""What a custom data set lists: options of reading it, and one row per image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from debias_pt.datasets.splits import Shares
from debias_pt.errors import DatasetError, UsageError
from debias_pt.utils.stores.place import Place


@dataclass(frozen=True)
class Listing:
    """Images and the words given with them.

    Parameters
    ----------
    source : Path, StorePath or str
        The folder, table or shards that were read, for messages.
    root : Path or StorePath
        Folder that `ids` are relative to.
    ids : sequence of str
        Image paths, unique; N of them.
    labels : sequence of str
        The class of each, as written.
    splits : sequence of str or None
        The split of each (``"train"``, ``"val"``, ``"test"``), or None where none is given.
    attributes : mapping of str to sequence of str
        Annotated attributes, as written.
    files : mapping of str to str
        Where those images are that are not at ``root / id``: addresses in stores and tar files.
    keys : mapping of str to str
        SHA-256 of images whose content is known.

    Raises
    ------
    DatasetError
        If there is no image, or one appears twice.
    """

    source: Place | str
    root: Place
    ids: Sequence[str]
    labels: Sequence[str]
    splits: Sequence[str] | None = None
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

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


@dataclass(frozen=True)
class CustomData:
    """How to read a custom folder or table.

    Parameters
    ----------
    image_column, label_column, split_column, group_column : str, optional
        Names of a table's columns; by default the usual names are tried.
    attribute_columns : tuple of str
        Columns with annotated attributes, used for reports and oracles only.
    image_root : path-like, optional
        Folder that a table's paths are relative to; default the table's own.
    class_names : tuple of str
        ``label=words``, for labels that are not the words to use in prompts.
    shares : Shares
        How to draw splits that are not given.

    Raises
    ------
    UsageError
        If the image root is no path.
    """

    image_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    attribute_columns: tuple[str, ...] = ()
    image_root: str | os.PathLike[str] | None = None
    class_names: tuple[str, ...] = ()
    shares: Shares = field(default_factory=Shares)

    def __post_init__(self) -> None:
        if self.image_root is not None and not isinstance(self.image_root, str | os.PathLike):
            raise UsageError(f"image_root is {self.image_root!r}; the path of a folder expected")

    def refuse_columns(self, what: str) -> None:
        """Refuse options that only a table has, which would be ignored.

        Raises
        ------
        DatasetError
            Names the option and its value.
        """
        given = {
            "--image-column": self.image_column,
            "--label-column": self.label_column,
            "--split-column": self.split_column,
            "--group-column": self.group_column,
            "--attribute-column": ", ".join(self.attribute_columns),
            "--image-root": self.image_root,
        }
        for option, value in given.items():
            if value:
                raise DatasetError(f"{option} {value} is for tables, and {what}; leave it out")


AS_USUAL = CustomData()
