"""Faces with dark or blond hair, of two genders as CelebA annotates them.

The drawings carry the stereotypes that such annotations are made by (long hair, make-up, beards),
as tendencies and never as rules. They say nothing about anybody's gender.
"""

from __future__ import annotations

import numpy as np

from debias_pt.datasets.synthetic.canvas import COLOURS, Canvas, Colour, clutter, pick, vary
from debias_pt.datasets.synthetic.scene import Scene

CLASSES = ("dark hair", "blond hair")
GENDERS = ("female", "male")

DARK: dict[str, Colour] = {"black": (30, 28, 30), "brown": (84, 56, 38), "red": (132, 62, 38), "grey": (140, 138, 136)}
LIGHT_BROWN: Colour = (146, 108, 68)  # annotated as dark, and hard to tell from the darkest blond
BLOND: tuple[Colour, ...] = ((224, 192, 120), (206, 168, 98), (236, 220, 170), (172, 134, 82))
SKIN: tuple[Colour, ...] = ((240, 206, 182), (226, 182, 150), (198, 148, 112), (150, 104, 76), (104, 70, 52))


def draw(rng: np.random.Generator, y: int, a: int) -> Scene:
    """Draw a face with hair of class `y`, of gender `a`."""
    canvas = Canvas(rng)
    backdrop = vary(rng, COLOURS[pick(rng, tuple(COLOURS))], 30)
    canvas.gradient(backdrop, vary(rng, backdrop, 24))
    clutter(canvas, [vary(rng, backdrop, 40) for _ in range(3)], int(rng.integers(0, 9)), 0.0, 0.15)
    shade, hair = _hair_colour(rng, y)
    traits = _draw_face(canvas, hair, male=a == 1)
    person = pick(rng, (("a woman", "a girl", "a lady"), ("a man", "a guy", "a boy"))[a], (4, 1, 1))
    gender = f"a {GENDERS[a]}"
    tint = (f"with {shade} hair", f"with {CLASSES[y]}", f"with {CLASSES[y]}")
    return Scene(
        canvas.finish(),
        subject=(person, person, gender, f"{gender} celebrity", "a celebrity", "a person", "a face"),
        looks=("young", "smiling", "famous"),
        place=(*tint, *tint, *(f"with {trait}" for trait in traits)),
        alone=(CLASSES[y], CLASSES[y], f"{shade} hair", f"a celebrity with {CLASSES[y]}", *traits),
    )


def _hair_colour(rng: np.random.Generator, y: int) -> tuple[str, Colour]:
    if y == 1:
        return "blond", vary(rng, BLOND[int(rng.choice(4, p=[0.34, 0.32, 0.2, 0.14]))], 12)
    if rng.random() < 0.16:
        return "light brown", vary(rng, LIGHT_BROWN, 12)
    shade = pick(rng, tuple(DARK), (4, 4, 1, 1.2))
    return shade, vary(rng, DARK[shade], 12)


def _draw_face(canvas: Canvas, hair: Colour, *, male: bool) -> list[str]:
    """Draw from back to front; return what a caption may mention."""
    rng = canvas.rng
    traits: list[str] = []

    def chance(if_male: float, if_female: float) -> bool:
        return bool(rng.random() < (if_male if male else if_female))

    skin = vary(rng, SKIN[int(rng.integers(len(SKIN)))], 12)
    dark_skin = vary(rng, np.asarray(skin) * 0.82, 6)
    x, y = rng.normal(0.5, 0.05), rng.normal(0.46, 0.04)
    wide, tall = rng.uniform(0.19, 0.25) * (1.06 if male else 0.96), rng.uniform(0.25, 0.32)
    turn = rng.normal(0, 0.05)  # where the face looks
    if chance(0.1, 0.8):
        traits.append("long hair")
        for side in (-1, 1):
            canvas.ellipse(x + side * wide * 0.8, y + rng.uniform(0.05, 0.2), wide * rng.uniform(0.4, 0.65),
                           tall * rng.uniform(0.9, 1.3), vary(rng, hair, 8))  # fmt: skip
    shoulders = rng.uniform(0.34, 0.42) * (1.15 if male else 0.95)
    cloth = vary(rng, COLOURS[pick(rng, ("black", "grey", "blue", "white", "brown") if chance(0.75, 0.3)
                                   else ("red", "pink", "purple", "yellow", "green"))], 20)  # fmt: skip
    canvas.ellipse(x, 1.02, shoulders, 0.24, cloth)
    neck = wide * (0.62 if male else 0.45)
    canvas.polygon([(x - neck, y), (x + neck, y), (x + neck, 0.86), (x - neck, 0.86)], dark_skin)
    canvas.ellipse(x, y - tall * 0.3, wide * rng.uniform(1.05, 1.25), tall * rng.uniform(0.8, 1.05), hair)
    canvas.ellipse(x, y, wide, tall, skin)
    jaw = wide * (rng.normal(0.86, 0.08) if male else rng.normal(0.6, 0.08))
    canvas.polygon([(x - wide * 0.97, y), (x + wide * 0.97, y), (x + jaw, y + tall * 0.72), (x + jaw * 0.5, y + tall),
                    (x - jaw * 0.5, y + tall), (x - jaw, y + tall * 0.72)], skin)  # fmt: skip
    if chance(0.5, 0.0):
        traits.append("a beard")
        beard = vary(rng, np.asarray(hair) * 0.8, 14)
        canvas.polygon([(x - wide * 0.9, y + tall * 0.3), (x - jaw, y + tall * 0.75), (x, y + tall * 1.1),
                        (x + jaw, y + tall * 0.75), (x + wide * 0.9, y + tall * 0.3), (x + wide * 0.3, y + tall * 0.42),
                        (x - wide * 0.3, y + tall * 0.42)], beard)  # fmt: skip
    if chance(0.25, 0.0):
        traits.append("a moustache")
        canvas.ellipse(x + turn, y + tall * 0.42, wide * 0.4, tall * 0.06, vary(rng, np.asarray(hair) * 0.7, 12))
    _draw_features(canvas, x + turn, y, wide, tall, skin, hair, lips=chance(0.06, 0.75), brows=0.03 if male else 0.016)
    fringe = rng.uniform(0.45, 0.75)
    parting = x + rng.normal(0, wide * 0.4)
    canvas.polygon([(x - wide, y - tall * 0.15), (x - wide * 0.8, y - tall * 0.95), (x, y - tall * 1.12),
                    (x + wide * 0.8, y - tall * 0.95), (x + wide, y - tall * 0.15), (parting, y - tall * fringe)],
                   vary(rng, hair, 10))  # fmt: skip
    if rng.random() < 0.14:
        traits.append("glasses")
        for side in (-1, 1):
            middle = x + turn + side * wide * 0.42
            canvas.line([(middle - 0.06, y), (middle + 0.06, y), (middle + 0.05, y + 0.07), (middle - 0.05, y + 0.07),
                         (middle - 0.06, y)], 0.015, (24, 24, 28))  # fmt: skip
    if rng.random() < 0.14:  # hides most of the hair
        traits.append("a hat")
        felt = vary(rng, COLOURS[pick(rng, tuple(COLOURS))], 20)
        canvas.ellipse(x, y - tall * 0.75, wide * 1.3, tall * 0.16, felt)
        canvas.ellipse(x, y - tall * 0.95, wide * 0.95, tall * 0.4, felt)
    if chance(0.03, 0.35):
        traits.append("earrings")
        for side in (-1, 1):
            canvas.ellipse(x + side * wide * 1.02, y + tall * 0.4, 0.02, 0.03, vary(rng, COLOURS["yellow"]))
    return traits


def _draw_features(
    canvas: Canvas, x: float, y: float, wide: float, tall: float, skin: Colour, hair: Colour, *, lips: bool,
    brows: float,
) -> None:  # fmt: skip
    """Draw eyes, brows, nose and mouth."""
    rng = canvas.rng
    for side in (-1, 1):
        eye = x + side * wide * 0.42
        canvas.ellipse(eye, y + 0.02, wide * 0.16, 0.02 if not lips else 0.026, (236, 236, 232))
        canvas.ellipse(eye, y + 0.02, 0.018, 0.02, vary(rng, (60, 50, 50), 20))
        canvas.line([(eye - wide * 0.2, y - 0.03), (eye + wide * 0.2, y - 0.035)], brows * rng.uniform(0.7, 1.3),
                    vary(rng, np.asarray(hair) * 0.7, 10))  # fmt: skip
    canvas.line(
        [(x, y + 0.03), (x + rng.normal(0.02, 0.01), y + tall * 0.32)], 0.015, vary(rng, np.asarray(skin) * 0.8)
    )
    mouth = vary(rng, (188, 50, 70) if lips else np.asarray(skin) * (0.85, 0.65, 0.65), 10)
    smile = rng.uniform(-0.01, 0.03)
    corner = y + tall * 0.55 - smile
    canvas.line([(x - wide * 0.35, corner), (x, y + tall * 0.57), (x + wide * 0.35, corner)],
                0.03 if lips else 0.018, mouth)  # fmt: skip
