"""Promises: ``debias-pt models`` lists what ``--model`` takes, what is downloaded, and the nearest name to a typo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import open_clip
import pytest

from debias_pt.errors import UnknownNameError
from debias_pt.models.listing import list_models, text_pass_of
from debias_pt.models.text.supported import reads_at_end


def hold(cache: Path, repository: str, *files: str, **config: str) -> None:
    folder = cache / f"models--{repository.replace('/', '--')}" / "snapshots" / "0"
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).touch()
    (folder / ("config.json" if config else "open_clip_config.json")).write_text(json.dumps(config))


def test_all_models_are_listed_with_their_weights(tmp_path: Path) -> None:
    found = list_models(cache=tmp_path)["models"]
    assert [one["name"] for one in found] == open_clip.list_models()
    assert sum(len(one["tags"]) for one in found) == len(open_clip.list_pretrained())
    assert {one["text_pass"] for one in found} == {"shared", "cut", "whole"}
    assert sum(one["trained_with"] == "sigmoid" for one in found) == 28
    assert not any(one["cached"] for one in found)


def test_what_is_downloaded_is_marked(tmp_path: Path) -> None:
    hold(tmp_path, "timm/vit_base_patch32_clip_224.openai", "open_clip_model.safetensors")
    hold(tmp_path, "timm/ViT-B-16-SigLIP2")  # a configuration alone
    hold(tmp_path, "openai/clip-vit-base-patch32", "model.safetensors", model_type="clip")
    hold(tmp_path, "google/bert", "model.safetensors", model_type="bert")
    found = list_models(cache=tmp_path)
    cached = {one["name"]: one["cached"] for one in found["models"] if one["cached"]}
    assert cached == {"ViT-B-32": ["openai"], "ViT-B-32-quickgelu": ["openai"]}
    assert found["hub"] == ["hf:openai/clip-vit-base-patch32", "hf-hub:timm/vit_base_patch32_clip_224.openai"]


def test_one_model_is_shown_with_what_its_weights_load(tmp_path: Path) -> None:
    found = list_models("vit-b/32", cache=tmp_path)
    assert [one["name"] for one in found["models"]] == ["ViT-B-32"]
    loads = {one["tag"]: one["loads"] for one in found["weights"]}
    assert (loads["openai"], loads["laion2b_s34b_b79k"]) == ("ViT-B-32-quickgelu", "ViT-B-32")
    assert found["parameters"] == 151_277_313
    assert list_models("nllb-clip-base", cache=tmp_path)["parameters"] is None


def test_the_pass_is_the_one_that_the_tower_takes() -> None:
    for name in ("ViT-B-32", "ViT-B-16-SigLIP2", "coca_base", "MobileCLIP2-S0", "MobileCLIP-B", "ViT-L-14-worldwide"):
        config = open_clip.get_model_config(name)
        text = {**config["text_cfg"], "layers": 1, "width": 64, "heads": 1, "vocab_size": 50}
        keys = open_clip.transformer.TextTransformer.__init__.__code__.co_varnames
        tower = open_clip.transformer.TextTransformer(
            output_dim=8, **{key: value for key, value in text.items() if key in keys}
        )
        assert (text_pass_of(config) == "shared") == reads_at_end(tower), name


def test_a_typo_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match=r"no model is called 'ViT-B-33' \(did you mean 'ViT-B-32'\?\)"):
        list_models("ViT-B-33")


def test_the_command_prints_a_table_or_json() -> None:
    command = [sys.executable, "-m", "debias_pt", "models", "SigLIP2-256"]
    table = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "ViT-B-16-SigLIP2-256" in table.stdout
    found = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True, timeout=120).stdout)
    assert [one["name"] for one in found["models"]] == [
        name for name in open_clip.list_models() if "SigLIP2-256" in name
    ]
    wrong = subprocess.run([*command[:-1], "SigLIP3"], capture_output=True, text=True, check=False, timeout=120)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
