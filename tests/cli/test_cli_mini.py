"""Promises: the miniature does the main job anywhere, without network, and says that it is synthetic."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import debias_pt
from debias_pt.workflows.export import export
from debias_pt.workflows.predict import predict
from tests.conftest import Cli
from tests.helpers.export_page import run_lines

# The whole command line in a process that cannot reach a network (workers talk through Unix sockets).
OFFLINE = """
import socket, sys
real = socket.socket.connect
def connect(self, address):
    if self.family != socket.AF_UNIX: raise OSError("no network in this test")
    return real(self, address)
def no(*a, **k): raise OSError("no network in this test")
socket.socket.connect, socket.getaddrinfo = connect, no
from debias_pt.cli.main import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """The README's quick start, without network."""
    folder = tmp_path_factory.mktemp("quick-start")
    command = [sys.executable, "-c", OFFLINE, "train", "waterbirds-mini", "--out", "run", "--cache-dir", str(cache_dir)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert all(" so far" in line for line in done.stderr.splitlines())  # on a slow machine
    assert done.stdout.startswith("waterbirds-mini (synthetic), test split: dpt, mini, seed 0\n")
    return folder / "run"


def test_quick_start_result(trained: Path) -> None:
    result = json.loads((trained / "result.json").read_text())
    assert result["synthetic"] is True
    assert result["attribute_labels_used"] == []
    assert result["probe"]["accuracy"] >= 0.9
    assert [group["n"] for group in result["groups"]] == [1128, 1128, 321, 321]


def test_eval_and_predict_say_synthetic(trained: Path, cli: Cli, cache_dir: Path) -> None:
    done = cli("eval", trained, "--worst-group", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["synthetic"] is True
    image = next((cache_dir / "worlds").glob("waterbirds-mini-*/test/00000.png"))
    done = cli("predict", trained, image)
    assert done.returncode == 0, done.stderr
    assert "synthetic" in done.stdout
    assert json.loads(cli("predict", trained, image, "--json").stdout)["synthetic"] is True


def test_the_export_of_a_residual_tower_with_batch_norm(
    trained: Path, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(str(trained), out=str(tmp_path / "export"))
    image = next((cache_dir / "worlds").glob("waterbirds-mini-*/test/00001.png"))
    # An export names the model's folder without its place.
    (tmp_path / "mini").symlink_to(Path(debias_pt.__file__).parent / "models" / "mini")
    monkeypatch.chdir(tmp_path)
    p = run_lines(tmp_path, image)["logits"].softmax(dim=-1)[0].tolist()
    assert p == pytest.approx(
        list(predict(str(trained), [str(image)])["images"][0]["probabilities"].values()), abs=1e-5
    )


@pytest.mark.usefixtures("trained")
def test_the_phenomenon(cli: Cli) -> None:
    rows = ["--rows", "zero-shot,erm,dpt,dpt-true"]
    done = cli("bench", "group-robustness", "waterbirds-mini", "--seeds", "5", *rows, "--json", wait=600)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["synthetic"] is True
    named = {row["name"]: row for row in result["rows"]}
    wga = {name: row["worst_group_accuracy"] for name, row in named.items()}
    erm_gap = named["erm"]["average_accuracy"] - wga["erm"]
    assert erm_gap >= 0.15
    assert named["dpt"]["average_accuracy"] - wga["dpt"] <= erm_gap / 2
    assert wga["dpt"] >= wga["dpt (oracle: true groups)"] - 0.05
    assert next(row for name, row in named.items() if name.startswith("zero-shot"))["gap"] > 0.1


def test_data_list(cli: Cli) -> None:
    done = cli("data", "list")
    assert done.returncode == 0
    for name in ("waterbirds ", "waterbirds-mini", "celeba-mini", "metashift-mini", "shapes-mini"):
        assert name in done.stdout
    assert "non-commercial" in done.stdout
    rows = {row["name"]: row for row in json.loads(cli("data", "list", "--json").stdout)["datasets"]}
    assert rows["waterbirds-mini"]["synthetic"] is True
    assert rows["waterbirds"]["images"] == {"train": 4795, "val": 1199, "test": 5794}
    assert len(rows["shapes-mini"]["classes"]) >= 20


def test_data_picture(trained: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli("data", "picture", "waterbirds-mini", "--out", tmp_path / "groups.png", "--columns", 3)
    assert done.returncode == 0, done.stderr
    assert "(synthetic)" in done.stdout
    with Image.open(tmp_path / "groups.png") as image:
        assert image.size == (490, 400)


def test_data_write(cli: Cli, tmp_path: Path) -> None:
    done = cli("data", "write", "metashift-mini", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"metashift-mini (synthetic): {tmp_path / 'metashift'}\n"
    rows = (tmp_path / "metashift" / "metadata_metashift.csv").read_text().splitlines()[1:]
    assert len(rows) == len(list((tmp_path / "metashift").rglob("*.jpg"))) == 3499
    done = cli("data", "write", "metashift-mini", tmp_path)
    assert done.returncode == 2
    assert "already exists" in done.stderr


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("data", "picture", "waterbirds-mini", "--out", "groups.txt"), "'.txt'; give a file name that ends in .png"),
        (("data", "picture", "waterbird-mini"), "did you mean 'waterbirds-mini'"),
        (("data", "write", "shapes-mini", "x"), "unknown miniature with a real layout 'shapes-mini'"),
        (("train", "waterbirds-mini", "--model", "mini", "--pretrained", "openai"), "'mini' brings its own weights"),
    ],
)
def test_bad_input(words: tuple[str, ...], part: str, cli: Cli, trained: Path) -> None:
    done = cli(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert part in done.stderr
    assert done.stderr.count("\n") == 1
