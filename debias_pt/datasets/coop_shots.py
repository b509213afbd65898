"""Reading the few-shot files of CoOp's code, ``shot_16-seed_1.pkl``, without running anything in them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from debias_pt.errors import DatasetError

Shot = tuple[str, int]  # path on the machine that drew it, label
SPLITS = ("train", "val")
DATUM = ("dassl.data.datasets.base_dataset", "Datum")


class _Datum:
    """Stands in for Dassl's record of one image: attributes, and nothing that could run."""


class _OnlyRecords(pickle.Unpickler):
    """Knows one name, that of the record: a file that asks for any other is refused before it is called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) != DATUM:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _Datum


def read_shots(path: Path) -> dict[str, list[Shot]]:
    """Read which images CoOp's code drew for training and validation.

    These files are pickles, whose instructions can call whatever they can name. Here they can name nothing but an
    empty class, so that lists, strings and numbers are all that comes out.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to list
        ``train`` and ``val``: path and label of every image.

    Raises
    ------
    DatasetError
        If there is no such file, or it holds anything else.
    """
    try:
        with path.open("rb") as file:
            held = _OnlyRecords(file).load()
        return {split: [_shot(one) for one in held[split]] for split in SPLITS}
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file; put CoOp's own there, or draw by its rule") from error
    except Exception as error:  # a damaged pickle can fail in any way
        reason = str(error) or type(error).__name__
        raise DatasetError(f"{path}: not a few-shot file of CoOp's code ({reason}); put its own there") from error


def _shot(one: Any) -> Shot:
    path, label = vars(one)["_impath"], vars(one)["_label"]
    if type(one) is not _Datum or type(path) is not str or type(label) is not int:
        raise TypeError("a record is not a path and a label")
    return path, label
