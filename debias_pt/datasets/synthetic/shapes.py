"""Signs in many shapes: a many-class world with readable names, on light or dark ground unrelated to the class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.synthetic.canvas import COLOURS, Canvas, Figure, clutter, pick, vary
from debias_pt.datasets.synthetic.scene import Scene, with_article

Points = NDArray[np.float64]


def _round(corners: int, start: float = 0.0, inner: float = 1.0) -> Points:
    """Corners on a circle; with `inner` below 1, every second one is drawn in, as in a star."""
    count = corners if inner == 1.0 else 2 * corners
    turn = start - np.pi / 2 + np.arange(count) * 2 * np.pi / count
    reach = np.where(np.arange(count) % 2 == 0, 1.0, inner)
    return 0.5 * np.stack([np.cos(turn) * reach, np.sin(turn) * reach], axis=1)


def _heart() -> Points:
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    x = 16 * np.sin(turn) ** 3
    y = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
    return np.stack([x, -y], axis=1) / 34


def _crescent() -> Points:
    turn = np.linspace(-2.3, 2.3, 20)
    outer = np.stack([-np.cos(turn), np.sin(turn)], axis=1) * 0.5
    back = np.linspace(2.3, -2.3, 20)
    inner = np.stack([-np.cos(back) * 0.36 + 0.16, np.sin(back) * 0.38], axis=1)
    return np.concatenate([outer, inner])


# Each sign is a list of parts, drawn in turn: ("fill" or "hole", outline).
PARTS: dict[str, list[tuple[str, object]]] = {
    "circle": [("fill", _round(32))],
    "ring": [("fill", _round(32)), ("hole", _round(32) * 0.55)],
    "triangle": [("fill", _round(3))],
    "square": [("fill", _round(4, np.pi / 4))],
    "frame": [("fill", _round(4, np.pi / 4)), ("hole", _round(4, np.pi / 4) * 0.6)],
    "diamond": [("fill", _round(4) * (0.65, 1.0))],
    "pentagon": [("fill", _round(5))],
    "star": [("fill", _round(5, 0, 0.42))],
    "sun": [("fill", _round(12, 0, 0.62))],
    "flower": [("fill", _round(12) * 0.5 + c) for c in (_round(5) * 0.64).tolist()] + [("hole", _round(16) * 0.3)],
    "heart": [("fill", _heart())],
    "crescent": [("fill", _crescent())],
    "cross": [("fill", [(-0.5, -0.16), (0.5, -0.16), (0.5, 0.16), (-0.5, 0.16)]),
              ("fill", [(-0.16, -0.5), (0.16, -0.5), (0.16, 0.5), (-0.16, 0.5)])],
    "arrow": [("fill", [(-0.5, -0.1), (0.1, -0.1), (0.1, -0.34), (0.5, 0), (0.1, 0.34), (0.1, 0.1), (-0.5, 0.1)])],
    "house": [("fill", [(-0.36, -0.05), (0.36, -0.05), (0.36, 0.48), (-0.36, 0.48)]),
              ("fill", [(-0.5, -0.05), (0, -0.5), (0.5, -0.05)]),
              ("hole", [(-0.09, 0.15), (0.09, 0.15), (0.09, 0.48), (-0.09, 0.48)])],
    "tree": [("fill", [(-0.08, 0.1), (0.08, 0.1), (0.08, 0.5), (-0.08, 0.5)]),
             ("fill", _round(20) * 0.72 + (0, -0.14))],
    "fir": [("fill", [(-0.07, 0.3), (0.07, 0.3), (0.07, 0.5), (-0.07, 0.5)]),
            ("fill", [(-0.38, 0.34), (0, -0.1), (0.38, 0.34)]), ("fill", [(-0.3, 0.06), (0, -0.5), (0.3, 0.06)])],
    "mushroom": [("fill", [(-0.12, 0.0), (0.12, 0.0), (0.15, 0.48), (-0.15, 0.48)]),
                 ("fill", [(-0.5, 0.05), (-0.4, -0.28), (0, -0.46), (0.4, -0.28), (0.5, 0.05)])],
    "fish": [("fill", _round(20) * (0.8, 0.5) + (0.08, 0)), ("fill", [(-0.2, 0), (-0.5, -0.24), (-0.5, 0.24)]),
             ("hole", _round(8) * 0.09 + (0.28, -0.05))],
    "cup": [("fill", _round(16) * 0.45 + (0.32, 0.02)), ("hole", _round(16) * 0.22 + (0.36, 0.02)),
            ("fill", [(-0.4, -0.35), (0.3, -0.35), (0.22, 0.4), (-0.32, 0.4)])],
    "key": [("fill", _round(16) * 0.5 + (-0.28, 0)), ("hole", _round(12) * 0.22 + (-0.28, 0)),
            ("fill", [(-0.1, -0.06), (0.5, -0.06), (0.5, 0.2), (0.4, 0.2), (0.4, 0.06), (0.3, 0.06), (0.3, 0.2),
                      (0.2, 0.2), (0.2, 0.06), (-0.1, 0.06)])],
    "boat": [("fill", [(-0.5, 0.15), (0.5, 0.15), (0.3, 0.42), (-0.3, 0.42)]),
             ("fill", [(-0.03, -0.5), (0.03, -0.5), (0.03, 0.15), (-0.03, 0.15)]),
             ("fill", [(0.06, -0.45), (0.4, 0.06), (0.06, 0.06)])],
    "umbrella": [("fill", [(-0.5, 0), (-0.38, -0.3), (0, -0.46), (0.38, -0.3), (0.5, 0)]),
                 ("fill", [(-0.03, 0), (0.03, 0), (0.03, 0.46), (-0.14, 0.46), (-0.14, 0.38), (-0.03, 0.38)])],
    "bottle": [("fill", [(-0.18, -0.1), (-0.08, -0.25), (-0.08, -0.5), (0.08, -0.5), (0.08, -0.25), (0.18, -0.1),
                         (0.18, 0.5), (-0.18, 0.5)])],
}  # fmt: skip
CLASSES = tuple(PARTS)
GROUNDS = ("light", "dark")
LIGHT, DARK = ("white", "yellow", "pink", "orange"), ("black", "blue", "brown", "purple", "green")
LIKE = ("sign", "symbol", "shape")


def draw(rng: np.random.Generator, y: int, a: int) -> Scene:
    """Draw the sign of class `y` on ground of value `a`."""
    canvas = Canvas(rng)
    ground = pick(rng, (LIGHT, DARK)[a])
    back = vary(rng, COLOURS[ground], 16)
    canvas.gradient(back, vary(rng, back, 26))
    clutter(canvas, [vary(rng, COLOURS[pick(rng, tuple(COLOURS))], 30) for _ in range(3)], int(rng.integers(2, 10)),
            0.0, 0.08)  # fmt: skip
    colour = pick(rng, tuple(name for name in COLOURS if name != ground))
    figure = Figure(canvas, rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6), rng.uniform(0.5, 0.8),
                    rng.normal(0, 0.2), rng.random() < 0.5)  # fmt: skip
    paint = vary(rng, COLOURS[colour], 20)
    stretch = rng.uniform(0.8, 1.2, 2)
    for kind, outline in PARTS[CLASSES[y]]:
        figure.polygon(np.asarray(outline) * stretch, paint if kind == "fill" else back)
    if rng.random() < 0.5:
        clutter(canvas, [vary(rng, back, 30)], int(rng.integers(1, 4)), 0.2, 0.12)
    name = with_article([CLASSES[y]])[0]
    grounds = tuple(f"{colour} background" for colour in with_article([ground, GROUNDS[a], GROUNDS[a]]))
    size = "big" if figure.size > 0.7 else "small" if figure.size < 0.6 else "simple"
    return Scene(
        canvas.finish(),
        subject=(name, name, name, name, f"{name} {pick(rng, LIKE)}", "a shape"),
        looks=(colour, colour, size),
        place=tuple(f"on {one}" for one in grounds),
        alone=(*grounds, f"something {colour}"),
    )
