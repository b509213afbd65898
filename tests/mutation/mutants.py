"""Mutants: a module's source with one small mistake, drawn from the kinds that people make."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
# Guards and wording: a slip there changes no figure.
WORDING = {"warn", "register", "lookup", "TypeVar", "Literal", "progress", "counted", "field"}
COMMUTATIVE = {"min", "max", "minimum", "maximum"}
GUARDS = {"strict", "stacklevel", "repr", "compare", "dtype", "copy", "description", "help"}


@dataclass(frozen=True)
class Mutant:
    """One mistake: where, what, and the source that has it."""

    path: Path
    line: int
    lines: range  # of the changed expression or statement
    what: str
    tree: ast.Module

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def mutants(path: Path) -> list[Mutant]:
    """Return all mutants of a file, in the order of its lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for number, place in enumerate(_places(tree)):
        for kind, (what, _) in enumerate(_changes(place)):
            copy = deepcopy(tree)
            twin = list(_places(copy))[number]
            _changes(twin)[kind][1]()
            found.append(Mutant(path, place.line, place.lines, what, ast.fix_missing_locations(copy)))
    return sorted(found, key=lambda mutant: mutant.line)


def sample(every: list[Mutant], n: int, seed: int) -> list[Mutant]:
    """Draw n mutants, or all if there are fewer."""
    return every if len(every) <= n else random.Random(seed).sample(every, n)


@dataclass
class _Place:
    """A node, and the field that it stands in."""

    node: ast.AST
    parent: ast.AST
    name: str
    index: int | None

    @property
    def line(self) -> int:
        return int(getattr(self.node, "lineno", 0))

    @property
    def lines(self) -> range:
        return range(self.line, int(getattr(self.node, "end_lineno", self.line)) + 1)

    def put(self, new: ast.AST) -> None:
        """Put another node into its place."""
        if self.index is None:
            setattr(self.parent, self.name, new)
        else:
            getattr(self.parent, self.name)[self.index] = new


def _places(node: ast.AST) -> Iterator[_Place]:
    """Walk over everything that runs and matters: no annotations, decorators, docstrings, messages or imports."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(child, ast.AST) or _is_wording(child):
                continue
            yield _Place(child, node, name, index)
            yield from _places(child)


def _is_wording(node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.JoinedStr():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]) if name.startswith("__"):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.keyword(arg=name) if name in GUARDS:
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in WORDING or name.endswith(("Error", "Warning"))
    return False


Change = tuple[str, Callable[[], None]]


def _changes(place: _Place) -> list[Change]:
    """Return the mistakes that can be made at a place, each with what makes it."""
    node = place.node
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in COMPARISONS:
            return [_operator(node.ops, 0, new) for new in COMPARISONS[type(op)]]
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in ARITHMETIC:
            new = ARITHMETIC[type(op)]
            return [(f"{type(op).__name__} -> {new.__name__}", lambda: setattr(node, "op", new()))]
        case ast.BoolOp(op=op):
            other = ast.Or if isinstance(op, ast.And) else ast.And
            return [(f"{type(op).__name__} -> {other.__name__}", lambda: setattr(node, "op", other()))]
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=inner):
            return [(f"{type(node.op).__name__} dropped", lambda: place.put(inner))]
        case ast.Constant(value=value) if not isinstance(value, (bytes, type(None), type(Ellipsis))):
            wrong = _other(value)
            return [(f"{value!r} -> {wrong!r}", lambda: place.put(ast.Constant(wrong)))]
        case ast.IfExp(test=test) | ast.If(test=test):
            inverse = ast.UnaryOp(ast.Not(), test)
            return [("condition inverted", lambda: setattr(node, "test", inverse))]
        case ast.Return(value=value) if value is not None and not _is_none(value):
            return [("returns None", lambda: setattr(node, "value", ast.Constant(None)))]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in COMMUTATIVE:
            return []
        case ast.Call(args=[first, second, *_]) if not any(isinstance(a, ast.Starred) for a in (first, second)):
            return [("arguments swapped", lambda: node.args.__setitem__(slice(2), [second, first]))]
        case ast.Raise() | ast.Expr() | ast.AugAssign() | ast.Continue() | ast.Break():
            return [("statement dropped", lambda: place.put(ast.Pass()))]
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            return [("statement dropped", lambda: place.put(ast.Pass()))]
    return []


def _operator(ops: list[ast.cmpop], i: int, new: type[ast.cmpop]) -> Change:
    return f"{type(ops[i]).__name__} -> {new.__name__}", lambda: ops.__setitem__(i, new())


def _other(value: object) -> object:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return 2 * value if value else 1.0
        case str():
            return value + "_"
    return value


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
