"""Promises: prompts with a penalty, and several per class, are trained, evaluated and refused by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

Cli = Any


def train(cli: Cli, tiny: list[str], out: Path, *options: object) -> dict[str, Any]:
    run = cli("train", "waterbirds", *tiny, "--steps", 3, "--seeds", 2, *options, "--out", out, "--json")
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_a_group_prompt_is_trained_and_comes_back_but_is_no_folder_of_class_weights(
    cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    options = ("--head", "group-prompt", "--prompts-per-class", 3, "--context-length", 2)
    trained = train(cli, tiny, tmp_path / "run", *options)
    context = load_file(tmp_path / "run" / "prompt.safetensors")["context"]
    assert context.shape[:3] == (2, 3, 2)
    assert len({row.tobytes() for run in context for row in run}) == 6  # no two prompts are alike
    again = json.loads(cli("eval", tmp_path / "run", "--json").stdout)
    assert again["groups"] == trained["groups"]
    refused = cli("export", tmp_path / "run")
    assert refused.returncode == 2
    assert "the head 'group-prompt' has 3 weights per class" in refused.stderr
    assert "take the head prompt or penalized-prompt" in refused.stderr


def test_the_penalty_draws_class_weights_together(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    spread = {}
    for head in ("prompt", "penalized-prompt"):
        train(cli, tiny, tmp_path / head, "--head", head, "--method", "erm", "--steps", 60, "--no-baselines")
        assert cli("export", tmp_path / head, "--out", tmp_path / f"{head}-weights").returncode == 0
        weights = load_file(tmp_path / f"{head}-weights" / "class_weights.safetensors")["class_weights"]
        spread[head] = float(np.linalg.norm(weights[0] - weights[1]))
    assert spread["penalized-prompt"] < spread["prompt"]


def test_prompts_per_class_are_for_the_head_that_takes_them(cli: Cli, tiny: list[str]) -> None:
    run = cli("train", "waterbirds", *tiny, "--head", "prompt", "--prompts-per-class", 3)
    assert run.returncode == 2
    assert "the head 'prompt' does not take prompts_per_class; leave it out" in run.stderr


def test_the_control_is_added_beside_its_head_and_named(cli: Cli, tiny: list[str]) -> None:
    words = ["bench", "group-robustness", "waterbirds", *tiny, "--steps", 2, "--seeds", 1, "--rows", "sage,inferred"]
    run = cli(*words)
    assert run.returncode == 0, run.stderr
    assert "Added: anchored-classes, class balance with the head and the rows of anchored" in " ".join(
        run.stdout.split()
    )
    found = json.loads(cli(*words, "--json").stdout)
    assert [row["row"] for row in found["rows"]] == ["sage", "anchored-classes", "inferred"]
    assert found["added"] == ["anchored-classes"]
