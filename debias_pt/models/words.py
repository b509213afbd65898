"""Text features that came in a file: words, and a unit embedding of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import TEMPLATES
from debias_pt.errors import DatasetError, UsageError
from debias_pt.models.zero_shot import TEMPLATE as CLASS_TEMPLATE
from debias_pt.utils.array_files import numbers, read_npz, texts
from debias_pt.utils.registry import nearest

# The wordings that this library puts a word into; what a file says of the word itself stands for each of them.
WORDINGS = tuple(one.replace("{attribute}", "{}").partition("{}") for one in (*TEMPLATES, CLASS_TEMPLATE))
ARTICLES = ("a ", "an ", "the ")


@dataclass(frozen=True, eq=False)
class Words:
    """Words with the text features that a model made of them.

    Parameters
    ----------
    source : str
        The file, for messages.
    names : tuple of str
        W words or whole prompts.
    features : ndarray of float32, shape (W, D)
        Rows of unit length.
    logit_scale : float or None
        The model's own, where the file says it.

    Examples
    --------
    >>> words = Words("words.npz", ("dog", "the sea"), np.eye(2, dtype=np.float32))
    >>> words.look_up(["a photo of a dog.", "sea"]).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    >>> words.look_up(["dig"])
    Traceback (most recent call last):
    debias_pt.errors.UsageError: words.npz: no word 'dig' (did you mean 'dog'?) among its 2; take words that it has
    """

    source: str
    names: tuple[str, ...]
    features: NDArray[np.float32]
    logit_scale: float | None = None

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _row(self) -> dict[str, int]:
        rows: dict[str, int] = {}
        for row, name in enumerate(self.names):
            rows.setdefault(_plain(name), row)
        return {**rows, **{name: row for row, name in enumerate(self.names)}}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of words and features."""
        content = hashlib.sha256("\n".join(self.names).encode())
        content.update(np.ascontiguousarray(self.features).data)
        return content.hexdigest()

    def row(self, text: str) -> int | None:
        """Return the row of a word, or of a prompt that names it and nothing else; None if it is not there."""
        found = (self._row.get(one, self._row.get(_plain(one))) for one in _readings(text))
        return next((row for row in found if row is not None), None)

    def look_up(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the features of words, or of prompts that name a word and nothing else, shape ``(n, D)``.

        Raises
        ------
        UsageError
            For a word that is not there; names the nearest.
        """
        rows = []
        for text in texts:
            row = self.row(text)
            if row is None:
                word = min(_readings(text), key=len)
                raise UsageError(
                    f"{self.source}: no word {word!r}{nearest(word, self.names)} among its {len(self)}; take words "
                    "that it has"
                )
            rows.append(row)
        return self.features[rows]


def _plain(word: str) -> str:
    """Return a word as it is compared: in small letters, without article, underscores or full stop."""
    word = " ".join(word.lower().replace("_", " ").split()).rstrip(".")
    return next((word.removeprefix(article) for article in ARTICLES if word.startswith(article)), word)


def _readings(text: str) -> Iterator[str]:
    """Yield a text, and the word inside it where the text is one of the usual wordings."""
    yield text
    for before, _, after in WORDINGS:
        if text.startswith(before) and text.endswith(after) and len(text) > len(before) + len(after):
            yield text[len(before) : len(text) - len(after)]


def read_words(path: str | Path) -> Words:
    """Read a file of text features.

    Parameters
    ----------
    path : path-like
        ``.npz`` with ``words`` (W,) and ``features`` (W, D), of any length above 0; ``logit_scale`` if it is not 100.

    Raises
    ------
    DatasetError
        If it is missing, of another form, or holds NaN or a row of zeros.
    """
    file = Path(path)
    if file.suffix.lower() != ".npz":
        raise DatasetError(f"{file}: a file of words ends in .npz and has 'words' and 'features'; save it so")
    arrays = read_npz(file)
    missing = [name for name in ("words", "features") if name not in arrays]
    if missing:
        raise DatasetError(f"{file}: has no {missing[0]!r}, only {', '.join(arrays) or 'nothing'}; add it")
    names, features = tuple(texts(file, "words", arrays["words"])), numbers(file, "features", arrays["features"])
    if len(names) != len(features) or not names:
        raise DatasetError(f"{file}: {len(names)} words and {len(features)} rows of features; one row a word expected")
    return Words(str(file), names, features, _scale(file, arrays))


def _scale(file: Path, arrays: dict[str, NDArray[Any]]) -> float | None:
    if "logit_scale" not in arrays:
        return None
    value = arrays["logit_scale"]
    if value.size != 1 or value.dtype.kind not in "fiu" or not 0 < float(value.reshape(())) < np.inf:
        raise DatasetError(f"{file}: logit_scale is {value.tolist()!r}; one number above 0 expected, such as 100")
    return float(value.reshape(()))
