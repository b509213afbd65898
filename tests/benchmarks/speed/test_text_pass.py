"""Promises: the text section of the speed benchmark times three passes that give the same, and says by how much."""

from __future__ import annotations

import json

import pytest
import torch

from debias_pt.benchmarks.speed import text_pass
from debias_pt.models.text import TextTower
from tests.helpers.random_models import TOKENIZER, make_backbone


def test_three_passes_are_timed_and_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_pass, "PART", 2)
    monkeypatch.setattr(text_pass, "FULL_UP_TO", 3)
    backbone = make_backbone()
    few, many = text_pass.text_pass(backbone.model, TOKENIZER, classes=[3, 5], rounds=2)
    assert json.loads(json.dumps(few)) == few
    all_tokens, cut, shared = (row["name"] for row in few["rows"])
    assert [row["name"] for row in many["rows"]] == [cut, shared]
    assert (few["baseline"], many["baseline"]) == (all_tokens, cut)
    names = text_pass.IMAGENET_CLASSNAMES[:3]
    assert few["suffix_tokens"] == sum(len(TOKENIZER.encode(f"{name}.")) + 1 for name in names)
    for result in (few, many):
        for found in result["equal"].values():
            assert found["largest_difference"] < 3e-6
            assert found["relative_gradient_difference"] < 3e-6


def test_a_pass_that_gives_something_else_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = torch.ones(32, 24).cumsum(dim=1)
    monkeypatch.setattr(TextTower, "encode_shared", lambda self, prefix, *_: prefix.mean(dim=1, keepdim=True) @ wrong)
    (found,) = text_pass.text_pass(make_backbone().model, TOKENIZER, classes=[1], rounds=1)
    assert found["equal"]["shared prefix"]["largest_difference"] > 0.01
    assert found["equal"][found["baseline"]]["largest_difference"] == 0
