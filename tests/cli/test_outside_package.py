"""Promises: what another package brings by an entry point works by name, as CONTRIBUTING shows it; one that cannot be
imported says so, and only when it is asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

GUIDE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
# The other three kinds, as plain as they can be, and one that is broken.
OTHERS = """
from debias_pt.datasets.base import Card, Source
from debias_pt.losses.base import Loss
from debias_pt.losses.mae import MeanAbsoluteError
from debias_pt.models.heads.base import HeadKind
from debias_pt.models.heads.linear import LinearHead


class ScaledMAE(Loss):
    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def __call__(self, logits, y):
        return self.factor * MeanAbsoluteError()(logits, y)


head = HeadKind(lambda backbone, names, seeds, settings: LinearHead(backbone.dim, len(names), seeds=seeds),
                random_start=lambda settings: True)


def load(options):
    raise NotImplementedError


data = Source(Card(("a", "b"), None, (), {split: (2,) for split in ("train", "val", "test")}, terms="free"),
              load)
"""
ENTRY_POINTS = """
[debias_pt.losses]
scaled-mae = others:ScaledMAE
[debias_pt.heads]
plain-linear = others:head
[debias_pt.datasets]
two-classes = others:data
[debias_pt.reweighting]
broken = no_such_module:Method
"""


def block(language: str, words: str) -> str:
    """Return the guide's block of code that has these words."""
    blocks = re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)
    return next(code for code in blocks if words in code)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide's package, installed by pip into a folder of its own."""
    package, site = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("site")
    (package / "pyproject.toml").write_text(block("toml", "debias_pt.methods"))
    (package / "cluster_balanced.py").write_text(block("python", "class PowerBalanced"))
    quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index")
    command = [sys.executable, "-m", "pip", "install", *quiet, "--target", str(site), str(package)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "No module named" in done.stderr or "bdist_wheel" in done.stderr:
        pytest.skip("pip or setuptools is missing, or too old to build a package without network")
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that brings a loss, a head, a data set and something broken, as an installer leaves it."""
    site = tmp_path_factory.mktemp("others")
    (site / "others.py").write_text(OTHERS)
    facts = site / "others-0.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 0.1\n")
    (facts / "entry_points.txt").write_text(ENTRY_POINTS)
    return site


def seeing(*sites: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join([*map(str, sites), os.environ.get("PYTHONPATH", "")])}


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
def test_the_guides_package_is_a_method_with_parts_of_its_own(
    cli: Cli, installed: Path, tiny: list[str], tmp_path: Path
) -> None:
    env = seeing(installed)
    assert "cluster-balanced" in cli("train", "--help", env=env).stdout
    assert "cluster-balanced" not in cli("train", "--help").stdout
    words = ["train", "waterbirds", *tiny, "--steps", 2, "--method", "cluster-balanced", "--json"]
    run = cli(*words, "--method-option", "power=0.25", "--out", tmp_path / "run", env=env)
    assert run.returncode == 0, run.stderr
    parts = json.loads(run.stdout)["parts"]
    assert (parts["method"], parts["groups"]) == ("cluster-balanced", "cluster-balanced")
    assert (parts["scheduler"], parts["head"]) == ("cluster-balanced", "cluster-balanced")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["method"] == {"name": "cluster-balanced", "power": 0.25}
    assert list(facts["group_counts"]["train"]) == [
        *("landbird, first", "landbird, second", "waterbird, first", "waterbird, second")
    ]
    again = cli("eval", tmp_path / "run", "--json", env=env)
    assert json.loads(again.stdout)["groups"] == json.loads(run.stdout)["groups"]
    wrong = cli(*words, "--method-option", "powr=0.25", env=env)
    assert wrong.returncode == 2
    assert "has no option 'powr' (did you mean 'power'?); it takes power" in wrong.stderr
    given = cli(*words, "--groups", "true", env=env)
    assert given.returncode == 2
    assert "makes groups of its own" in given.stderr


def test_the_guides_package_is_a_row_of_the_suite(cli: Cli, installed: Path, tiny: list[str]) -> None:
    words = ["bench", "group-robustness", "waterbirds", *tiny, "--steps", 2, "--seeds", 1, "--json"]
    run = cli(*words, "--rows", "erm,cluster-balanced", env=seeing(installed))
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)["rows"]
    assert [row["row"] for row in rows] == ["erm", "cluster-balanced"]
    assert rows[1]["labels_used"] == ["class labels"]


def test_losses_heads_and_data_sets_come_the_same_way(cli: Cli, others: Path, tiny: list[str], tmp_path: Path) -> None:
    env = seeing(others)
    options = ["--loss", "scaled-mae", "--loss-option", "factor=3", "--head", "plain-linear", "--method", "erm"]
    run = cli("train", "waterbirds", *tiny, "--steps", 2, *options, "--out", tmp_path / "run", env=env)
    assert run.returncode == 0, run.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["loss"], config["head"]) == ("scaled-mae", "plain-linear")
    help_ = cli("train", "--help", env=env).stdout
    assert "scaled-mae" in help_
    assert "plain-linear" in help_
    rows = json.loads(cli("data", "list", "--json", env=env).stdout)["datasets"]
    assert [row["images"] for row in rows if row["name"] == "two-classes"] == [{"train": 2, "val": 2, "test": 2}]


def test_what_cannot_be_imported_is_one_line_when_it_is_asked_for(cli: Cli, others: Path, tiny: list[str]) -> None:
    env = seeing(others)
    assert "broken" in cli("train", "--help", env=env).stdout
    run = cli("train", "waterbirds", *tiny, "--method", "broken", env=env)
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
    assert "'broken' of no_such_module:Method cannot be imported" in run.stderr
