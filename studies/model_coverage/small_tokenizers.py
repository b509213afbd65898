"""Tokenizers of the kinds that open_clip's models name, trained on a few words, since the real ones are downloads.

Each has its original's algorithm, special tokens and their places; only the vocabulary is small.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES

VOCABULARY = 1000
CORPUS = [*IMAGENET_CLASSNAMES, *(template("bird") for template in OPENAI_IMAGENET_TEMPLATES)]
# Parts of tokenizers' names on the hub, and their kind.
KINDS = {
    "bert-base-uncased": "word-piece",
    "xlm-": "sentence-piece",
    "roberta": "byte-pairs",
    "mt5": "sentence-piece without start",
    "SigLIP2": "byte-fallback",
    "SigLIP": "sentence-piece padded with end",
    "nllb": "language",
}


def kind_of(name: str) -> str:
    """Return the kind of tokenizer that a name on the hub stands for.

    Examples
    --------
    >>> kind_of("facebook/xlm-v-base")
    'sentence-piece'
    """
    return next(kind for part, kind in KINDS.items() if part in name)


@cache
def write_tokenizer(kind: str, folder: Path) -> int:
    """Write a tokenizer as ``AutoTokenizer`` reads it and return its vocabulary's size."""
    from transformers import PreTrainedTokenizerFast

    train: Callable[[], tuple[Any, dict[str, str]]] = _TRAIN[kind]
    trained, special = train()
    wrapped: Any = PreTrainedTokenizerFast(
        tokenizer_object=trained, padding_side="right", clean_up_tokenization_spaces=False, **special
    )
    wrapped.save_pretrained(folder)
    return len(wrapped)


def _word_piece() -> tuple[Any, dict[str, str]]:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer: Any = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer, dict(zip(["pad_token", "unk_token", "cls_token", "sep_token"], special, strict=True))


def _byte_pairs() -> tuple[Any, dict[str, str]]:
    from tokenizers import ByteLevelBPETokenizer, processors

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    whole: Any = ByteLevelBPETokenizer()
    whole.train_from_iterator(CORPUS, vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    whole._tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    names = ["bos_token", "pad_token", "eos_token", "unk_token"]
    return whole._tokenizer, dict(zip(names, special, strict=True))


def _clip_byte_pairs() -> tuple[Any, dict[str, str]]:
    """As transformers' CLIP: end-of-text is the largest id, and the padding too."""
    from tokenizers import ByteLevelBPETokenizer, processors

    whole: Any = ByteLevelBPETokenizer(lowercase=True, end_of_word_suffix="</w>")
    whole.train_from_iterator(CORPUS, vocab_size=VOCABULARY, show_progress=False)
    whole.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    start, end = whole.token_to_id("<|startoftext|>"), whole.token_to_id("<|endoftext|>")
    whole._tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", end), ("<|startoftext|>", start), add_prefix_space=False
    )
    special = dict.fromkeys(("pad_token", "eos_token", "unk_token"), "<|endoftext|>")
    return whole._tokenizer, {"bos_token": "<|startoftext|>", **special}


def _sentence_piece(special: list[str], template: str, **names: str) -> tuple[Any, dict[str, str]]:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer: Any = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=VOCABULARY, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(CORPUS, trainer)
    ids = [(token, special.index(token)) for token in template.split() if token in special]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    return tokenizer, {"unk_token": "<unk>", **names}


def _byte_fallback() -> tuple[Any, dict[str, str]]:
    from tokenizers import Tokenizer, models, normalizers, processors, trainers

    special = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer: Any = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([word for text in CORPUS for word in _with_spaces(text)], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    return tokenizer, {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}


def _with_spaces(text: str) -> list[str]:
    first, *others = text.split()
    return [first, *(f" {word}" for word in others)]


XLM = ["<s>", "<pad>", "</s>", "<unk>"]
_TRAIN = {
    "word-piece": _word_piece,
    "byte-pairs": _byte_pairs,
    "byte-pairs of CLIP": _clip_byte_pairs,
    "byte-fallback": _byte_fallback,
    "sentence-piece": lambda: _sentence_piece(
        XLM, "<s> $A </s>", bos_token="<s>", pad_token="<pad>", eos_token="</s>", cls_token="<s>", sep_token="</s>"
    ),
    "sentence-piece without start": lambda: _sentence_piece(
        ["<pad>", "</s>", "<unk>"], "$A </s>", pad_token="<pad>", eos_token="</s>"
    ),
    # SigLIP's first tokenizers use one token for end and padding.
    "sentence-piece padded with end": lambda: _sentence_piece(
        ["<unk>", "</s>"], "$A </s>", pad_token="</s>", eos_token="</s>"
    ),
    "language": lambda: _sentence_piece(
        [*XLM, "eng_Latn"], "eng_Latn $A </s>", bos_token="<s>", pad_token="<pad>", eos_token="</s>"
    ),
}
