"""Rows of unit length, and keys as images have them."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def unit(n: int, d: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def keys_of(n: int) -> list[str]:
    return [hashlib.sha256(str(i).encode()).hexdigest() for i in range(n)]
