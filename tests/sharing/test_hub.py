"""Promises: a tuner goes to the Hub with a card and comes back the same; the card says what its figures rest on; paths
of this machine stay here; refusals are one line. The Hub is a server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from debias_pt.errors import UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.models.backbone import Backbone
from debias_pt.sharing.hub import from_hub, push_to_hub
from debias_pt.sharing.model_card import model_card
from debias_pt.training.tuner import Tuner
from tests.helpers.fake_hub import Hub, serving_hub

pytestmark = pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serving_hub() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield hub


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def true(table: FeatureTable) -> Groups:
    return Groups.true(table.y, table.class_names, [table.attributes["background"]])


@pytest.fixture(scope="module")
def tuner(backbone: Backbone, table: FeatureTable, true: Groups) -> Tuner:
    return Tuner(backbone, method="balanced", steps=3).fit(table, true)


def test_there_and_back(
    hub: Hub, tuner: Tuner, table: FeatureTable, true: Groups, backbone: Backbone, tmp_path: Path
) -> None:
    report = tuner.score(table, true, split="test")
    address = push_to_hub(tuner, "me/birds", result=report, license="apache-2.0", private=True, token="hf_secret")
    assert address.startswith(hub.url)
    files = hub.repositories["me/birds"]
    assert set(files) == {"README.md", "tuner.json", "tuner.safetensors"}
    assert hub.private["me/birds"]
    assert "Bearer hf_secret" in hub.tokens
    loaded = from_hub("me/birds", token="hf_secret")
    np.testing.assert_array_equal(loaded.logits(table.features), tuner.logits(table.features))
    assert loaded.oracle_ is True
    everything = b"".join(files.values())
    assert str(tuner.backbone.source[0]).partition(":")[2].encode() not in everything  # a path of this machine
    assert b"hf_secret" not in everything
    with pytest.raises(UsageError, match="assign one"):
        _ = loaded.backbone
    again = from_hub("me/birds", backbone=backbone)
    assert again.backbone is backbone
    card = files["README.md"].decode()
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "**Oracle: annotated attributes were used" in card
    assert f"| Worst-group accuracy | {float(report.worst_group_accuracy[0]):.1%} |" in card
    assert "| waterbird, land (" in card
    assert "non-commercial" in card  # Waterbirds' terms
    assert 'tuner = from_hub("me/birds")' in card
    tuner.save(tmp_path / "here")
    assert from_hub(str(tmp_path / "here")).oracle_ is True


def test_cards_say_what_is_known(tuner: Tuner, table: FeatureTable, backbone: Backbone) -> None:
    by_class = Tuner(backbone, method="erm", steps=2).fit(table)
    card = model_card(by_class, "me/x", None, None)
    assert "Oracle" not in card
    assert "Synthetic" not in card
    assert "Not reported." in card
    assert "No license is given" in card
    result = {"dataset": "waterbirds-mini", "synthetic": True, "oracle": False}
    card = model_card(tuner, "me/x", result, None)
    assert "**Synthetic: the training images were drawn by a program.**" in card


def test_refusals_are_one_line(hub: Hub, tuner: Tuner, backbone: Backbone) -> None:
    with pytest.raises(UsageError, match="me/none: the Hub refuses") as caught:
        from_hub("me/none")
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="me/refused: the Hub refuses"):
        push_to_hub(tuner, "me/refused", token="wrong")
    with pytest.raises(UsageError, match="the Hub refuses"):
        push_to_hub(tuner, "not a name")
    with pytest.raises(UsageError, match="has learned nothing yet"):
        push_to_hub(Tuner(backbone), "me/empty")


def test_the_old_spellings_name_the_new(tuner: Tuner) -> None:
    with pytest.raises(UsageError, match=r"debias_pt\.push_to_hub\(tuner, name, license=\.\.\.\)"):
        tuner.push_to_hub("me/birds", licence="apache-2.0")
    with pytest.raises(UsageError, match=r"debias_pt\.from_hub\(name\)"):
        Tuner.from_pretrained("me/birds")
