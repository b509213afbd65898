"""Land- and waterbirds before land and water, drawn independently of each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from debias_pt.datasets.synthetic.canvas import COLOURS, Canvas, Colour, Figure, clutter, pick, vary
from debias_pt.datasets.synthetic.scene import Scene, with_article
from debias_pt.datasets.synthetic.scenery import LAND, LEAF, OPEN_WATER, WATER

CLASSES = ("landbird", "waterbird")
PLACES = ("land", "water")


@dataclass(frozen=True)
class Bird:
    """A kind of bird by its build; lengths in body lengths."""

    neck: float
    beak: float
    thick: float  # of the beak
    slim: float  # height of the body
    legs: float
    tail: float
    crest: float
    colours: tuple[str, ...]


LANDBIRDS = {
    "sparrow": Bird(0.05, 0.12, 0.10, 0.34, 0.22, 0.40, 0.0, ("brown", "grey", "brown")),
    "crow": Bird(0.12, 0.24, 0.10, 0.32, 0.28, 0.45, 0.0, ("black", "black", "grey")),
    "robin": Bird(0.04, 0.14, 0.06, 0.38, 0.28, 0.30, 0.0, ("brown", "orange", "grey")),
    "jay": Bird(0.10, 0.18, 0.09, 0.30, 0.24, 0.55, 0.16, ("blue", "grey", "white")),
    "cardinal": Bird(0.06, 0.12, 0.14, 0.34, 0.20, 0.50, 0.22, ("red", "brown", "orange")),
    "dove": Bird(0.14, 0.14, 0.05, 0.36, 0.16, 0.42, 0.0, ("white", "grey", "brown")),
}
WATERBIRDS = {
    "duck": Bird(0.18, 0.24, 0.09, 0.36, 0.12, 0.18, 0.0, ("brown", "green", "grey", "white")),
    "gull": Bird(0.12, 0.24, 0.07, 0.28, 0.24, 0.30, 0.0, ("white", "grey", "white")),
    "swan": Bird(0.60, 0.18, 0.08, 0.36, 0.08, 0.16, 0.0, ("white", "white", "black")),
    "heron": Bird(0.60, 0.40, 0.06, 0.26, 0.60, 0.20, 0.12, ("grey", "blue", "white")),
    "pelican": Bird(0.32, 0.48, 0.16, 0.38, 0.18, 0.16, 0.0, ("white", "brown", "grey")),
    "cormorant": Bird(0.34, 0.24, 0.06, 0.28, 0.16, 0.30, 0.0, ("black", "black", "brown")),
}
KINDS = (LANDBIRDS, WATERBIRDS)


def draw(rng: np.random.Generator, y: int, a: int) -> Scene:
    """Draw a bird of class `y` before a place of value `a`."""
    canvas = Canvas(rng)
    places = (LAND, OPEN_WATER)[a]
    place = pick(rng, tuple(places))
    places[place](canvas)
    kind = pick(rng, tuple(KINDS[y]))
    bird = KINDS[y][kind]
    # Colour is a weak hint only: a third of all birds have any colour at all.
    colour = pick(rng, bird.colours) if rng.random() < 0.67 else pick(rng, tuple(COLOURS))
    size = rng.uniform(0.32, 0.5)
    figure = Figure(
        canvas, rng.uniform(0.3, 0.7), rng.uniform(0.42, 0.66), size, rng.normal(0, 0.15), rng.random() < 0.5
    )
    _draw_bird(figure, bird, COLOURS[colour])
    if rng.random() < 0.35:  # something in front
        clutter(canvas, (LEAF, WATER)[a], int(rng.integers(2, 9)), 0.5, 0.09)
    name, full = with_article([CLASSES[y], kind])
    looks = ("small" if size < 0.38 else "big" if size > 0.44 else "nice", colour, colour, colour)
    return Scene(
        canvas.finish(),
        subject=(name, name, full, full, f"{full}, {name}", "a bird"),
        looks=looks,
        place=_where(place, a),
        alone=_alone(place, a),
    )


def _where(place: str, a: int) -> tuple[str, ...]:
    before = {"forest": "in a forest", "meadow": "in a meadow", "mountain": "on a mountain",
              "ocean": "on the ocean", "lake": "on a lake", "beach": "on a beach", "port": "in a port"}  # fmt: skip
    return (before[place], before[place], f"on {PLACES[a]}", f"in front of {'trees' if a == 0 else 'water'}")


def _alone(place: str, a: int) -> tuple[str, ...]:
    also = {"forest": ("a wood", "trees"), "meadow": ("grass",), "mountain": ("mountains",),
            "ocean": ("the ocean", "the sea"), "lake": ("water",), "beach": ("the sea", "a beach"),
            "port": ("boats",)}  # fmt: skip
    return (*with_article([place]), *also[place], f"a {PLACES[a]} background", PLACES[a])


def _draw_bird(figure: Figure, bird: Bird, base: Colour) -> None:
    rng = figure.canvas.rng
    neck, beak, thick, slim, legs, tail, crest = (
        max(length * rng.normal(1, 0.18) + rng.normal(0, 0.015), 0.0)
        for length in (bird.neck, bird.beak, bird.thick, bird.slim, bird.legs, bird.tail, bird.crest)
    )
    body, wing, horn = vary(rng, base, 20), vary(rng, base, 34), vary(rng, COLOURS[pick(rng, ("orange", "grey"))], 26)
    for shift in (-0.06, 0.08):
        if legs > 0.06:
            foot = slim + legs
            figure.line([(shift, slim * 0.8), (shift + 0.03, foot), (shift + 0.12, foot)], 0.04, horn)
    droop = rng.normal(0.05, 0.12)
    figure.polygon([(-0.35, -0.08), (-0.45 - tail, droop - 0.08), (-0.45 - tail, droop + 0.06), (-0.3, 0.12)], wing)
    figure.ellipse(0, 0, 0.5, slim, body, tilt=rng.normal(-0.15, 0.1))
    if rng.random() < 0.6:
        figure.ellipse(0.12, slim * 0.35, 0.3, slim * 0.55, vary(rng, COLOURS[pick(rng, ("white", "orange", "grey"))]))
    lean = rng.uniform(0.6, 1.35)
    x, y = 0.4 + neck * np.cos(lean), -slim * 0.55 - neck * np.sin(lean)  # the head's middle
    nape = (0.33, -slim * 0.3)
    figure.line([nape, ((0.33 + x) / 2 + 0.06, (y - slim * 0.3) / 2), (x, y)], 0.17, body)
    skull = rng.uniform(0.14, 0.18)
    tip = (x + skull + beak, y + rng.normal(0.04, 0.03))
    figure.polygon([(x + skull * 0.6, y - thick / 2), tip, (x + skull * 0.6, y + thick)], horn)
    if crest > 0.05:
        figure.polygon([(x - 0.1, y - 0.06), (x - 0.12 - crest / 2, y - 0.1 - crest), (x + 0.06, y - 0.1)], wing)
    figure.ellipse(x, y, skull, skull * 0.9, vary(rng, base, 16))
    figure.ellipse(x + 0.05, y - 0.03, 0.035, 0.035, (12, 12, 14))
    lift = rng.choice([0.0, 0.0, 0.0, 0.5])  # now and then a wing is raised
    figure.polygon([(0.22, -slim * 0.4), (-0.1, -slim * 0.5 - lift), (-0.55, slim * 0.1 - lift), (-0.1, slim * 0.5)],
                   wing)  # fmt: skip
