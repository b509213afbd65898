"""How to read somebody's own folder or table."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from debias_pt.listings.drawing import Shares


@dataclass(frozen=True)
class OwnData:
    """How to read somebody's own folder or table.

    Parameters
    ----------
    image_column, label_column, split_column, group_column : str, optional
        Names of a table's columns; those left out are looked for under their usual names.
    attribute_columns : tuple of str
        Columns with annotated attributes, used for reports and oracles only.
    image_root : Path, optional
        Folder that a table's paths are relative to; default the table's own.
    class_names : tuple of str
        ``label=words``, where labels as written are not what should stand in a prompt.
    shares : Shares
        How splits are drawn that are not given.
    """

    image_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    attribute_columns: tuple[str, ...] = ()
    image_root: Path | None = None
    class_names: tuple[str, ...] = ()
    shares: Shares = field(default_factory=Shares)


AS_USUAL = OwnData()
