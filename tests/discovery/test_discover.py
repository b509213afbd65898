"""Promises: the miniature's shortcut is found and named, none where there is none; too little data is no crash."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from debias_pt.datasets import CustomData, load_dataset
from debias_pt.datasets.attributes import Attribute
from debias_pt.discovery import Discovery, Vocabulary, find_attributes
from debias_pt.discovery.embedding import embed_prompts, embed_words, were_read
from debias_pt.discovery.head_errors import head_errors
from debias_pt.discovery.unnamed import unnamed_directions
from debias_pt.features.encoding import encode_with_stats
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from tests.discovery.planted import planted_table, write_birds

FEW_WORDS = Vocabulary.of(["lake", "forest", "street", "sofa", "red", "blue", "person", "night"])


@pytest.fixture(scope="module")
def mini() -> Backbone:
    return Backbone.load("mini")


@pytest.fixture(scope="module")
def birds(mini: Backbone, tmp_path_factory: pytest.TempPathFactory) -> FeatureTable:
    folder = tmp_path_factory.mktemp("birds")
    own = CustomData(label_column="label", split_column="split", attribute_columns=("background",))
    dataset = load_dataset(str(write_birds(folder)), own=own)
    return encode_with_stats(mini, dataset, cache_dir=folder, workers=0)[0]


@pytest.fixture(scope="module")
def found(birds: FeatureTable, mini: Backbone) -> Discovery:
    return find_attributes(birds, mini)


def test_the_planted_attribute_is_first(found: Discovery, birds: FeatureTable) -> None:
    best = found.findings[0]
    truth = birds.where("train").attributes["background"].labels
    agree = (best.value_of == truth).mean()
    assert max(agree, 1 - agree) > 0.95
    assert best.evidence.interval[0] > 0.8
    assert {"land", "water"} <= {phrase for phrases in best.attribute.values.values() for phrase in phrases}


def test_the_attribute_can_be_typed(found: Discovery) -> None:
    for one in (*found.findings, *found.candidates):
        assert Attribute.parse(one.spec).values == dict(one.attribute.values)


def test_no_attribute_label_and_no_other_split_is_read(found: Discovery, birds: FeatureTable, mini: Backbone) -> None:
    train = replace(birds.where("train"), attributes={})
    assert find_attributes(train, mini).to_dict() == found.to_dict()


def test_words_the_model_never_read_are_counted(found: Discovery) -> None:
    assert found.words["unread"] > 300
    assert 50 < found.words["everyday"] < 500
    assert 0 < found.words["tried"] < found.words["attributes"]


def test_images_of_one_place_leave_nothing(birds: FeatureTable, mini: Backbone) -> None:
    """Only images on land, so that the place tells nothing."""
    land = np.flatnonzero((birds.attributes["background"].labels == 0) & (birds.split == "train"))
    result = find_attributes(birds.rows(land), mini)
    assert not result
    assert result.reason


@pytest.mark.parametrize("rows", [[0], [0, 1, 2, 3, 4]])
def test_a_handful_of_images_is_nothing_found(birds: FeatureTable, mini: Backbone, rows: list[int]) -> None:
    train = np.flatnonzero(birds.split == "train")[rows]
    result = find_attributes(birds.rows(train), mini, FEW_WORDS)
    assert not result.findings
    assert result.reason


def test_one_class(birds: FeatureTable, mini: Backbone) -> None:
    own = np.flatnonzero((birds.y == 0) & (birds.split == "train"))[:50]
    one = replace(birds.rows(own), class_names=("landbird",))
    assert "two classes" in find_attributes(one, mini, FEW_WORDS).reason


def test_without_a_text_tower_directions_are_still_found() -> None:
    result = find_attributes(planted_table())
    assert not result.findings
    assert "text tower" in result.reason
    assert result.errors > 0


def test_an_unnamed_direction_is_found_where_it_is_planted() -> None:
    """Half of the errors of class 0 share a mark that the head cannot use: both classes have it as often."""
    table = planted_table()
    x = table.features.astype(float)
    first = head_errors(table.features, table.y, 2)
    marked = (table.y == 0) & (first.predicted == 1)
    rest = np.random.default_rng(0).choice(np.flatnonzero(table.y == 1), marked.sum(), replace=False)
    x[marked, 10] += 1.5
    x[rest, 10] += 1.5
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    features = x.astype(np.float32)
    found = unnamed_directions(features, table.y, head_errors(features, table.y, 2))
    assert found
    assert abs(found[0].direction[10]) > 0.5


def test_embeddings_equal_the_model_s_own(mini: Backbone, backbone: Backbone) -> None:
    for model in (mini, backbone):
        texts = ["a photo of a bird.", "land", "water background"]
        np.testing.assert_allclose(embed_prompts(model, texts), model.encode_text(texts).numpy(), atol=1e-5)
    words = embed_words(mini, ["land", "water"])
    np.testing.assert_allclose(np.linalg.norm(words, axis=1), 1)
    assert were_read(mini, ["land", "giraffe", "land giraffe"]).tolist() == [True, False, False]
