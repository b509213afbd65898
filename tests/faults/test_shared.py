"""Promises: what is made to be shared names no folder of this machine; strange names stay names wherever they go."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from debias_pt.models.names import from_home
from debias_pt.pages.render import html
from debias_pt.reports.build import page
from debias_pt.run import open_run
from debias_pt.sharing.export import export_tuner
from debias_pt.sharing.model_card import model_card
from debias_pt.training.tuner import Tuner
from debias_pt.workflows.run_folder import RunFolder
from studies.before_after import plot_before_after
from tests.faults.case import Case
from tests.faults.records import LONG
from tests.helpers.report_case import evidence_of

NAMES = [
    "$x$", "$\\frac{", "a$b", "\\$", "\x1b[31mred", "\u202eevil", "two\nlines", "<script>x</script>", "\U0001f426",
    "\ud800", "&amp;", "=1+1", "\x9b1m", "name" * 40, "]]>", "{{7*7}}",
]  # fmt: skip


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all files below a path, those inside of zip files too."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            yield file.name, file.read_bytes()
        if file.is_file() and zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                yield from ((name, archive.read(name)) for name in archive.namelist())


def test_nothing_to_share_names_a_folder(
    case: Case,
    counted: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(case.folder))
    done, out = case.folder / "done", tmp_path / "out"
    out.mkdir()
    case.whole(["report", done, "--out", out / "page.html"], case.folder)
    case.whole(["export", done, "--out", out / "export"], case.folder)
    case.whole(["eval", done, "--csv", out / "eval.csv"], case.folder)
    case.whole(["predict", done, "data/waterbirds_v1.0", "--out", out / "predict.csv"], case.folder)
    tuner = open_run(done).tuner
    tuner.save(out / "tuner")
    export_tuner(tuner, out / "checkpoint")
    for name in ("tuner.pt2", "tuner.onnx") if LONG else ():
        export_tuner(tuner, out / name)
    (out / "card.md").write_text(model_card(tuner, "ada/birds", RunFolder(done).result, "apache-2.0"))
    places = [str(case.folder), str(Path(__file__).parents[2]), str(Path(pytest.__file__).parent)]
    with counted(5, "pages, exports (.pt2, .onnx too), tuners, model cards and CSV files that name a folder") as row:
        for name, data in contents(out):
            assert not [place for place in places if place.encode() in data], name
            row.survived()
    assert Tuner.load(out / "tuner").backbone.source[0] == f"local-dir:{case.folder / 'tiny'}"
    assert from_home("openai=~/w.pt") == f"openai={case.folder}/w.pt"


def run_of(folder: Path, name: str) -> Path:
    groups = [{"label": name, "attribute": name, "n": 9, "accuracy": a, "ci": [a - 0.1, a]} for a in (0.5, 0.9)]
    result = {
        "dataset": name, "synthetic": False, "method": "dpt", "oracle": False, "model": name, "split": "test",
        "seeds": [0, 1], "groups_from": "true", "worst_group_accuracy": 0.5, "groups": groups,
    }  # fmt: skip
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def test_names_in_pictures(counted: Any, tmp_path: Path) -> None:
    with counted(5, "names with formulas, escape sequences, marks of direction and odd letters, in PNG and SVG") as row:
        for number, name in enumerate(NAMES):
            run = run_of(tmp_path / str(number), name)
            for ending in ("png", "svg"):
                file = tmp_path / f"{number}.{ending}"
                plot_before_after(run, run, file)
                if ending == "png":
                    with Image.open(file) as image:
                        image.load()
                else:
                    text = file.read_text()
                    ElementTree.fromstring(text)
                    assert "<script>x" not in text
                    assert "\x1b" not in text
                    assert name != "$x$" or "$x$" in text
                row.survived()


def test_names_in_pages(counted: Any, tmp_path: Path) -> None:
    with counted(5, "the same names on a page of HTML") as row:
        for number, name in enumerate(NAMES):
            text = html(page([evidence_of(tmp_path / str(number), [name, "dog"], [name, "out"])]))
            assert "<script>x" not in text
            assert not any(mark in text for mark in "\x1b\x9b\u202e\ud800"), ascii(name)
            assert "49" not in text or "{{7*7}}" in text or name != "{{7*7}}"
            row.survived()
