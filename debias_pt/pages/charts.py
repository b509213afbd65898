"""Where the parts of a line chart go: from values to places in a small drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from debias_pt.pages.blocks import Line, LineChart

WIDTH, HEIGHT = 340.0, 200.0  # small, so that letters stay readable where a phone shows them one above another
LEFT, RIGHT, TOP, BOTTOM = 38.0, 8.0, 14.0, 34.0
POINTS = 100  # of a line: more cannot be seen


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: its place and its text."""

    place: float
    text: str


@dataclass(frozen=True)
class Stroke:
    """A line as it is drawn: pieces of ``x,y x,y``, broken where values are missing."""

    name: str
    style: str
    pieces: tuple[str, ...]
    dots: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Drawing:
    """A line chart with every place computed."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    strokes: tuple[Stroke, ...]
    mark: float | None
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def draw(chart: LineChart) -> Drawing:
    """Compute where everything goes.

    Examples
    --------
    >>> from debias_pt.pages.blocks import Table
    >>> drawing = draw(LineChart("loss", "step", [Line("all", [0, 10], [1.0, 0.0])], Table("", [], [])))
    >>> [tick.text for tick in drawing.x_ticks], drawing.strokes[0].pieces
    (['0', '2.5', '5', '7.5', '10'], ('38.0,14.0 332.0,166.0',))
    """
    xs = [x for line in chart.lines for x in line.x]
    ys = [y for line in chart.lines for y in line.y if y is not None]
    x_range = (0.0, 1.0) if chart.unit else _range(xs)
    y_range = (0.0, 1.0) if chart.unit or chart.percent else _range([0.0, *ys])

    def at(x: float) -> float:
        return LEFT + _share(x, x_range) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - _share(y, y_range) * (HEIGHT - TOP - BOTTOM)

    def tick_text(value: float) -> str:
        return f"{100 * value:.0f}" if chart.unit or chart.percent else f"{value:g}"

    x_ticks = [Tick(at(x), f"{100 * x:.0f}" if chart.unit else f"{x:g}") for x in ticks(*x_range)]
    y_ticks = [Tick(up(y), tick_text(y)) for y in ticks(*y_range)]
    strokes = []
    for line in chart.lines:
        points = [(at(x), None if y is None else up(y)) for x, y in _thinned(line)]
        dots = tuple((x, y) for x, y in points if y is not None) if line.style == "dots" else ()
        strokes.append(Stroke(line.name, line.style, _pieces(points), dots))
    mark = None if chart.mark is None else at(chart.mark)
    return Drawing(tuple(x_ticks), tuple(y_ticks), tuple(strokes), mark)


def ticks(low: float, high: float) -> list[float]:
    """Return two to six round numbers within a range.

    Examples
    --------
    >>> ticks(0, 1), ticks(0, 199)
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 50.0, 100.0, 150.0])
    """
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((one * power for one in (1, 2, 2.5, 5, 10)), key=lambda one: (one < rough * 0.999, one))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low, low + 1.0)


def _share(value: float, ends: tuple[float, float]) -> float:
    return min(max((value - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0)


def _thinned(line: Line) -> list[tuple[float, float | None]]:
    """Return at most :data:`POINTS` points of a line, always with its last one."""
    points = list(zip(line.x, line.y, strict=True))
    if len(points) <= POINTS:
        return points
    chosen = sorted({round(i * (len(points) - 1) / (POINTS - 1)) for i in range(POINTS)})
    return [points[i] for i in chosen]


def _pieces(points: Sequence[tuple[float, float | None]]) -> tuple[str, ...]:
    pieces: list[list[str]] = [[]]
    for x, y in points:
        if y is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{x:.1f},{y:.1f}")
    return tuple(" ".join(piece) for piece in pieces if piece)
