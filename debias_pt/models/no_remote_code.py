"""A checkpoint's configuration may ask for code of its own, from its folder or from the Hub; it is never run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from debias_pt.errors import BackboneError

ASKS = "trust_remote_code"


def require_no_code(config: Mapping[str, Any], model: str) -> None:
    """Refuse an open_clip configuration that has code run, which open_clip would do without asking.

    Raises
    ------
    BackboneError
        If it asks for that, or the text encoder that it names needs code of its own.
    """
    if _asks(config):
        raise BackboneError(f"{model!r} asks for code of its own ({ASKS}), which is not run; give another checkpoint")
    name = config.get("text_cfg", {}).get("hf_model_name")
    if name:
        from transformers import AutoConfig

        AutoConfig.from_pretrained(name, trust_remote_code=False)  # open_clip leaves the choice to a question


def tokenizer_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to tell open_clip's ``get_tokenizer`` so that transformers neither runs code nor asks."""
    return {ASKS: False} if config.get("text_cfg", {}).get("hf_tokenizer_name") else {}


def _asks(part: object) -> bool:
    if isinstance(part, Mapping):
        return bool(part.get(ASKS)) or any(map(_asks, part.values()))
    return any(map(_asks, part)) if isinstance(part, Sequence) and not isinstance(part, str) else False
