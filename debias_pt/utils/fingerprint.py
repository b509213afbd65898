"""Fingerprints: what a cache, a checkpoint or a run depends on, and the refusal of what does not match."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from debias_pt.errors import FingerprintError

if TYPE_CHECKING:
    from torch import nn


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value, independent of key order.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of a model's weights, wherever they came from."""
    import torch

    whole = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().cpu().contiguous()
        whole.update(f"{name}|{flat.dtype}|{tuple(flat.shape)}|".encode())
        whole.update(flat.reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()


def require_match(found: Mapping[str, Any], wanted: Mapping[str, Any], where: str, advice: str) -> None:
    """Refuse `found` if it differs from `wanted`, naming the first entry that does.

    Raises
    ------
    FingerprintError
        On the first difference.

    Examples
    --------
    >>> require_match({"model": "A"}, {"model": "B"}, "runs/x", "train again")
    Traceback (most recent call last):
    debias_pt.errors.FingerprintError: runs/x: its model is 'A', here it is 'B'; train again
    """
    flat_found, flat_wanted = _flatten(found), _flatten(wanted)
    for key in sorted({*flat_found, *flat_wanted}):
        if flat_found.get(key) != flat_wanted.get(key):
            seen, here = _short(flat_found.get(key)), _short(flat_wanted.get(key))
            raise FingerprintError(f"{where}: its {key} is {seen}, here it is {here}; {advice}")


def _flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, part in value.items():
        flat |= _flatten(part, f"{prefix}{key} ") if isinstance(part, Mapping) else {f"{prefix}{key}": part}
    return flat


def _short(value: Any) -> str:
    text = repr(value)
    if len(text) <= 60:
        return text
    first, last = text[:28].rpartition(" ")[0], text[-28:].partition(" ")[2]  # between words, where there are any
    return f"{first or text[:28]}...{last or text[-28:]}"
