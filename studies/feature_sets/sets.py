"""Which sets are drawn: classes and values by what CLIP's files call them, and how skewed each draw is.

A name that ends in ``*`` is all classes that begin with it. The sets were written down before any result on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from debias_pt.errors import DatasetError

from ..drawn_sets.sets import Attribute, DrawnSet, Members
from .draw import Pool, pool_of

Grid = Mapping[str, Mapping[str, Members]]  # the kinds of each class and value


@dataclass(frozen=True)
class Family:
    """A task and what may be a shortcut in it.

    Parameters
    ----------
    source : str
        The file drawn from.
    attribute : str
        What the values are of.
    grid : mapping
        For each class and value its kinds.
    val, test : int
        Images of every group in validation and test.
    """

    source: str
    attribute: str
    grid: Grid
    val: int = 20
    test: int = 80


@dataclass(frozen=True)
class Draw:
    """How a family is drawn.

    Parameters
    ----------
    share : float
        Of a class's training images without its usual value.
    crossed : bool
        The first class usually has the second value, and the second class the first.
    skewed_val : bool
        Validation is as skewed as training.
    """

    share: float
    crossed: bool = False
    skewed_val: bool = False


DRAWS = {
    "5": Draw(0.05, crossed=True),
    "5-reversed": Draw(0.05),
    "15": Draw(0.15, crossed=True),
    "5-skewed-val": Draw(0.05, crossed=True, skewed_val=True),
    "none": Draw(0.5),
}
MOST = 421  # training images of a class: 400 usual ones and 21 others at 5 %

AIRBUS_NARROW, AIRBUS_WIDE = ("A318", "A319", "A320", "A321"), ("A300B4", "A310", "A330-*", "A340-*", "A380")
BOEING_NARROW, BOEING_WIDE = ("707-*", "727-*", "737-*", "757-*"), ("747-*", "767-*", "777-*")
AIRBUS_TWO = ("A300B4", "A310", "A318", "A319", "A320", "A321", "A330-*")
REGIONAL_PROPS = ("ATR-*", "DHC-8-*", "Dornier 328", "EMB-120", "Fokker 50", "Saab*", "DC-3", "DC-6")
REGIONAL_JETS = ("CRJ-*", "ERJ*", "E-1*", "Fokker 70", "Fokker 100", "BAE 146*")
SMALL_PROPS = (
    "Cessna 172", "Cessna 208", "PA-28", "SR-20", "DR-400", "Beechcraft 1900", "Metroliner", "Model B200", "DHC-6",
)  # fmt: skip
BUSINESS_JETS = (
    "Cessna 525", "Cessna 560", "BAE-125", "Challenger 600", "Falcon*", "Global Express", "Gulfstream*",
    "Embraer Legacy 600",
)  # fmt: skip
WATER_ANIMALS = (
    "dolphin", "crab", "crayfish", "lobster", "starfish", "sea_horse", "bass", "octopus", "nautilus", "hawksbill",
)  # fmt: skip
LAND_ANIMALS = (
    "kangaroo", "llama", "elephant", "dalmatian", "leopard", "rhino", "panda", "hedgehog", "okapi", "gerenuk",
    "cougar_body", "scorpion", "rooster", "emu",
)  # fmt: skip

FAMILIES: dict[str, Family] = {
    "body": Family("fgvc", "body", {
        "Airbus": {"narrow": AIRBUS_NARROW, "wide": AIRBUS_WIDE},
        "Boeing": {"narrow": BOEING_NARROW, "wide": BOEING_WIDE},
    }),
    "engines": Family("fgvc", "engines", {
        "Airbus": {"two": AIRBUS_TWO, "four": ("A340-*", "A380")},
        "Boeing": {"two": ("737-*", "757-*", "767-*", "777-*"), "four": ("707-*", "747-*")},
    }),
    "maker": Family("fgvc", "maker", {
        "narrow body": {"Airbus": AIRBUS_NARROW, "Boeing": BOEING_NARROW},
        "wide body": {"Airbus": AIRBUS_WIDE, "Boeing": BOEING_WIDE},
    }),
    "propeller": Family("fgvc", "drive", {
        "small aircraft": {"propeller": SMALL_PROPS, "jet": BUSINESS_JETS},
        "regional aircraft": {"propeller": REGIONAL_PROPS, "jet": REGIONAL_JETS},
    }),
    "military": Family("fgvc", "drive", {
        "military aircraft": {
            "propeller": ("C-130", "An-12", "C-47", "Spitfire"),
            "jet": ("Eurofighter Typhoon", "F-16A/B", "F/A-18", "Hawk T1", "Tornado"),
        },
        "airliner": {
            "propeller": ("ATR-*", "DHC-8-*", "Dornier 328", "DC-3", "DC-6"),
            "jet": ("CRJ-*", "ERJ*", "737-3*", "737-4*", "A320"),
        },
    }),
    "rear-engines": Family("fgvc", "engines", {
        "Embraer": {"wing": ("E-1*",), "rear": ("ERJ*", "Embraer Legacy 600")},
        "American airliner": {
            "wing": ("737-*", "757-*"), "rear": ("Boeing 717", "MD-8*", "MD-90", "DC-9-30", "727-200"),
        },
    }),
    "wing": Family("fgvc", "wing", {
        "Cessna": {"high": ("Cessna 172", "Cessna 208"), "low": ("Cessna 525", "Cessna 560")},
        "Canadian aircraft": {"high": ("DHC-6", "DHC-8-*"), "low": ("CRJ-*", "Challenger 600", "Global Express")},
    }),
    "habitat": Family("caltech101", "habitat", {
        "animal": {"water": WATER_ANIMALS, "land": LAND_ANIMALS},
        "vehicle": {"water": ("ferry", "ketch", "schooner"), "land": ("car_side", "motorbike", "wheelchair")},
    }, val=12, test=25),
    "material": Family("caltech101", "material", {
        "musical instrument": {
            "wood": ("mandolin", "grand_piano", "electric_guitar"), "metal": ("saxophone", "euphonium"),
        },
        "household object": {
            "wood": ("chair", "windsor_chair", "barrel"), "metal": ("scissors", "wrench", "stapler", "ewer", "menorah"),
        },
    }, val=12, test=25),
    "head": Family("caltech101", "view", {
        "mammal": {
            "whole": ("cougar_body", "leopard", "wild_cat", "panda", "okapi", "llama", "kangaroo"),
            "head": ("cougar_face",),
        },
        "other animal": {
            "whole": ("crocodile", "hawksbill", "scorpion", "lobster"),
            "head": ("crocodile_head", "flamingo_head", "rooster"),
        },
    }, val=8, test=15),
    "wings": Family("caltech101", "wings", {
        "small animal": {
            "winged": ("butterfly", "dragonfly", "mayfly"), "wingless": ("ant", "tick", "scorpion", "trilobite"),
        },
        "large animal": {
            "winged": ("ibis", "flamingo", "pigeon", "rooster"),
            "wingless": ("emu", "crocodile", "dalmatian", "hedgehog"),
        },
    }, val=12, test=25),
    "fliers": Family("caltech101", "way", {
        "vehicle": {"air": ("airplane", "helicopter"), "ground": ("car_side", "motorbike")},
        "animal": {
            "air": ("ibis", "flamingo", "pigeon", "butterfly", "dragonfly"),
            "ground": ("leopard", "elephant", "kangaroo", "llama", "emu", "rhino"),
        },
    }, val=12, test=25),
    "electric": Family("caltech101", "power", {
        "thing": {
            "electric": ("cellphone", "laptop", "camera", "headphone"),
            "plain": ("umbrella", "chair", "windsor_chair", "barrel"),
        },
        "music": {
            "electric": ("electric_guitar", "metronome", "gramophone"),
            "plain": ("mandolin", "accordion", "grand_piano", "saxophone"),
        },
    }, val=12, test=25),
}  # fmt: skip
# Species, half of them in each class; images of every group in validation and test.
FLOWERS = {"flowers-many": (80, 15, 40), "flowers-few": (24, 8, 20)}
FLOWER_DRAWS = ("5", "5-reversed", "none")


def feature_sets(root: Path, seed: int = 0) -> dict[str, DrawnSet]:
    """Return all sets by name, such as ``body-5``.

    Parameters
    ----------
    root : Path
        The folder that holds ``clip-vit-b32``.
    seed : int
        Of the species of flowers that are a class.

    Raises
    ------
    DatasetError
        If a file is not there, or has no class that a set names.
    """
    pools = {source: pool_of(root, source) for source in ("fgvc", "caltech101", "oxford_flowers")}
    found: dict[str, DrawnSet] = {}
    for name, family in FAMILIES.items():
        found |= {f"{name}-{tag}": drawn_set(family, one, pools[family.source]) for tag, one in DRAWS.items()}
    for name, (species, val, test) in FLOWERS.items():
        family = replace(flowers(pools["oxford_flowers"], species, seed), val=val, test=test)
        drawn = {tag: drawn_set(family, DRAWS[tag], pools["oxford_flowers"]) for tag in FLOWER_DRAWS}
        found |= {f"{name}-{tag}": one for tag, one in drawn.items()}
    return found


def drawn_set(family: Family, draw: Draw, pool: Pool) -> DrawnSet:
    """Return a family as it is drawn, its kinds written out."""
    grid = {
        label: {value: _kinds(members, pool) for value, members in values.items()}
        for label, values in family.grid.items()
    }
    first, second = next(iter(grid.values()))
    usual = (second, first) if draw.crossed else (first, second)
    members = {value: tuple(kind for values in grid.values() for kind in values[value]) for value in (first, second)}
    return DrawnSet(
        family.source,
        {label: tuple(kind for kinds in values.values() for kind in kinds) for label, values in grid.items()},
        (Attribute(members, f"{family.attribute}={first}:{second}"),),
        {label: (value,) for label, value in zip(grid, usual, strict=True)},
        share=draw.share,
        val=family.val,
        test=family.test,
        skewed_val=draw.skewed_val,
        most=MOST,
    )


def _kinds(members: Members, pool: Pool) -> Members:
    found = []
    for member in members:
        names = [
            name
            for name in pool.class_names
            if name == member or (member.endswith("*") and name.startswith(member.removesuffix("*")))
        ]
        if not names:
            raise DatasetError(
                f"no class {member!r} among {len(pool.class_names)}; give the files the sets are made for"
            )
        found += names
    return tuple(dict.fromkeys(found))


def flowers(pool: Pool, species: int, seed: int) -> Family:
    """Return two classes of species drawn at random; the value is which of two clusters a species' mean is in."""
    from sklearn.cluster import KMeans

    kinds = np.array(pool.kinds)
    means = np.stack([pool.features[kinds == name].astype(np.float64).mean(axis=0) for name in pool.class_names])
    cluster = KMeans(2, n_init=10, random_state=seed).fit_predict(means)
    drawn = np.random.default_rng(100 + seed).permutation(len(means))[:species]
    grid = {
        f"class {'AB'[half]}": {
            f"cluster {v + 1}": tuple(pool.class_names[k] for k in part.tolist() if cluster[k] == v) for v in (0, 1)
        }
        for half, part in enumerate(np.array_split(drawn, 2))
    }
    return Family("oxford_flowers", "cluster", grid)
