"""Promises: code that uses the public API passes pyright in its strict mode, and ``help()`` of every public name says
what it takes."""

from __future__ import annotations

import inspect
import json
import pydoc
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import debias_pt

ROOT = Path(__file__).resolve().parents[1]
USER_CODE = ROOT / "tests" / "helpers" / "user_code.py"


def _pyright(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    (folder / "user_code.py").write_text(code, encoding="utf-8")
    config = {"include": ["user_code.py"], "typeCheckingMode": "strict", "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_user_code_passes_pyright_strict(tmp_path: Path) -> None:
    pytest.importorskip("pyright", reason="pip install pyright")
    if shutil.which("node") is None:
        pytest.skip("pyright runs on node, which is not installed")
    code = USER_CODE.read_text(encoding="utf-8")
    done = _pyright(tmp_path, code)
    assert done.returncode == 0, done.stdout
    wrong = _pyright(tmp_path, f"{code}\nnumber: int = Tuner.fit\nBackbone.load(pretrained=3)\n")
    assert wrong.returncode == 1
    assert wrong.stdout.count("error:") == 2, wrong.stdout


@pytest.mark.parametrize("name", debias_pt.__all__)
def test_help_is_useful(name: str) -> None:
    value = getattr(debias_pt, name)
    text = pydoc.plain(pydoc.render_doc(value))
    own = inspect.getdoc(value) or ""
    assert own.partition("\n")[0].endswith((".", ":")), "the first line is a sentence"
    assert "Parameters\n" in text
    for parameter in inspect.signature(value).parameters.values():
        plain = parameter.name.lstrip("_")
        assert plain in own or parameter.name == "self", f"{name} does not document {parameter.name}"
