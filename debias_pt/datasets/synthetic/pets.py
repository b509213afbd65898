"""Cats and dogs, indoors and outdoors."""

from __future__ import annotations

import numpy as np

from debias_pt.datasets.synthetic.canvas import COLOURS, Canvas, Colour, Figure, clutter, pick, vary
from debias_pt.datasets.synthetic.scene import Scene, with_article
from debias_pt.datasets.synthetic.scenery import LEAF, outdoors, room

CLASSES = ("dog", "cat")
PLACES = ("outdoor", "indoor")
FUR: dict[str, Colour] = {
    "black": (44, 40, 42), "white": (230, 226, 220), "grey": (130, 130, 134), "brown": (118, 80, 50),
    "orange": (206, 130, 64), "yellow": (214, 184, 120),
}  # fmt: skip


def draw(rng: np.random.Generator, y: int, a: int) -> Scene:
    """Draw an animal of class `y` in a place of value `a`."""
    canvas = Canvas(rng)
    where = (outdoors, room)[a](canvas)
    colour = pick(rng, tuple(FUR))
    size = rng.uniform(0.36, 0.54)
    figure = Figure(
        canvas, rng.uniform(0.3, 0.7), rng.uniform(0.42, 0.68), size, rng.normal(0, 0.12), rng.random() < 0.5
    )
    cat = y == 1
    lying = rng.random() < 0.35
    _draw_body(figure, FUR[colour], cat=cat, lying=lying)
    if rng.random() < 0.3:
        clutter(canvas, LEAF if a == 0 else list(COLOURS.values()), int(rng.integers(2, 8)), 0.55, 0.12)
    name, young = with_article((("dog", "puppy"), ("cat", "kitten"))[y])
    there = f"next to a {where}" if a == 1 else "in the snow" if where == "snow" else f"in a {where}"
    taken = ("outdoors", "indoors")[a]
    return Scene(
        canvas.finish(),
        subject=(name, name, name, name, young, "an animal", "a pet"),
        looks=(colour, colour, "lying" if lying else "standing", "big" if size > 0.45 else "small"),
        place=(there, there, taken, f"taken {taken}"),
        alone=(f"a {where}" if where != "snow" else "snow", taken, f"an {PLACES[a]} scene", f"a photo taken {taken}"),
    )


def _draw_body(figure: Figure, base: Colour, *, cat: bool, lying: bool) -> None:
    rng = figure.canvas.rng
    fur, dark = vary(rng, base, 18), vary(rng, np.asarray(base) * 0.75, 14)
    patch = vary(rng, FUR[pick(rng, tuple(FUR))], 14) if rng.random() < 0.4 else fur
    legs = 0.12 if lying else rng.uniform(0.28, 0.4) * (0.85 if cat else 1.05)
    for shift in (-0.32, -0.2, 0.2, 0.32):
        figure.line([(shift, 0.1), (shift + rng.normal(0, 0.04), 0.18 + legs)], 0.09 if cat else 0.11, dark)
    _draw_tail(figure, dark, cat=cat)
    figure.ellipse(0, 0, rng.uniform(0.4, 0.5), rng.uniform(0.18, 0.24), fur, tilt=rng.normal(0, 0.06))
    figure.ellipse(rng.normal(0, 0.2), 0, 0.16, 0.14, patch)
    if cat and rng.random() < 0.4:
        for stripe in np.linspace(-0.3, 0.25, 5):
            figure.line([(stripe, -0.18), (stripe + 0.03, 0.05)], 0.035, dark)
    _draw_head(figure, (rng.uniform(0.4, 0.52), -rng.uniform(0.16, 0.34)), fur, dark, cat=cat)


def _draw_tail(figure: Figure, colour: Colour, *, cat: bool) -> None:
    rng = figure.canvas.rng
    reach = rng.uniform(0.35, 0.6) if cat else rng.uniform(0.18, 0.45)
    up = rng.uniform(-0.1, 0.5)
    bend = rng.uniform(0, 0.25) if cat else rng.uniform(-0.05, 0.1)
    figure.line([(-0.4, -0.05), (-0.4 - reach * 0.6, -up * 0.5 + bend), (-0.42 - reach, -up)], 0.06 if cat else 0.08,
                colour)  # fmt: skip


def _draw_head(figure: Figure, at: tuple[float, float], fur: Colour, dark: Colour, *, cat: bool) -> None:
    rng = figure.canvas.rng
    x, y = at
    wide = rng.uniform(0.2, 0.25)
    frontal = rng.random() < 0.5
    pointed = rng.random() < (0.95 if cat else 0.3)
    for side in (-1, 1):
        if pointed:
            tall = rng.uniform(0.14, 0.26)
            figure.polygon([(x + side * wide * 0.95, y), (x + side * wide * 0.85, y - wide - tall * 0.6),
                            (x + side * wide * 0.1, y - wide * 0.8)], dark)  # fmt: skip
    figure.ellipse(x, y, wide, wide * rng.uniform(0.85, 1), fur)
    for side in (-1, 1):
        if not pointed:
            figure.ellipse(x + side * wide * 0.95, y + rng.uniform(0.0, 0.1), 0.08, rng.uniform(0.15, 0.22), dark,
                           tilt=side * rng.uniform(0, 0.4))  # fmt: skip
    snout = rng.uniform(0.03, 0.09) if cat else rng.uniform(0.1, 0.26)
    nose = (x, y + 0.07) if frontal else (x + wide * 0.7 + snout, y + 0.07)
    if frontal:
        figure.ellipse(
            x, y + 0.09, wide * (0.45 if cat else 0.55), wide * (0.35 if cat else 0.6), vary(figure.canvas.rng, fur, 24)
        )
    else:
        figure.ellipse(x + wide * 0.7, y + 0.08, snout + 0.04, 0.09, vary(figure.canvas.rng, fur, 16))
    figure.ellipse(
        *nose,
        0.03 if cat else 0.05,
        0.025 if cat else 0.045,
        (180, 110, 110) if cat and rng.random() < 0.5 else (22, 20, 22),
    )
    iris = vary(rng, (150, 170, 70) if cat and rng.random() < 0.6 else (40, 30, 26), 12)
    for eye in (x - wide * 0.42, x + wide * 0.42) if frontal else (x + wide * 0.3,):
        figure.ellipse(eye, y - 0.04, 0.04, 0.045 if cat else 0.035, iris)
        figure.ellipse(eye, y - 0.04, 0.012 if cat else 0.02, 0.035 if cat else 0.02, (10, 10, 12))
    if cat and rng.random() < 0.7:
        for side in (-1, 1):
            for slope in (-0.04, 0.03):
                figure.line(
                    [(nose[0] + side * 0.05, nose[1] + 0.02), (nose[0] + side * 0.26, nose[1] + slope)],
                    0.012,
                    (225, 225, 225),
                )
    if not cat and rng.random() < 0.3:
        figure.ellipse(nose[0], nose[1] + 0.12, 0.04, 0.08, (214, 96, 104))
