"""Promises: the library prints nothing and configures no logger; the command line shows its log on standard error."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest

import debias_pt
from debias_pt.cli.start import log_to_stderr

LIBRARY = sorted(Path(debias_pt.__file__).parent.rglob("*.py"))
CONFIGURING = ("basicConfig", "dictConfig", "fileConfig")


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_no_module_prints(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    script = [node for node in tree.body if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)]
    in_script = {id(inner) for node in script for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and id(node) not in in_script:
            name = ast.unparse(node.func)
            assert name not in ("print", "sys.stdout.write", "sys.stderr.write"), f"line {node.lineno}: {name}"
            assert name.rpartition(".")[2] not in CONFIGURING, f"line {node.lineno}: {name}"


def test_the_command_line_shows_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("debias_pt")
    before = (log.level, log.propagate, list(log.handlers))
    try:
        log_to_stderr()
        log_to_stderr()
        logging.getLogger("debias_pt.features.cache").info("waiting: %s", "for another process")
        assert capsys.readouterr() == ("", "waiting: for another process\n")
    finally:
        log.level, log.propagate, log.handlers[:] = before
