"""A small drawing board: shapes in unit coordinates, posed, lit, blurred and noisy like a bad photograph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

SIZE = 64  # pixels a side
FINE = 2  # drawn this much larger, then averaged down, so that edges are smooth

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "black": (38, 36, 40),
    "white": (232, 230, 224),
    "grey": (136, 136, 140),
    "brown": (122, 82, 48),
    "red": (190, 48, 44),
    "orange": (222, 128, 48),
    "yellow": (226, 196, 70),
    "green": (72, 138, 66),
    "blue": (62, 100, 178),
    "purple": (128, 76, 150),
    "pink": (224, 140, 160),
}
_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


def vary(rng: np.random.Generator, colour: Iterable[float], spread: float = 14) -> Colour:
    """Return a colour near `colour`: lighter or darker as a whole, and a little off in each channel."""
    shift, off = rng.normal(0, spread), rng.normal(0, spread / 2, 3).tolist()
    red, green, blue = (int(min(max(c + shift + o, 0.0), 255.0)) for c, o in zip(colour, off, strict=True))
    return red, green, blue


def pick(rng: np.random.Generator, choices: Sequence[str], weights: Sequence[float] | None = None) -> str:
    """Return one of `choices`, by `weights` where given (they need not sum to one)."""
    share = None if weights is None else np.asarray(weights, dtype=float) / sum(weights)
    return choices[int(rng.choice(len(choices), p=share))]


@dataclass
class Canvas:
    """An image to be drawn on; the unit square has (0, 0) at the top left and y pointing down.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of all randomness.
    """

    rng: np.random.Generator
    image: Image.Image = field(init=False)
    pen: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        self.image = Image.new("RGB", (SIZE * FINE, SIZE * FINE))
        self.pen = ImageDraw.Draw(self.image)

    def gradient(self, top: Colour, bottom: Colour, start: float = 0.0, end: float = 1.0) -> None:
        """Fill the rows from `start` to `end` with colours from `top` to `bottom`."""
        first, last = round(start * SIZE * FINE), round(end * SIZE * FINE)
        ramp = np.linspace(0, 1, max(last - first, 1))[:, None]
        rows = (np.asarray(top) * (1 - ramp) + np.asarray(bottom) * ramp).astype(np.uint8)
        block = np.broadcast_to(rows[:, None], (len(rows), SIZE * FINE, 3))
        self.image.paste(Image.fromarray(np.ascontiguousarray(block)), (0, first))

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        """Fill a polygon given as (x, y) rows."""
        self.pen.polygon([(x, y) for x, y in (np.asarray(points) * SIZE * FINE).tolist()], fill=colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Fill an upright ellipse around (x, y)."""
        self.polygon(_CIRCLE * (rx, ry) + (x, y), colour)

    def line(self, points: ArrayLike, width: float, colour: Colour) -> None:
        """Draw a line through (x, y) rows, `width` as a share of the image's side."""
        path = [(x, y) for x, y in (np.asarray(points) * SIZE * FINE).tolist()]
        self.pen.line(path, fill=colour, width=max(1, round(width * SIZE * FINE)), joint="curve")

    def finish(self) -> Image.Image:
        """Average down, then add light, colour cast, sometimes blur, and noise."""
        rng = self.rng
        small = self.image.reduce(FINE)
        if rng.random() < 0.2:  # out of focus
            coarse = round(SIZE * rng.uniform(0.65, 0.9))
            small = small.resize((coarse, coarse), Image.Resampling.BILINEAR)
            small = small.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        pixels = np.asarray(small, dtype=np.float64)
        slope = np.linspace(-1, 1, SIZE)
        light = 1 + rng.normal(0, 0.08) * slope[:, None] + rng.normal(0, 0.08) * slope
        pixels = pixels * (light * rng.uniform(0.72, 1.15))[..., None] * rng.normal(1, 0.05, 3) + rng.normal(0, 8)
        pixels += rng.normal(0, rng.uniform(1, 8), pixels.shape)
        return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


@dataclass
class Figure:
    """A thing on a canvas, drawn in its own coordinates: (0, 0) its middle, x the way it faces.

    Parameters
    ----------
    canvas : Canvas
    x, y : float
        Its place on the canvas.
    size : float
        Length of its unit, as a share of the image's side.
    angle : float
        Turn in radians.
    flip : bool
        Whether it faces left.
    """

    canvas: Canvas
    x: float
    y: float
    size: float
    angle: float = 0.0
    flip: bool = False

    def place(self, points: ArrayLike) -> NDArray[np.float64]:
        """Turn the shape's coordinates ``(n, 2)`` into the canvas's."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turned = np.asarray(points, dtype=np.float64) @ np.array([[cos, sin], [-sin, cos]])
        if self.flip:
            turned = turned * (-1, 1)
        return np.asarray(turned * self.size + (self.x, self.y))

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        """Fill a polygon."""
        self.canvas.polygon(self.place(points), colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, tilt: float = 0.0) -> None:
        """Fill an ellipse around (x, y), tilted by radians."""
        cos, sin = np.cos(tilt), np.sin(tilt)
        self.polygon((_CIRCLE * (rx, ry)) @ np.array([[cos, sin], [-sin, cos]]) + (x, y), colour)

    def line(self, points: ArrayLike, width: float, colour: Colour) -> None:
        """Draw a line, `width` in the shape's units."""
        self.canvas.line(self.place(points), width * self.size, colour)


def clutter(canvas: Canvas, palette: Sequence[Colour], count: int, top: float = 0.0, size: float = 0.05) -> None:
    """Scatter `count` small blobs and sticks below `top`."""
    rng = canvas.rng
    for _ in range(count):
        x, y = rng.uniform(0, 1), rng.uniform(top, 1)
        colour = vary(rng, palette[int(rng.integers(len(palette)))], 20)
        if rng.random() < 0.5:
            canvas.ellipse(x, y, size * rng.uniform(0.2, 1), size * rng.uniform(0.15, 0.7), colour)
        else:
            canvas.line([(x, y), (x + rng.normal(0, size), y - size * rng.uniform(0.3, 2))], 0.012, colour)
