"""Promises of the layout: rooms read downward only, modules without a circle; pure code stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import debias_pt

ROOT = Path(debias_pt.__file__).resolve().parents[1]
# From the ground up; rooms of one floor do not read each other, unless it is written below.
FLOORS = (
    ("errors",),
    ("utils",),
    ("pages", "cluster"),
    ("settings",),
    ("datasets",),
    ("models",),
    ("features",),
    ("groups", "noise", "losses", "reweighting"),
    ("discovery",),
    ("methods",),
    ("training",),
    ("sharing", "sklearn"),
    ("workflows",),
    ("reports",),
    ("run",),
    ("benchmarks",),
    ("cli",),
    ("studies",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
PLACES = ("debias_pt", "cli", "benchmarks", "studies")
MODULES = sorted(path for place in PLACES for path in (ROOT / place).rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("debias_pt", *parts) if parts[0] in ("cli", "benchmarks") else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_of(path) for path in MODULES}
ROOTS = ("debias_pt", "studies")


def room_of(module: str) -> str:
    top, _, rest = module.partition(".")
    return rest.split(".")[0] if top == "debias_pt" and rest else top


def imports(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a file imports: at the top, in functions, and for types alone.

    A package's `__init__` that gives names lazily imports them for type checkers only: these are not what it reads.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for_types = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    lazy = {id(one) for node in for_types for one in ast.walk(node)} if path.name == "__init__.py" else set()
    for node in ast.walk(tree):
        if id(node) in lazy:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in ROOTS)
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            if base.split(".")[0] in ROOTS:
                yield from (f"{base}.{alias.name}" if f"{base}.{alias.name}" in NAMES else base for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_rooms_read_downward_only(path: Path) -> None:
    own = room_of(module_of(path))
    if own in ("debias_pt", "__main__"):  # the front door gives everybody's names
        return
    for other in imports(path):
        room = room_of(other)
        assert room in FLOOR or room == "debias_pt", other
        assert room == own or room == "debias_pt" or FLOOR[room] < FLOOR[own], f"{module_of(path)} reads {other}"


def test_there_is_no_circle() -> None:
    reads = {module_of(path): set(imports(path)) & NAMES for path in MODULES}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join([*way[way.index(module) :], module])
        if module in done:
            return
        for other in sorted(reads[module]):
            visit(other, (*way, module))
        done.add(module)

    for module in sorted(reads):
        visit(module, ())


def test_tests_mirror_the_rooms() -> None:
    for folder in (ROOT / "tests").iterdir():
        if folder.is_dir() and folder.name not in ("__pycache__", "faults", "helpers", "mutation", "parity"):
            assert (ROOT / "debias_pt" / folder.name).is_dir() or (ROOT / folder.name).is_dir(), folder


@pytest.mark.parametrize(
    ("modules", "without"),
    [
        (
            "debias_pt, debias_pt.settings, debias_pt.losses, debias_pt.reweighting, debias_pt.models.heads",
            "torch numpy",
        ),
        ("debias_pt.groups, debias_pt.features, debias_pt.training, debias_pt.datasets", "torch numpy"),
        ("debias_pt.losses.gce, debias_pt.losses.nlprompt", "open_clip torchvision"),
        ("debias_pt.reweighting.dpt, debias_pt.reweighting.cvar", "open_clip torchvision"),
        ("debias_pt.groups.metrics, debias_pt.groups.groups", "torch open_clip torchvision"),
    ],
)
def test_pure_code_stays_light(modules: str, without: str) -> None:
    code = f"import sys\nimport {modules}\nprint(*[name for name in {without.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == []


def test_every_package_is_installed() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"\npackages = \[(.*?)\]", text, re.DOTALL)
    assert listed
    assert set(re.findall(r'"([^"]+)"', listed[1])) == {
        module_of(path) for path in MODULES if path.name == "__init__.py" and room_of(module_of(path)) != "studies"
    }
