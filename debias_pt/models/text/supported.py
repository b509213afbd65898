"""Which passes a text tower supports."""

from __future__ import annotations

from typing import Any

import torch
from open_clip import transformer as native
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from debias_pt.errors import BackboneError

_NORMS = (native.LayerNorm, native.LayerNormFp32, nn.LayerNorm)
_SCALES = (nn.Identity, native.LayerScale)
# Everything a block consists of: with another part, or a part of another type, it is not supported here.
_BLOCK = {
    "ln_1": _NORMS,
    "attn": (nn.MultiheadAttention,),
    "ls_1": _SCALES,
    "ln_2": _NORMS,
    "mlp": (nn.Sequential,),
    "ls_2": _SCALES,
}
_MLP = {"c_fc": (nn.Linear,), "gelu": (nn.GELU, native.QuickGELU), "c_proj": (nn.Linear,)}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def pool_type(tower: nn.Module) -> object:
    """Return how the tower is read out, by the name open_clip 3 gives it in either model class."""
    return getattr(tower, "text_pool_type", getattr(tower, "pool_type", None))


def reads_at_end(tower: nn.Module) -> bool:
    """Tell whether what follows the end-of-text token of a prompt has no effect, so that it can be left out.

    Returns
    -------
    bool
        True for open_clip's native text transformer if it is causal and is read out at end-of-text. False for
        SigLIP and CLIPA (read out at the last place), for CoCa (at a class token behind the padding), for
        MobileCLIP's towers that are not causal, and for other libraries' encoders.
    """
    return (
        all(hasattr(tower, name) for name in ("token_embedding", "transformer", "positional_embedding", "ln_final"))
        and getattr(tower, "cls_emb", None) is None
        and getattr(tower, "attn_mask", None) is not None
        and pool_type(tower) in ("argmax", "eos")
    )


def token_embedding(tower: Any) -> nn.Module:
    """Return the table of token embeddings, whichever library made the tower.

    Raises
    ------
    BackboneError
        If there is none.
    """
    for holder in (tower, getattr(tower, "transformer", None), getattr(tower, "embeddings", None)):
        for find in ("token_embedding", "get_input_embeddings"):
            found = getattr(holder, find, None)
            table = found() if callable(found) and not isinstance(found, nn.Module) else found
            if isinstance(table, nn.Module):
                return table
    raise BackboneError(
        f"the text tower {type(tower).__name__} has no table of token embeddings that prompts could take the place "
        "of (token_embedding, or get_input_embeddings of its transformer); use a model of open_clip or transformers"
    )


def knows_layers(tower: nn.Module) -> bool:
    """Tell whether :mod:`debias_pt.models.text.shared_prefix` computes exactly what this tower's transformer does.

    Parameters
    ----------
    tower : nn.Module
        A tower of which :func:`reads_at_end` is true.

    Returns
    -------
    bool
        True for open_clip's ``Transformer`` of plain ``ResidualAttentionBlock``. False if
        anything is added or replaced: hooks, adapters, parametrizations, dropout, query/key norms, quantised or
        checkpointed layers.
    """
    transformer: Any = tower.transformer
    return (
        type(transformer) is native.Transformer
        and not transformer.grad_checkpointing
        and len(transformer.resblocks) > 0
        and all(map(_is_untouched, transformer.modules()))
        and all(map(_is_known_block, transformer.resblocks))
    )


def _is_untouched(module: nn.Module) -> bool:
    return "forward" not in vars(module) and not any(getattr(module, hooks) for hooks in _HOOKS)


def _is_known_block(block: Any) -> bool:
    return (
        type(block) is native.ResidualAttentionBlock
        and _consists_of(block, _BLOCK)
        and _consists_of(block.mlp, _MLP)
        and not any(getattr(scale, "inplace", False) for scale in (block.ls_1, block.ls_2))
        and _is_plain_attention(block.attn)
    )


def _consists_of(module: nn.Module, parts: dict[str, tuple[type, ...]]) -> bool:
    found = dict(module.named_children())
    return list(found) == list(parts) and all(type(found[name]) in types for name, types in parts.items())


def _is_plain_attention(attention: nn.MultiheadAttention) -> bool:
    return (
        _consists_of(attention, {"out_proj": (NonDynamicallyQuantizableLinear, nn.Linear)})
        and attention.in_proj_weight is not None
        and attention.bias_k is None
        and attention.bias_v is None
        and not attention.add_zero_attn
        and attention.dropout == 0
    )


def is_causal(mask: Tensor) -> bool:
    """Tell whether an additive mask ``(L, L)`` hides what follows a token, and nothing else."""
    return torch.equal(mask, torch.full_like(mask, float("-inf")).triu_(1))
