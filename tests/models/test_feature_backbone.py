"""Promises: words that came with features are found however they are asked for, and no other word stands for them;
without words or a model, what needs them says so in one line."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.datasets.attributes import TEMPLATES, Attribute
from debias_pt.errors import DatasetError, DebiasWarning, FingerprintError, NoModelError, UsageError
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.visibility import ENOUGH_WORDS, EverydayWords
from debias_pt.models.backbone import Backbone
from debias_pt.models.feature_backbone import FeatureBackbone, require_features, require_maker
from debias_pt.models.words import Words, read_words
from debias_pt.models.zero_shot import zero_shot_weights
from tests.helpers.feature_files import DIM, columns, directions, write_words

NAMES = ("dog", "the open sea", "a photo of two cats.", "traffic_light")


@pytest.fixture
def words() -> Words:
    return Words("w.npz", NAMES, np.eye(4, dtype=np.float32))


@given(row=st.sampled_from([0, 1, 3]), template=st.sampled_from(TEMPLATES), article=st.sampled_from(["", "a ", "the "]))
def test_a_word_is_found_in_every_usual_wording(row: int, template: str, article: str) -> None:
    words = Words("w.npz", NAMES, np.eye(4, dtype=np.float32))
    bare = NAMES[row].removeprefix("the ").replace("_", " ")
    assert words.row(template.replace("{attribute}", article + bare)) == row


@pytest.mark.parametrize("text", ["dogs", "a photo of a dog on land.", "sea", "two cats", "a dark photo of a dog.", ""])
def test_no_other_word_stands_for_one(text: str, words: Words) -> None:
    assert words.row(text) is None


def test_an_unknown_word_names_the_nearest(words: Words) -> None:
    assert words.look_up(["a photo of two cats.", "dog"]).tolist() == np.eye(4)[[2, 0]].tolist()
    with pytest.raises(UsageError, match=r"w\.npz: no word 'dgo' \(did you mean 'dog'\?\) among its 4"):
        words.look_up(["dog", "a photo of dgo."])


def test_files_of_words(tmp_path: Path) -> None:
    path = write_words(tmp_path / "w.npz")
    read = read_words(path)
    assert read.names[:2] == ("landbird", "waterbird")
    np.testing.assert_allclose(read.features[:4], directions(), atol=1e-6)
    np.savez(path, words=np.array(["a"]), features=np.ones((1, 1)), logit_scale=20.0)
    assert FeatureBackbone(1, words=read_words(path)).logit_scale == 20
    for arrays, message in (
        ({"words": np.array(["a"])}, "has no 'features', only words"),
        ({"words": np.array(["a", "b"]), "features": np.ones((1, 1))}, "2 words and 1 rows of features"),
        ({"words": np.array(["a"], dtype=object), "features": np.ones((1, 1))}, "'words' holds Python objects"),
        (
            {"words": np.array(["a"]), "features": np.ones((1, 1)), "logit_scale": -1.0},
            "logit_scale is -1.0; one number",
        ),
    ):
        np.savez(path, **arrays)  # type: ignore[arg-type]
        with pytest.raises(DatasetError, match=message):
            read_words(path)
    with pytest.raises(DatasetError, match=r"a file of words ends in \.npz"):
        read_words(tmp_path / "w.csv")


def test_what_needs_a_model_says_so(words: Words) -> None:
    bare = FeatureBackbone(4)
    with pytest.raises(NoModelError, match=r"'a cat' is a word, and .* without any; give text features \(--words\)"):
        bare.encode_text(["a cat"])
    for use in ("model", "tokenizer", "preprocess", "text"):
        with pytest.raises(NoModelError, match="needs a model, and there are only its features"):
            getattr(bare, use)
    with pytest.raises(NoModelError):
        bare.encode_images(torch.zeros(1, 3, 2, 2))
    with pytest.raises(UsageError, match=r"w\.npz: 4 numbers a word, the features have 9"):
        FeatureBackbone(9, words=words)
    assert copy.copy(bare).fingerprint == pickle.loads(pickle.dumps(bare)).fingerprint == bare.fingerprint
    assert FeatureBackbone(4, words=words).fingerprint != bare.fingerprint


def test_probe_and_zero_shot_are_plain_cosines(tmp_path: Path) -> None:
    rows = columns()
    backbone = FeatureBackbone(DIM, words=read_words(write_words(tmp_path / "w.npz")))
    (answer,) = AttributeProbe(backbone, [Attribute("place", {"land": ["land"], "water": ["water"]})]).predict(
        rows["features"]
    )
    cosine = np.array([[float(row @ way) for way in directions()[2:]] for row in rows["features"]])
    plain = np.exp(100 * cosine) / np.exp(100 * cosine).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answer.posterior, plain, atol=1e-4)
    weights = zero_shot_weights(backbone, ["landbird", "waterbird"]).numpy()
    np.testing.assert_allclose(weights, directions()[:2], atol=1e-6)


def test_the_guard_compares_with_the_words_there_are(tmp_path: Path) -> None:
    many = EverydayWords(FeatureBackbone(DIM, words=read_words(write_words(tmp_path / "w.npz"))))
    assert len(many.weights) == 90
    few = EverydayWords(FeatureBackbone(DIM, words=read_words(write_words(tmp_path / "w.npz", more=5))))
    assert len(few.weights) == 9 < ENOUGH_WORDS


def test_features_are_only_taken_for_those_of_their_model(backbone: Backbone) -> None:
    dim, own = backbone.dim, backbone.fingerprint
    require_features(own, dim, backbone, "t")
    require_features(FeatureBackbone(dim, made_by=own).fingerprint, dim, backbone, "t")
    require_features({}, dim, backbone, "t")
    other = {**own, "weights": "others"}
    for known in (other, FeatureBackbone(dim, made_by=other).fingerprint):
        with pytest.raises(FingerprintError, match="features of t: its weights is"):
            require_features(known, dim, backbone, "t")
    with pytest.raises(FingerprintError, match="t: 3 features a row"):
        require_features({}, 3, backbone, "t")
    with pytest.warns(DebiasWarning, match="nothing says which model made the features"):
        require_maker({}, dim, backbone, "t")
