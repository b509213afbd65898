"""Which sets are drawn: their classes, the attribute that goes with them, how often, and its words.

The words were written down before any result on these sets was seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

LAND, WATER = ("bamboo", "broadleaf"), ("lake", "ocean")
BACKGROUND = {"land": LAND, "water": WATER}
WARBLERS = ("Warbler", "Yellowthroat", "Redstart", "Ovenbird", "Chat", "Waterthrush")
GULLS = ("Gull", "Kittiwake")
LARGE_SEABIRDS = ("Albatross", "Pelican", "Cormorant", "Frigatebird")
SMALL_SEABIRDS = ("Tern", "Auklet", "Puffin", "Guillemot")
SEABIRDS = (*GULLS, *LARGE_SEABIRDS, *SMALL_SEABIRDS, "Jaeger", "Fulmar")
SMALL_SONGBIRDS = (*WARBLERS, "Sparrow", "Wren", "Vireo", "Goldfinch", "Finch", "Bunting", "Tanager")
LARGE_SONGBIRDS = ("Crow", "Raven")
WATER_ANIMALS = (
    "dolphin", "crab", "crayfish", "lobster", "starfish", "sea_horse", "bass", "octopus", "nautilus", "hawksbill",
)  # fmt: skip
LAND_ANIMALS = (
    "kangaroo", "llama", "elephant", "dalmatian", "Leopards", "rhino", "panda", "hedgehog", "okapi", "gerenuk",
    "cougar_body", "scorpion", "rooster", "emu",
)  # fmt: skip
BOATS, LAND_VEHICLES = ("ferry", "ketch", "schooner"), ("car_side", "Motorbikes", "wheelchair")

PLACE_WORDS = "background=land|a forest|trees:water|a lake|the sea"
HABITAT_WORDS = "habitat=land|on land|dry ground:water|in the water|the sea"

Members = tuple[str, ...]


@dataclass(frozen=True)
class Attribute:
    """An attribute of a drawn set.

    Parameters
    ----------
    values : mapping of str to tuple of str
        For each value the scenes, or the kinds, that have it.
    words : str
        The suspected attribute as ``--attribute`` takes it.
    """

    values: Mapping[str, Members]
    words: str

    @property
    def name(self) -> str:
        """What the column is called."""
        return self.words.partition("=")[0]


@dataclass(frozen=True)
class DrawnSet:
    """A skewed set made by drawing photographs, none of them changed.

    Parameters
    ----------
    source : str
        The data set drawn from.
    classes : mapping of str to tuple of str
        For each class its kinds.
    attributes : tuple of Attribute
        One, or several that go with the class each by itself.
    usual : mapping of str to tuple of str
        For each class its usual value of every attribute.
    share : float
        Of a class's training images without the usual value; 0: class and value coincide.
    val, test : int
        Images of every group in validation and test.
    skewed_val : bool
        Validation is as skewed as training.
    most : int
        Training images of a class, at most.
    most_of_kind : int
        Images of one kind that are drawn from, at most.
    """

    source: str
    classes: Mapping[str, Members]
    attributes: tuple[Attribute, ...]
    usual: Mapping[str, tuple[str, ...]]
    share: float
    val: int
    test: int
    skewed_val: bool = False
    most: int = 1500
    most_of_kind: int = 10_000

    def proportion(self, label: str, values: tuple[str, ...]) -> float:
        """Return the share of a class's training images that have these values."""
        return math.prod(
            1 - self.share if value == usual else self.share / (len(attribute.values) - 1)
            for value, usual, attribute in zip(values, self.usual[label], self.attributes, strict=True)
        )


PLACE = (Attribute(BACKGROUND, PLACE_WORDS),)
SHORE = DrawnSet(
    "waterbirds", {"seabird": SEABIRDS, "songbird": SMALL_SONGBIRDS}, PLACE,
    {"seabird": ("water",), "songbird": ("land",)}, share=0.01, val=75, test=200,
)  # fmt: skip
GULL = DrawnSet(
    "waterbirds", {"gull": GULLS, "woodpecker": ("Woodpecker", "Flicker")}, PLACE,
    {"gull": ("water",), "woodpecker": ("land",)}, share=0.05, val=30, test=60,
)  # fmt: skip
TRAFFIC = DrawnSet(
    "caltech101", {"animal": (*WATER_ANIMALS, *LAND_ANIMALS), "vehicle": (*BOATS, *LAND_VEHICLES)},
    (Attribute({"land": (*LAND_ANIMALS, *LAND_VEHICLES), "water": (*WATER_ANIMALS, *BOATS)}, HABITAT_WORDS),),
    {"animal": ("water",), "vehicle": ("land",)}, share=0.05, val=40, test=100, most_of_kind=200,
)  # fmt: skip
PLANTS_WATER, PLANTS_LAND = ("lotus", "water_lilly"), ("sunflower", "bonsai", "joshua_tree")
WOODEN, METAL = ("mandolin", "grand_piano", "electric_guitar"), ("saxophone", "euphonium")
WOODEN_THINGS, METAL_THINGS = ("chair", "windsor_chair", "barrel"), ("scissors", "wrench", "stapler", "ewer", "menorah")

DRAWN_SETS: dict[str, DrawnSet] = {
    "shore-1": SHORE,
    "shore-none": replace(SHORE, share=0.5),
    "gulls-5": GULL,
    "gulls-5-skewed-val": replace(GULL, skewed_val=True),
    "gulls-0": replace(GULL, share=0.0),
    "warblers-10": DrawnSet(
        "waterbirds", {"sparrow": ("Sparrow",), "warbler": WARBLERS}, PLACE,
        {"sparrow": ("land",), "warbler": ("water",)}, share=0.1, val=50, test=130,
    ),
    "forests-5": DrawnSet(
        "waterbirds", {"sparrow": ("Sparrow",), "warbler": WARBLERS},
        (
            Attribute(
                {"bamboo": ("bamboo",), "broadleaf": ("broadleaf",)},
                "forest=bamboo|a bamboo forest|bamboo stems:broadleaf|a broadleaf forest|leafy trees",
            ),
        ),
        {"sparrow": ("bamboo",), "warbler": ("broadleaf",)}, share=0.05, val=50, test=130,
    ),
    "places-10": DrawnSet(
        "waterbirds", {"seabird": SEABIRDS, "sparrow": ("Sparrow",), "warbler": WARBLERS},
        (
            Attribute(
                {"forest": LAND, "lake": ("lake",), "ocean": ("ocean",)},
                "place=forest|a forest|trees:lake|a lake|a pond:ocean|the ocean|the sea",
            ),
        ),
        {"seabird": ("ocean",), "sparrow": ("forest",), "warbler": ("lake",)}, share=0.1, val=30, test=60,
    ),
    "sizes-10": DrawnSet(
        "waterbirds",
        {"seabird": (*LARGE_SEABIRDS, *SMALL_SEABIRDS), "songbird": (*SMALL_SONGBIRDS, *LARGE_SONGBIRDS)},
        (
            *PLACE,
            Attribute(
                {"small": (*SMALL_SEABIRDS, *SMALL_SONGBIRDS), "large": (*LARGE_SEABIRDS, *LARGE_SONGBIRDS)},
                "size=small|a small bird|a tiny bird:large|a large bird|a big bird",
            ),
        ),
        {"seabird": ("water", "large"), "songbird": ("land", "small")}, share=0.1, val=20, test=40,
    ),
    "styles-10": DrawnSet(
        "pacs", {"dog": ("dog",), "elephant": ("elephant",), "horse": ("horse",)},
        (
            Attribute(
                {"painting": ("art_painting",), "cartoon": ("cartoon",), "sketch": ("sketch",)},
                "style=painting|an oil painting|a colourful painting:cartoon|a cartoon drawing|a comic:"
                "sketch|a pencil drawing|a black and white sketch",
            ),
        ),
        {"dog": ("painting",), "elephant": ("cartoon",), "horse": ("sketch",)}, share=0.1, val=15, test=40,
    ),
    "traffic-5": TRAFFIC,
    "traffic-5-skewed-val": replace(TRAFFIC, skewed_val=True),
    "nature-10": DrawnSet(
        "caltech101",
        {
            "animal": (*WATER_ANIMALS, *LAND_ANIMALS),
            "plant": (*PLANTS_WATER, *PLANTS_LAND),
            "vehicle": (*BOATS, *LAND_VEHICLES),
        },
        (
            Attribute(
                {
                    "land": (*LAND_ANIMALS, *PLANTS_LAND, *LAND_VEHICLES),
                    "water": (*WATER_ANIMALS, *PLANTS_WATER, *BOATS),
                },
                HABITAT_WORDS,
            ),
        ),
        {"animal": ("land",), "plant": ("land",), "vehicle": ("water",)},
        share=0.1, val=20, test=50, most_of_kind=200,
    ),
    "things-20": DrawnSet(
        "caltech101",
        {"musical instrument": (*WOODEN, *METAL), "household object": (*WOODEN_THINGS, *METAL_THINGS)},
        (
            Attribute(
                {"wood": (*WOODEN, *WOODEN_THINGS), "metal": (*METAL, *METAL_THINGS)},
                "material=wood|made of wood|a wooden object:metal|made of metal|a metal object",
            ),
        ),
        {"musical instrument": ("wood",), "household object": ("metal",)}, share=0.2, val=20, test=40,
    ),
}  # fmt: skip
