"""Promises: the probe is the plain zero-shot classifier in words, also within classes and for several attributes;
its report equals plain loops; attributes are checked and parsed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from debias_pt.datasets.attributes import Attribute, choose_attributes
from debias_pt.errors import UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.probe_report import probe_report, probe_sentence
from debias_pt.models.backbone import Backbone

PLACE = Attribute(
    "background", {"land": ("forest", "woods"), "water": ("lake",)}, ("a photo of {attribute}.", "{attribute}")
)
SIZE = Attribute("size", {"small": ("small",), "middling": ("mid",), "big": ("huge", "large")})
NAMES = ("cat", "dog")


def plain(backbone: Backbone, attribute: Attribute, feature: np.ndarray, class_name: str = "") -> list[float]:
    """Prompt by prompt, value by value."""
    cosines = []
    for phrases in attribute.values.values():
        total = torch.zeros(backbone.dim)
        for phrase in phrases:
            for template in attribute.templates:
                prompt = template.replace("{attribute}", phrase).replace("{class}", class_name)
                total += backbone.encode_text([prompt])[0]
        cosines.append(float(torch.from_numpy(feature) @ (total / total.norm())))
    scores = np.exp(backbone.logit_scale * (np.array(cosines) - max(cosines)))
    return list(scores / scores.sum())


def test_posterior_equals_the_plain_loop_for_several_attributes(backbone: Backbone, table: FeatureTable) -> None:
    said = AttributeProbe(backbone, [PLACE, SIZE]).predict(table.features)
    for one, attribute in zip(said, (PLACE, SIZE), strict=True):
        for row in (0, 30, 87):
            assert one.posterior[row].tolist() == pytest.approx(
                plain(backbone, attribute, table.features[row]), abs=1e-4
            )
        assert one.posterior.sum(axis=1) == pytest.approx(1)
        assert (one.labels == one.posterior.argmax(axis=1)).all()
        assert (one.confidence == one.posterior[np.arange(len(table)), one.labels]).all()


def test_class_conditional_prompts_ask_within_the_class(backbone: Backbone, table: FeatureTable) -> None:
    asked = Attribute("background", PLACE.values, ("a photo of a {class} on {attribute}.",))
    probe = AttributeProbe(backbone, [asked], table.class_names)
    said = probe.predict(table.features, table.y)[0]
    for row in (0, 35, 47, 80):
        expected = plain(backbone, asked, table.features[row], table.class_names[table.y[row]])
        assert said.posterior[row].tolist() == pytest.approx(expected, abs=1e-4)
    with pytest.raises(UsageError, match="give the labels y"):
        probe.predict(table.features)
    with pytest.raises(UsageError, match="give class_names"):
        AttributeProbe(backbone, [asked])


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=50))
def test_report_equals_plain_loops(rows: list[tuple[int, int, int]]) -> None:
    y, true, said = (np.array(column) for column in zip(*rows, strict=True))
    names = (("cat", "dog"), ("x", "y", "z"))
    pseudo, known = Groups(y, np.eye(3)[said], *names, "pseudo"), Groups(y, np.eye(3)[true], *names, "true")
    found = probe_report(pseudo, known).to_dict()
    assert found["accuracy"] == pytest.approx(np.mean(true == said))
    recalls, precisions = [], []
    for g, group in enumerate(found["groups"]):
        label, value = divmod(g, 3)
        here = [t == s for k, t, s in rows if (k, t) == (label, value)]
        called = [t == s for k, t, s in rows if (k, s) == (label, value)]
        assert (group["n_true"], group["n_pseudo"]) == (len(here), len(called))
        assert group["accuracy"] == (pytest.approx(np.mean(here)) if here else None)
        assert group["precision"] == (pytest.approx(np.mean(called)) if called else None)
        recalls += [np.mean(here)] if here else []
        precisions += [np.mean(called)] if called else []
    assert found["worst_group_recall"] == pytest.approx(min(recalls))
    assert found["worst_group_precision"] == pytest.approx(min(precisions))
    majority = sum(max(sum(t == value for k, t, _ in rows if k == label) for value in range(3)) for label in (0, 1))
    assert found["majority_accuracy"] == pytest.approx(majority / len(rows))
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert found["worst_group"] in found["groups"]
    assert found["worst_group"]["accuracy"] == pytest.approx(min(recalls))
    for value, name in enumerate(names[1]):
        right = [t == s for _, t, s in rows if t == value]
        assert found["per_value"][name] == (pytest.approx(np.mean(right)) if right else None)


def test_attributes_in_words() -> None:
    parsed = Attribute.parse("background = land|forest : water|lake|sea")
    assert parsed.name == "background"
    assert dict(parsed.values) == {"land": ("land", "forest"), "water": ("water", "lake", "sea")}
    assert len(parsed.prompts("water")) == 3 * len(parsed.templates)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("background=land", "has one value \\(land\\); give two or more"),
        ("background=land:", "empty value"),
        ("background=land::water", "empty value"),
        ("background=land:land", "has the value 'land' twice"),
        ("background", "not of the form background=land:water"),
        ("=land:water", "not of the form"),
    ],
)
def test_malformed_attributes_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Attribute.parse(text)


def test_choosing_attributes() -> None:
    known = {"background": PLACE, "size": SIZE}
    assert choose_attributes([], known) == (PLACE,)
    assert choose_attributes(["size", "colour=red:blue"], known)[1].name == "colour"
    assert choose_attributes([], known, class_conditional=True)[0].class_conditional
    assert choose_attributes([], known, templates=["on {attribute}"])[0].prompts("water") == ["on lake"]
    with pytest.raises(UsageError, match="unknown attribute 'backgruond' \\(did you mean 'background'\\?\\)"):
        choose_attributes(["backgruond"], known)
    with pytest.raises(UsageError, match="no suspected attribute"):
        choose_attributes([], {})
    with pytest.raises(UsageError, match="given twice"):
        choose_attributes(["size", "size"], known)
    with pytest.raises(UsageError, match="has no {attribute}"):
        choose_attributes([], known, templates=["a photo"])
    with pytest.raises(UsageError, match="has {clas}; only {attribute} and {class} are known"):
        choose_attributes([], known, templates=["a {clas} on {attribute}"])
    with pytest.raises(UsageError, match="has no {class}; add it"):
        choose_attributes([], known, templates=["on {attribute}"], class_conditional=True)
    with pytest.raises(UsageError, match="cannot be called 'label'"):
        choose_attributes(["label=a:b"], known)


def test_a_probes_report_by_hand() -> None:
    """Class 0: of 4 in, 3 are called so; of 1 out, none. Class 1: of 2 out, both; one value of it does not occur."""
    y = np.array([0, 0, 0, 0, 0, 1, 1])
    true, said = np.array([0, 0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 0, 1, 1])
    one, two = (Groups(y, a, NAMES, ("in", "out"), "true") for a in (said, true))
    report = probe_report(one, two)
    assert report.confusion.tolist() == [[3, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 2]]
    found = report.to_dict()
    assert found["accuracy"] == pytest.approx(5 / 7)
    assert found["majority_accuracy"] == pytest.approx(6 / 7)
    assert found["balanced_accuracy"] == pytest.approx((0.75 + 0 + 1) / 3)
    assert found["per_value"] == {"in": 0.75, "out": pytest.approx(2 / 3)}
    assert (found["worst_group_recall"], found["worst_group_precision"]) == (0, 0)
    assert found["worst_group"] == found["groups"][1]
    assert found["groups"][1] == {
        "label": "cat", "attribute": "out", "recall": 0, "accuracy": 0, "precision": 0, "n_true": 1, "n_pseudo": 1,
    }  # fmt: skip
    assert found["groups"][0]["precision"] == 0.75
    assert (found["groups"][2]["recall"], found["groups"][2]["n_true"], found["groups"][3]["n_pseudo"]) == (None, 0, 2)
    assert probe_sentence(found) == (
        "right for 71.4 % of the training images (naming each class's majority: 85.7 %; mean over groups 58.3 %); "
        "worst group (cat, out): recall 0.0 %, precision 0.0 %"
    )
    with pytest.raises(UsageError, match="must match"):
        probe_report(one, two.rows(y == 0))
    with pytest.raises(UsageError, match="must match"):
        probe_report(Groups(y, said, NAMES, ("in", "away"), "true"), two)


@pytest.mark.parametrize("templates", [("{attribute}.",), ("a {class} on {attribute}.",)])
def test_mapped_features_are_asked_block_by_block(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, templates: tuple[str, ...]
) -> None:
    place = Attribute("place", {"land": ("land",), "water": ("water",)}, templates)
    asked = AttributeProbe(backbone, [place], ("cat", "dog"))
    rows = np.random.default_rng(0).normal(size=(7, 24)).astype(np.float32)
    y = np.array([0, 1, 1, 0, 1, 0, 1])
    np.save(tmp_path / "rows.npy", rows)
    (whole,) = asked.scores(rows, y)
    of_class = asked.weights_[0].numpy()
    words = of_class[y] if len(of_class) > 1 else of_class[[0] * len(y)]
    assert whole == pytest.approx(backbone.logit_scale * np.einsum("nd,nvd->nv", rows, words), rel=1e-4)
    monkeypatch.setattr("debias_pt.utils.row_blocks.ROWS_AT_A_TIME", 3)
    (parts,) = asked.scores(np.load(tmp_path / "rows.npy", mmap_mode="r"), y)
    assert parts == pytest.approx(whole, rel=1e-6)
    assert asked.predict(rows, y)[0].posterior == pytest.approx(
        np.exp(whole) / np.exp(whole).sum(axis=1, keepdims=True)
    )
