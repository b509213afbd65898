"""Promises: bash, zsh and fish complete commands, options and the names an option takes; what has no names is left to
the shell, which completes files; --install-completion puts it where bash finds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from debias_pt.datasets import DATASETS
from debias_pt.losses import LOSSES
from debias_pt.methods import METHODS
from debias_pt.settings import PROBES
from tests.conftest import Cli


def bash(cli: Cli, line: str) -> list[str]:
    """Return what bash is told for a line whose last word is being typed."""
    env = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_DEBIAS_PT_COMPLETE": "complete_bash"}
    run = cli(env=env)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("debias-pt tr", ["train"]),
        ("debias-pt bench g", ["group-robustness", "guard"]),
        ("debias-pt train x --method ", list(METHODS)),
        ("debias-pt train x --method dpt-", ["dpt-mixture"]),
        ("debias-pt train x --loss n", [name for name in LOSSES if name.startswith("n")]),
        ("debias-pt train x --method-", ["--method-option"]),
        ("debias-pt train water", [name for name in DATASETS if name.startswith("water")]),
        ("debias-pt probe x --probe ", list(PROBES)),
        ("debias-pt bench noisy-labels x --protocol p", ["ptnl"]),
        ("debias-pt eval --split t", ["train", "test"]),
        ("debias-pt train x --data-root /", []),  # bash completes files then
    ],
)
def test_bash_is_told_the_names(cli: Cli, line: str, found: list[str]) -> None:
    assert bash(cli, line) == found


def test_zsh_and_fish_are_told_the_names(cli: Cli) -> None:
    line = {"_TYPER_COMPLETE_ARGS": "debias-pt train x --loss nc"}
    zsh = cli(env={**line, "_DEBIAS_PT_COMPLETE": "complete_zsh"})
    assert zsh.stdout == "_arguments '*: :((\"nce-rce\"))'\n"
    fish = cli(env={**line, "_DEBIAS_PT_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"})
    assert fish.stdout == "nce-rce\n"
    path = {"_TYPER_COMPLETE_ARGS": "debias-pt train pho"}
    assert cli(env={**path, "_DEBIAS_PT_COMPLETE": "complete_zsh"}).stdout == "_files\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_once_it_is_installed(tmp_path: Path) -> None:
    command = tmp_path / "bin" / "debias-pt"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m debias_pt "$@"\n')
    command.chmod(0o755)
    env = {**os.environ, "HOME": str(tmp_path), "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}

    def shell(script: str) -> str:
        done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "bash completion installed" in shell("debias-pt --install-completion; exit $?")
    typed = "COMP_WORDS=(debias-pt train x --select true); COMP_CWORD=4; $function debias-pt; echo ${COMPREPLY[@]}"
    which = "function=$(complete -p debias-pt | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
    assert shell(f"source ~/.bashrc; {which}; {typed}") == "true-wga\n"
