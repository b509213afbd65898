"""Places to stand in: land and water for birds, rooms and gardens for pets."""

from __future__ import annotations

import numpy as np

from debias_pt.datasets.synthetic.canvas import COLOURS, Canvas, Colour, clutter, pick, vary

SKY: tuple[Colour, ...] = ((150, 190, 230), (200, 210, 220), (235, 190, 150), (120, 130, 160))
LEAF: tuple[Colour, ...] = ((40, 92, 40), (74, 120, 50), (110, 130, 60), (130, 110, 50))
WATER: tuple[Colour, ...] = ((40, 90, 150), (60, 120, 140), (80, 110, 120), (46, 80, 104), (70, 112, 92))
EARTH: tuple[Colour, ...] = ((120, 92, 60), (150, 130, 84), (92, 80, 60))
SAND: tuple[Colour, ...] = ((214, 190, 140), (190, 170, 130))


def _one(rng: np.random.Generator, palette: tuple[Colour, ...]) -> Colour:
    return vary(rng, palette[int(rng.integers(len(palette)))], 16)


def _sky(canvas: Canvas, horizon: float) -> None:
    rng = canvas.rng
    canvas.gradient(_one(rng, SKY), _one(rng, SKY), 0, horizon)
    for _ in range(int(rng.integers(0, 3))):  # clouds
        x, y = rng.uniform(0, 1), rng.uniform(0, horizon)
        canvas.ellipse(x, y, rng.uniform(0.08, 0.25), rng.uniform(0.02, 0.06), vary(rng, (225, 225, 228)))


def _hills(canvas: Canvas, horizon: float, height: float, palette: tuple[Colour, ...]) -> None:
    rng = canvas.rng
    x = np.linspace(0, 1, 9)
    ridge = horizon - height * rng.uniform(0.1, 1, 9)
    canvas.polygon([*zip(x, ridge, strict=True), (1, horizon + 0.02), (0, horizon + 0.02)], _one(rng, palette))


def _trees(canvas: Canvas, count: int, foot: float, height: float) -> None:
    rng = canvas.rng
    for _ in range(count):
        x, base, tall = rng.uniform(0, 1), foot + rng.uniform(-0.04, 0.08), height * rng.uniform(0.6, 1.1)
        canvas.line([(x, base), (x + rng.normal(0, 0.02), base - tall)], rng.uniform(0.012, 0.05), _one(rng, EARTH))
        wide = tall * rng.uniform(0.15, 0.4)
        if rng.random() < 0.5:
            canvas.ellipse(x, base - tall, wide, tall * 0.4, _one(rng, LEAF))
        else:
            canvas.polygon([(x - wide, base - tall * 0.3), (x + wide, base - tall * 0.3), (x, base - tall * 1.3)],
                           _one(rng, LEAF))  # fmt: skip


def _ripples(canvas: Canvas, top: float, count: int, colour: Colour) -> None:
    rng = canvas.rng
    for _ in range(count):
        x, y, wide = rng.uniform(-0.1, 1), rng.uniform(top, 1), rng.uniform(0.05, 0.35)
        bend = rng.normal(0, 0.012)
        crest = np.asarray(colour) + rng.choice([-1, 1]) * rng.uniform(12, 45)
        canvas.line([(x, y), (x + wide / 2, y + bend), (x + wide, y)], 0.012, vary(rng, crest, 8))


def forest(canvas: Canvas) -> None:
    """Trees before trees."""
    rng = canvas.rng
    canvas.gradient(_one(rng, LEAF + SKY), _one(rng, LEAF))
    canvas.gradient(_one(rng, LEAF + EARTH), _one(rng, EARTH + LEAF), rng.uniform(0.55, 0.8))
    _trees(canvas, int(rng.integers(6, 14)), rng.uniform(0.6, 0.85), 0.7)
    clutter(canvas, LEAF, int(rng.integers(5, 20)), 0.6)


def meadow(canvas: Canvas) -> None:
    """Grass and flowers under a sky."""
    rng = canvas.rng
    horizon = rng.uniform(0.15, 0.55)
    _sky(canvas, horizon)
    canvas.gradient(_one(rng, LEAF), _one(rng, LEAF), horizon)
    clutter(canvas, [*LEAF, COLOURS["yellow"], COLOURS["purple"]], int(rng.integers(15, 35)), horizon, 0.04)


def mountain(canvas: Canvas) -> None:
    """Rock faces and snow."""
    rng = canvas.rng
    horizon = rng.uniform(0.5, 0.75)
    _sky(canvas, horizon)
    for _ in range(int(rng.integers(2, 5))):
        x, wide, top = rng.uniform(0, 1), rng.uniform(0.2, 0.5), rng.uniform(0.05, 0.4)
        canvas.polygon([(x - wide, horizon), (x, top), (x + wide, horizon)], vary(rng, (120, 116, 122), 22))
        if rng.random() < 0.5:
            canvas.polygon([(x - wide / 5, top + 0.1), (x, top), (x + wide / 5, top + 0.1)], vary(rng, (230, 232, 236)))
    canvas.gradient(_one(rng, EARTH + LEAF), _one(rng, EARTH), horizon)
    clutter(canvas, EARTH, int(rng.integers(5, 15)), horizon, 0.07)


def ocean(canvas: Canvas) -> None:
    """Open water to the horizon."""
    rng = canvas.rng
    horizon, water = rng.uniform(0.1, 0.5), _one(rng, WATER)
    _sky(canvas, horizon)
    canvas.gradient(vary(rng, water), vary(rng, water), horizon)
    _ripples(canvas, horizon, int(rng.integers(14, 32)), water)


def lake(canvas: Canvas) -> None:
    """Still water before a wooded shore."""
    rng = canvas.rng
    shore, water = rng.uniform(0.25, 0.5), _one(rng, WATER)
    _sky(canvas, shore)
    _hills(canvas, shore, rng.uniform(0.05, 0.3), LEAF + EARTH)
    _trees(canvas, int(rng.integers(0, 7)), shore - 0.03, 0.2)
    canvas.gradient(vary(rng, water), vary(rng, water), shore)
    _ripples(canvas, shore, int(rng.integers(6, 16)), water)
    clutter(canvas, LEAF, int(rng.integers(0, 10)), 0.8, 0.07)


def beach(canvas: Canvas) -> None:
    """Sand, surf and sea."""
    rng = canvas.rng
    horizon, surf, water = rng.uniform(0.1, 0.3), rng.uniform(0.55, 0.8), _one(rng, WATER)
    _sky(canvas, horizon)
    canvas.gradient(vary(rng, water), vary(rng, water), horizon, surf)
    _ripples(canvas, horizon, int(rng.integers(6, 14)), water)
    canvas.gradient(_one(rng, SAND), _one(rng, SAND), surf)
    canvas.line([(0, surf), (0.5, surf + rng.normal(0, 0.02)), (1, surf)], 0.03, vary(rng, (232, 236, 238), 8))
    clutter(canvas, [*SAND, *EARTH], int(rng.integers(3, 12)), surf + 0.03, 0.03)


def port(canvas: Canvas) -> None:
    """Water between houses, piers and boats."""
    rng = canvas.rng
    quay, water = rng.uniform(0.3, 0.5), _one(rng, WATER)
    _sky(canvas, quay)
    for _ in range(int(rng.integers(3, 7))):
        x, wide, tall = rng.uniform(-0.1, 1), rng.uniform(0.08, 0.25), rng.uniform(0.08, 0.3)
        canvas.polygon([(x, quay), (x, quay - tall), (x + wide, quay - tall), (x + wide, quay)],
                       vary(rng, (150, 130, 120), 34))  # fmt: skip
    canvas.gradient(vary(rng, water), vary(rng, water), quay)
    _ripples(canvas, quay, int(rng.integers(6, 14)), water)
    for _ in range(int(rng.integers(1, 4))):
        x, y, wide = rng.uniform(0, 0.9), rng.uniform(quay + 0.03, 0.8), rng.uniform(0.08, 0.2)
        colour = vary(rng, COLOURS[pick(rng, ("white", "red", "brown", "blue"))])
        canvas.polygon([(x, y), (x + wide, y), (x + wide * 0.8, y + 0.05), (x + wide * 0.2, y + 0.05)], colour)
        canvas.line([(x + wide / 2, y), (x + wide / 2, y - 0.2)], 0.01, vary(rng, (90, 80, 70)))


LAND = {"forest": forest, "meadow": meadow, "mountain": mountain}
OPEN_WATER = {"ocean": ocean, "lake": lake, "beach": beach, "port": port}


def room(canvas: Canvas) -> str:
    """Draw a wall, a floor and furniture; return the most telling piece of it."""
    rng = canvas.rng
    floor = rng.uniform(0.5, 0.8)
    wall = vary(rng, COLOURS[pick(rng, ("white", "grey", "yellow", "blue", "green", "brown"))], 24)
    canvas.gradient(wall, vary(rng, wall, 8), 0, floor)
    canvas.gradient(_one(rng, EARTH + SAND), _one(rng, EARTH + SAND), floor)
    canvas.line([(0, floor), (1, floor)], 0.015, vary(rng, (230, 226, 220)))
    pieces = ["window", "sofa", "bed", "table", "rug"]
    shown = [pieces[i] for i in rng.permutation(len(pieces))[: int(rng.integers(2, 5))]]
    for piece in shown:
        _furnish(canvas, piece, floor)
    return pick(rng, shown)


def _furnish(canvas: Canvas, piece: str, floor: float) -> None:
    rng = canvas.rng
    x, colour = rng.uniform(0, 0.6), vary(rng, COLOURS[pick(rng, tuple(COLOURS))], 20)
    if piece == "window":
        top, wide, tall = rng.uniform(0, 0.15), rng.uniform(0.15, 0.35), rng.uniform(0.15, 0.35)
        canvas.polygon([(x, top), (x + wide, top), (x + wide, top + tall), (x, top + tall)], _one(rng, SKY + LEAF))
        frame = vary(rng, (226, 222, 214), 10)
        canvas.line([(x, top), (x + wide, top), (x + wide, top + tall), (x, top + tall), (x, top)], 0.02, frame)
        canvas.line([(x + wide / 2, top), (x + wide / 2, top + tall)], 0.015, frame)
    elif piece in ("sofa", "bed"):
        wide, tall = rng.uniform(0.3, 0.6), rng.uniform(0.12, 0.26)
        canvas.polygon([(x, floor - tall), (x + wide, floor - tall), (x + wide, floor + 0.1), (x, floor + 0.1)], colour)
        end = 0.07 if piece == "sofa" else 0.16
        for left in (x, x + wide - end) if piece == "sofa" else (x,):
            soft = vary(rng, colour if piece == "sofa" else (228, 224, 218), 10)
            canvas.polygon([(left, floor - tall * 0.8), (left + end, floor - tall * 0.8),
                            (left + end, floor + 0.1), (left, floor + 0.1)], soft)  # fmt: skip
    elif piece == "table":
        wide, top = rng.uniform(0.2, 0.4), floor - rng.uniform(0.1, 0.25)
        wood = _one(rng, EARTH)
        canvas.polygon([(x, top), (x + wide, top), (x + wide, top + 0.03), (x, top + 0.03)], wood)
        for leg in (x + 0.02, x + wide - 0.02):
            canvas.line([(leg, top), (leg, floor + 0.08)], 0.02, wood)
    else:
        canvas.ellipse(x + 0.2, floor + rng.uniform(0.08, 0.16), rng.uniform(0.2, 0.35), rng.uniform(0.05, 0.1), colour)


def outdoors(canvas: Canvas) -> str:
    """Draw a garden, a park, a street, snow or a beach; return which."""
    rng = canvas.rng
    where = pick(rng, ("garden", "park", "street", "snow", "beach"))
    horizon = rng.uniform(0.2, 0.5)
    if where == "beach":
        beach(canvas)
        return where
    _sky(canvas, horizon)
    if where == "street":
        for _ in range(int(rng.integers(3, 6))):
            x, wide, tall = rng.uniform(-0.1, 1), rng.uniform(0.12, 0.3), rng.uniform(0.1, 0.4)
            canvas.polygon([(x, horizon), (x, horizon - tall), (x + wide, horizon - tall), (x + wide, horizon)],
                           vary(rng, (150, 124, 110), 32))  # fmt: skip
        canvas.gradient(vary(rng, (120, 120, 124)), vary(rng, (100, 100, 104)), horizon)
        canvas.line([(rng.uniform(0, 1), horizon), (rng.uniform(0, 1), 1)], 0.03, vary(rng, (200, 196, 180)))
        return where
    _trees(canvas, int(rng.integers(1, 6)), horizon + 0.03, 0.35)
    ground = ((226, 230, 236),) if where == "snow" else LEAF
    canvas.gradient(_one(rng, ground), _one(rng, ground), horizon)
    if where == "garden":
        wood, top = _one(rng, EARTH + SAND), horizon - rng.uniform(0.02, 0.1)
        canvas.line([(0, top + 0.04), (1, top + 0.04)], 0.02, wood)
        for x in np.arange(rng.uniform(0, 0.1), 1, rng.uniform(0.08, 0.14)):
            canvas.line([(x, top), (x, horizon + 0.1)], 0.025, wood)
        clutter(canvas, [COLOURS["red"], COLOURS["yellow"], COLOURS["pink"], *LEAF], int(rng.integers(8, 20)), horizon)
    else:
        clutter(canvas, ground, int(rng.integers(5, 16)), horizon)
    return where
