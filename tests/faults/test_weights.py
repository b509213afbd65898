"""Promises: no loader runs code that stands in a checkpoint: not in its pickle, its TorchScript, or its folder."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip import factory, pretrained

from debias_pt.errors import BackboneError
from debias_pt.models.backbone import Backbone

EVIL = "import os\nos.makedirs({made!r}, exist_ok=True)\nclass Evil: pass\n"
FILES = ["weights.pt", "weights.pth", "weights.bin", "old.pt", "tensors.pt", "script.pt", "objects.npy", "objects.npz"]


class Hostile:
    """A pickle of it makes a folder when it is read."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.made),)


def write(file: Path, made: Path) -> None:
    hostile = Hostile(made)
    if file.name == "script.pt":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), file)
    elif file.suffix == ".npy":
        np.save(file, np.array([hostile], dtype=object))
    elif file.suffix == ".npz":
        np.savez(file, x=np.array([hostile], dtype=object))
    elif file.name == "tensors.pt":  # hidden behind good ones
        torch.save({"state_dict": {"visual.x": torch.zeros(2)}, "args": hostile}, file)
    else:
        torch.save({"x": hostile}, file, _use_new_zipfile_serialization=file.name != "old.pt")


def test_weights_of_a_named_model(
    counted: Any, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((tiny_checkpoint / "open_clip_config.json").read_text())["model_cfg"]
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny-test", {**config, "quick_gelu": True})
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny-test", {"openai": pretrained._PRETRAINED["RN50"]["openai"]})
    made = tmp_path / "made"
    with counted(4, "weights of a named model with code in them, as a file and as a tag's: refused") as row:
        for name in FILES:
            file = tmp_path / name
            write(file, made)
            for given in (str(file), f"openai={file}"):
                with warnings.catch_warnings(), pytest.raises(BackboneError) as caught:
                    warnings.simplefilter("ignore")
                    Backbone.load("tiny-test", given)
                assert "\n" not in str(caught.value)
                assert not made.exists(), given
                if file.suffix in (".pt", ".pth", ".bin"):
                    assert "hold more than tensors" in str(caught.value), given
                row.survived()


def folder_of(tiny: Path, folder: Path, made: Path, **text: Any) -> Path:
    """Write a checkpoint whose folder has a tokenizer of its own, in Python."""
    shutil.copytree(tiny, folder)
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"] |= text
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    own = {"AutoTokenizer": ["evil.Evil", None], "AutoConfig": "evil.Evil"}
    (folder / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": own}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Evil", "auto_map": own}))
    (folder / "evil.py").write_text(EVIL.format(made=str(made)))
    return folder


def test_a_folder_with_code_of_its_own(
    counted: Any, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    made = tmp_path / "made"
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("builtins.input", lambda *words: pytest.fail("it asks whether to run the code"))
    asks = {"hf_tokenizer_name": "x", "tokenizer_kwargs": {"trust_remote_code": True}}
    folders = [
        folder_of(tiny_checkpoint, tmp_path / "asks", made, **asks),
        folder_of(tiny_checkpoint, tmp_path / "silent", made, hf_tokenizer_name="x"),
        folder_of(tiny_checkpoint, tmp_path / "text", made, hf_model_name=str(tmp_path / "text")),
    ]
    with counted(4, "a checkpoint's folder that has Python of its own run, by local-dir: and hf:: refused") as row:
        for name in [f"local-dir:{folder}" for folder in folders] + [f"hf:{folder}" for folder in folders]:
            with pytest.raises(BackboneError) as caught:
                Backbone.load(name)
            assert not made.exists(), name
            if name.endswith("asks") and name.startswith("local"):
                assert "asks for code of its own (trust_remote_code)" in str(caught.value)
            row.survived()


def test_the_tensors_behind_a_pickle_that_is_plain_are_read(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    shutil.copy(tiny_checkpoint / "open_clip_config.json", tmp_path)
    weights = load_file(tiny_checkpoint / "open_clip_model.safetensors")
    torch.save(weights, tmp_path / "open_clip_pytorch_model.bin")
    plain, same = (Backbone.load(f"local-dir:{place}") for place in (tiny_checkpoint, tmp_path))
    assert plain.fingerprint == same.fingerprint
