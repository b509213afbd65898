"""Promises: help goes by headings, common options first, and names what an option takes; it fits its terminal and
breaks no name; a bare command says how to begin; a reader that has seen enough ends it quietly."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from typing import Any

import pytest

from debias_pt import __version__
from debias_pt.losses import LOSSES
from debias_pt.methods import METHODS
from debias_pt.models.heads import HEADS
from debias_pt.settings import SECTIONS, SELECTIONS, SUITE, TrainSettings
from debias_pt.utils.typed import kinds
from tests.conftest import Cli

SETTINGS = [field for field in dataclasses.fields(TrainSettings) if field.name != "dataset"]


def headings(text: str) -> dict[str, str]:
    """Return what stands under each heading."""
    parts = re.split(r"^(\S.*):\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def flag(field: dataclasses.Field[Any]) -> str:
    name = field.name.replace("_", "-")
    return f"--[no-]{name}" if kinds(TrainSettings)[field.name].base is bool else f"--{name}"


@pytest.fixture(scope="module")
def train_help(cli: Cli) -> dict[int, str]:
    return {width: cli("train", "--help", env={"COLUMNS": str(width)}).stdout for width in (80, 120)}


def test_every_setting_stands_once_under_its_heading(train_help: dict[int, str]) -> None:
    found = headings(train_help[80])
    assert list(found) == ["Arguments", *(name for name in SECTIONS if name != SUITE)]
    rare = [name.startswith("Rarely used") for name in found]
    assert rare == sorted(rare)
    for field in SETTINGS:
        lines = re.findall(rf"^  {re.escape(flag(field))}(?= |$)", train_help[80], flags=re.MULTILINE)
        assert len(lines) == 1, field.name
        assert f"  {flag(field)}" in found[field.metadata["section"]]
    for own in ("--config", "--resume", "--json", "-h, --help"):
        assert own in found["Run and output"]


@pytest.mark.parametrize("width", [80, 120])
def test_help_fits_and_breaks_no_name(train_help: dict[int, str], width: int) -> None:
    lines = train_help[width].splitlines()
    assert max(map(len, lines)) < width
    assert not [line for line in lines if re.search(r"\w-$", line)]
    starts = {len(match.group(0)) for line in lines if (match := re.match(r"  -\S+( \S+)? {2,}", line))}
    assert starts == {30}  # one column throughout


def test_help_names_what_an_option_takes(train_help: dict[int, str]) -> None:
    text = " ".join(train_help[120].split())
    for names, default in ((METHODS, "dpt"), (LOSSES, "cross-entropy")):
        assert f"[one of {', '.join(names)}; default: {default}]" in text
    for left_to_the_method in (HEADS, SELECTIONS):
        assert f"[one of {', '.join(left_to_the_method)}]" in text
    assert "[default: 0.004]" in text
    assert "published ones. [default: on]" in text


def test_a_suites_own_options_come_first_with_its_own_defaults(cli: Cli) -> None:
    found = headings(cli("bench", "group-robustness", "--help").stdout)
    assert next(name for name in found if name != "Arguments") == SUITE
    assert "--rows" in found[SUITE]
    assert re.search(r"--seeds INTEGER[^-]*\[default: 3\]", " ".join(found["Run and output"].split()))
    assert "--eta" not in str(found)
    assert "--method-option" not in str(found)
    noisy = headings(cli("bench", "noisy-labels", "--help").stdout)
    assert "[one of fast, ptnl; default: fast]" in " ".join(noisy[SUITE].split())


def test_a_bare_command_says_how_to_begin(cli: Cli) -> None:
    run = cli()
    assert run.returncode == 2
    assert run.stderr == ""
    assert "debias-pt train waterbirds-mini" in run.stdout
    assert "debias-pt --help" in run.stdout
    every = cli("--help").stdout
    for command in re.findall(r"debias-pt (\w+)", run.stdout):
        assert re.search(rf"^  {command} ", every, flags=re.MULTILINE)


def test_version(cli: Cli) -> None:
    run = cli("--version")
    assert (run.returncode, run.stdout) == (0, f"debias-pt {__version__}\n")


# What others have installed takes long to read: only help of a command with such names, and a name that is not known.
UNASKED = """
import sys
from debias_pt.utils import registry
def refuse(): raise AssertionError("entry points were read")
registry._entry_points = refuse
from debias_pt.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("words", [["--help"], [], ["--version"], ["eval", "--help"], ["probe", "--help"]])
def test_entry_points_are_not_read_without_need(words: list[str]) -> None:
    run = subprocess.run([sys.executable, "-c", UNASKED, *words], capture_output=True, text=True)
    assert run.returncode == (0 if words else 2), run.stderr
    assert run.stderr == ""


def test_training_with_names_that_are_built_in_reads_no_entry_points(tiny: list[str], tmp_path: Any) -> None:
    words = ["train", "waterbirds", *tiny, "--steps", "1", "--out", str(tmp_path / "run"), "--json"]
    run = subprocess.run([sys.executable, "-c", UNASKED, *words], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("words", ["train --help", "data list", ""])
@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_that_leaves_ends_it_quietly(words: str, reader: str) -> None:
    line = f"{sys.executable} -m debias_pt {words} | {reader}"
    run = subprocess.run(["sh", "-c", line], capture_output=True, text=True)
    assert run.returncode == 0
    assert run.stderr == ""
    assert len(run.stdout.splitlines()) == (reader == "head -1")
