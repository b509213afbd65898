"""Which images each run is right about, in few characters: what paired differences between rows are made of."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.groups.paired import average_difference, worst_group_difference


def pack(right: NDArray[np.bool_]) -> list[str]:
    """Return answers ``(R, N)`` as one text per run.

    Examples
    --------
    >>> pack(np.array([[True, False, True]]))
    ['oA==']
    """
    return [base64.b64encode(row.tobytes()).decode() for row in np.packbits(right, axis=1)]


def unpack(texts: Sequence[str], n: int) -> NDArray[np.bool_]:
    """Return what :func:`pack` packed of `n` images.

    Examples
    --------
    >>> unpack(["oA=="], 3)
    array([[ True, False,  True]])
    """
    rows = [np.frombuffer(base64.b64decode(text), dtype=np.uint8) for text in texts]
    return np.unpackbits(np.stack(rows), axis=1, count=n).astype(bool)


def add_differences(rows: Sequence[dict[str, Any]], baseline: str, index: NDArray[np.int64]) -> None:
    """Give every row its paired difference to another, ``versus``, and take the packed answers out.

    Parameters
    ----------
    rows : sequence of dict
        Results with ``right``, changed in place.
    baseline : str
        The row to compare with; where it is not there, and for itself, ``versus`` is None.
    index : ndarray of int, shape (N,)
        The group of each image.
    """
    right = {row["row"]: unpack(row.pop("right"), len(index)) for row in rows}
    for row in rows:
        row["versus"] = None
        if baseline in right and row["row"] != baseline:
            one, other = right[row["row"]], right[baseline]
            row["versus"] = {
                "row": baseline,
                "worst_group_accuracy": worst_group_difference(one, other, index).to_dict(),
                "average_accuracy": average_difference(one, other).to_dict(),
            }
