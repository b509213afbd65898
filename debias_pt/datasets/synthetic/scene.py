"""The result of drawing: an image and, in words, what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from debias_pt.datasets.synthetic.canvas import pick

OPENINGS = ("a photo of", "a picture of", "an image of", "a photograph of", "")


@dataclass(frozen=True)
class Scene:
    """A drawn image with the phrases that a caption may use.

    Parameters
    ----------
    image : PIL.Image.Image
        64 x 64, RGB.
    subject : tuple of str
        What the image shows, from the class's name to vaguer words; ``""`` leaves it out.
    looks : tuple of str
        Adjectives before the subject.
    place : tuple of str
        Where it is, or what else is true of it, behind the subject.
    alone : tuple of str
        Captions that do not mention the subject.
    """

    image: Image.Image
    subject: tuple[str, ...]
    looks: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()

    def caption(self, rng: np.random.Generator) -> str:
        """Return one of the captions that a person might have written, which never mentions everything."""
        opening = pick(rng, OPENINGS, (5, 2, 1, 1, 2))
        if self.alone and rng.random() < 0.12:
            text = pick(rng, self.alone)
        else:
            text = pick(rng, self.subject)
            if self.looks and rng.random() < 0.4:
                text = _before(pick(rng, self.looks), text)
            if self.place and rng.random() < 0.5:
                text = f"{text} {pick(rng, self.place)}"
        stop = "." if rng.random() < 0.5 else ""
        return f"{opening} {text}{stop}".strip()


def _before(adjective: str, noun: str) -> str:
    """Put an adjective before a noun phrase with its article.

    >>> _before("orange", "a cat")
    'an orange cat'
    """
    article, _, rest = noun.partition(" ")
    if article not in ("a", "an"):
        return f"{adjective} {noun}"
    return f"{'an' if adjective[0] in 'aeiou' else 'a'} {adjective} {rest}"


def with_article(names: Sequence[str]) -> tuple[str, ...]:
    """Return names with their indefinite article.

    >>> with_article(["arrow", "ring"])
    ('an arrow', 'a ring')
    """
    return tuple(f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in names)
