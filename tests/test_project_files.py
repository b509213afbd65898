"""Promises: the citation names this version; what CI installs as lowest is what pyproject.toml declares; the README is
short, and its links and those of the documents lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mutation.slips import SLIPS

ROOT = Path(__file__).resolve().parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[project]")[2]
# Pages that are made when the site is built (docs/_plugins/pages.py); tests/docs builds it strictly.
MADE = {f"docs/{page}.md" for page in ("tutorial", "changelog", "contributing", "security", "reference/commands")}
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_citation_names_this_version() -> None:
    version = re.search(r'^version = "(.+)"$', PROJECT, re.MULTILINE)
    assert version is not None
    assert f"\nversion: {version[1]}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_ci_installs_the_lowest_declared_versions() -> None:
    declared = dict(re.findall(r'^    "([\w-]+)(?:\[\w+\])?>=([\d.]+)[",]', PROJECT, re.MULTILINE))
    declared |= dict(re.findall(r'= \["([\w-]+)>=([\d.]+)"\]', PROJECT))
    lines = (ROOT / ".ci" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    lowest = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {name: _numbers(version) for name, version in lowest.items()} == {
        name: _numbers(version) for name, version in declared.items()
    }


def _numbers(version: str) -> tuple[int, ...]:
    """1.0 and 1.0.0 are one version."""
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (3 - len(numbers)))


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+\.\w+)?(#[\w-]+)?\)", page.read_text(encoding="utf-8")):
        file = (page.parent / target[0]).resolve() if target[0] else page
        if file.relative_to(ROOT).as_posix() in MADE:
            continue
        assert file.exists(), target
        if target[1]:
            assert target[1] in _anchors(file), target


def _anchors(page: Path) -> set[str]:
    """The anchors that a Markdown page's headings get."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {"#" + re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_no_test_module_reads_another() -> None:
    """What tests share stands in a helper or a conftest: a change to one test breaks no other."""
    reads = re.compile(r"^ *(?:from|import) +(?:tests|\.)[^\n]*\btest_\w+", re.MULTILINE)
    found = {path.name: reads.findall(path.read_text(encoding="utf-8")) for path in (ROOT / "tests").rglob("*.py")}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_every_slip_finds_its_line() -> None:
    for slip in SLIPS:
        slip.code()
