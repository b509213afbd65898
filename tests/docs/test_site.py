"""Promises: the site builds without a warning, documents every public name, asks no other host for anything, and its
tutorial is a notebook that runs and prints what the page shows."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("", ".datasets", ".discovery", ".features", ".groups", ".groups.refinement", ".losses", ".models")
ROOMS += (".models.heads", ".noise", ".reweighting", ".sklearn", ".training")
FETCHES = re.compile(
    r'(?:src|srcset|action)="(?:https?:)?//[^"]*"|<link [^>]*href="(?:https?:)?//[^"]*"|url\((?:https?:)?//'
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the site needs pip install 'debias-pt[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_public_name_is_documented(site: Path) -> None:
    import zlib

    lines = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode().splitlines()
    documented = {line.split()[0] for line in lines}
    for room in ROOMS:
        module = importlib.import_module(f"debias_pt{room}")
        for name in module.__all__:
            if not name.isupper():  # registries are shown by their members
                value = getattr(module, name)
                places = {f"debias_pt{room}.{name}", f"debias_pt.{name}", f"{value.__module__}.{value.__name__}"}
                assert places & documented, f"debias_pt{room}.{name}"


def test_names_in_docstrings_are_links(site: Path) -> None:
    page = (site / "reference" / "training.html").read_text(encoding="utf-8")
    assert re.search(r'href="groups.html#debias_pt.Groups"', page)
    assert ":class:`" not in page


def test_no_page_asks_another_host(site: Path) -> None:
    for page in [*site.rglob("*.html"), *site.rglob("*.css")]:
        assert not FETCHES.findall(page.read_text(encoding="utf-8")), page


def test_the_tutorial_runs_and_prints_what_it_shows() -> None:
    pytest.importorskip("nbclient", reason="notebooks need pip install 'debias-pt[test]'")
    pytest.importorskip("ipykernel")
    code = (
        "import sys, nbformat\nfrom nbclient import NotebookClient\n"
        "notebook = nbformat.read(sys.argv[1], 4)\nNotebookClient(notebook, timeout=300).execute()\n"
        "print(nbformat.writes(notebook))"
    )
    page = ROOT / "docs" / "tutorial.ipynb"
    done = subprocess.run([sys.executable, "-c", code, str(page)], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    shown, printed = (_printed(json.loads(text)) for text in (page.read_text(encoding="utf-8"), done.stdout))
    assert len(shown) >= 4
    assert [re.sub(r"\d+", "#", line) for line in shown] == [re.sub(r"\d+", "#", line) for line in printed]
    figures = [[int(n) for n in re.findall(r"(\d+)%", " ".join(lines))] for lines in (shown, printed)]
    assert figures[0] == pytest.approx(figures[1], abs=4)  # another machine rounds differently


def _printed(notebook: dict[str, object]) -> list[str]:
    return [
        "".join(output["text"])
        for cell in notebook["cells"]  # type: ignore[attr-defined]
        for output in cell.get("outputs", [])
        if output.get("name") == "stdout"
    ]
