"""Promises: every command in the documentation exists with its options; the how-to pages run as they stand; every other
block is valid, and Python code names only what is there."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import json
import os
import re
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from debias_pt.cli import main as command_line
from tests.helpers.doc_blocks import DOCS, Block, blocks, commands

PAGES = [*sorted(DOCS.rglob("*.md")), DOCS.parent / "CONTRIBUTING.md"][:-1]
BLOCKS = [block for page in PAGES for block in blocks(page)]
# Pages whose blocks run one after the other in one folder; elsewhere data or hours are missing, so blocks are checked.
RUN = [*sorted(path.relative_to(DOCS).as_posix() for path in (DOCS / "howto").glob("*.md")), "tune.md"]
EXTRAS = ("tensorboard --logdir", "ray start", "ray stop", "pytest -m cluster")
CHECKED = ("bash", "python", "json", "toml", "text", "")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}-{block.lang}")
def test_every_block_is_valid(block: Block) -> None:
    assert block.lang in CHECKED
    if block.lang == "bash":
        for line in commands(block.code):
            _check_command(line)
    elif block.lang == "python":
        _check_python(block.code)
    elif block.lang == "json":
        json.loads(block.code)


def _check_command(line: str) -> None:
    """Options, choices and numbers of arguments are those of the command that is named."""
    line = re.sub(r"^(?:[A-Z_]+=\S* )+", "", line)  # variables of the environment
    words = shlex.split(line)
    if words[:2] == ["python", "-m"]:
        own = words[2].partition(".")[0] in ("debias_pt", "studies", "tests")
        assert own, line
        assert importlib.util.find_spec(words[2]), line
    elif words[0] == "debias-pt":
        _parse(typer.main.get_command(command_line.app), words[1:])
    else:
        assert words[:2] == ["pip", "install"] or line.startswith(EXTRAS), line


def _parse(command: Any, words: list[str], parent: Any = None) -> None:
    with command.make_context(command.name, words, parent=parent) as context:
        if hasattr(command, "resolve_command"):
            _, child, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            _parse(child, rest, context)


def _check_python(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("debias_pt"):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


def test_a_wrong_option_is_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        _check_command("debias-pt train waterbirds-mini --stepz 3")
    with pytest.raises(AssertionError):
        _check_python("from debias_pt import NoSuchName")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a person's own images, synthetic."""
    from debias_pt.datasets import load_dataset

    root = tmp_path_factory.mktemp("own")
    drawn = load_dataset("waterbirds-mini")
    for label, name in enumerate(drawn.class_names):
        for row in (drawn.y == label).nonzero()[0][:40]:
            target = root / "photos" / name / f"{row}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(drawn.root / drawn.ids[row])
    (root / "new-photos").symlink_to(root / "photos" / drawn.class_names[0])
    return root


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.mark.parametrize("name", RUN)
def test_the_page_runs(name: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for item in photos.iterdir():
        (tmp_path / item.name).symlink_to(item)
    names: dict[str, Any] = {}
    ran = 0
    with _in_folder(tmp_path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in blocks(DOCS / name):
            if block.reason is None and block.lang == "bash":
                for line in commands(block.code):
                    ran += _run(line, "photos/" in line or "-mini" not in line)
            elif block.reason is None and block.lang == "python":
                with contextlib.redirect_stdout(io.StringIO()) as printed:
                    exec(block.code, names)
                assert printed.getvalue(), block.code
                ran += 1
    assert ran, "nothing on this page was run"


def _run(line: str, own: bool) -> bool:
    """Run one command in this process; short fits, since what they find is not the point here."""
    words = shlex.split(line)
    if words[0] != "debias-pt":
        return False
    more = ["--model", "mini"] if own and words[1] in ("probe", "train", "encode", "discover") else []
    more += ["--steps", "5"] if words[1] == "train" else []
    with contextlib.redirect_stdout(io.StringIO()), pytest.raises(SystemExit) as stopped:
        command_line.main([*words[1:], *more])
    assert stopped.value.code == 0, line
    return True
