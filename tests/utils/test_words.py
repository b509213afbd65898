"""Promises: one thing is not called "1 things", and no message is cut in the middle of a word."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.errors import DebiasWarning, FingerprintError
from debias_pt.groups.groups import Groups
from debias_pt.utils.fingerprint import require_match
from debias_pt.utils.words import counted, first_of, shortened

WORDS = st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=30)


@given(WORDS, st.integers(15, 80))
def test_texts_are_cut_between_words(words: list[str], most: int) -> None:
    text = shortened(" ".join(words), most)
    assert len(text) <= most + 1
    assert set(text.removesuffix("...").split()) <= set(words)


@given(WORDS)
def test_long_values_are_cut_between_words_at_both_ends(words: list[str]) -> None:
    with pytest.raises(FingerprintError) as error:
        require_match({"classes": " ".join(words)}, {"classes": "other"}, "the run", "take another")
    seen = str(error.value).partition("is ")[2].partition(", here")[0].strip("'")
    assert set(seen.replace("...", " ").split()) <= set(words)


def test_lists_are_cut_between_names() -> None:
    assert first_of([f"class {i}" for i in range(100)]).endswith("class 7 and 92 more")


def test_one_sample_is_one_sample() -> None:
    groups = Groups(np.repeat([0, 1], [1, 20]), np.eye(1)[[0] * 21], ("cat", "dog"), ("in",), "pseudo")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DebiasWarning)
        groups.warn_if_small()
    assert [str(one.message) for one in caught] == [
        "the pseudo group (cat, in) has 1 sample; its weight rests on very few"
    ]
    assert [counted(n, "image") for n in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
