"""Settings of the noisy-label suite: light to import, saved whole with every result."""

from __future__ import annotations

from dataclasses import dataclass

from debias_pt.errors import UsageError
from debias_pt.settings import DATA, RUN, SPLITS, SUITE, DataSettings, option

PROTOCOLS = ("fast", "ptnl")
DRAWS = ("nested", "coop", "coop-files")
REPLACEMENTS = ("distinct", "ptnl")
# What --quick changes unless other values are given.
QUICK = {"rates": "0,0.5", "steps": 40}


@dataclass(frozen=True)
class NoisySettings(DataSettings):
    """All of ``debias-pt bench noisy-labels``."""

    dataset: str = option(DATA, "shapes-mini", "Data set by name, or path.")
    rates: str = option(SUITE, "0,0.125,0.25,0.5", "Noise rates, joined by commas.")
    shots: int = option(SUITE, 16, "Training images per class.")
    seed: int = option(RUN, 0, "First seed.")
    seeds: int = option(RUN, 3, "Number of seeds; each draws its images, its noise and its first context.")
    protocol: str = option(
        SUITE, "fast", "fast: 100 full-batch steps of AdamW; ptnl: 50 epochs of SGD in batches of 32.", PROTOCOLS
    )
    steps: int | None = option(SUITE, None, "Steps of the fast protocol; default 100.")
    views: int = option(SUITE, 0, "Random crops of each image beside the plain one, encoded once (augmentation).")
    draw: str = option(
        SUITE,
        "nested",
        "Which few shots: nested (ours; 8 are among the 16), coop (by the rule of CoOp's code), or coop-files (its "
        "shot_K-seed_S.pkl in the data set's folder split_fewshot).",
        DRAWS,
    )
    replacement: str = option(
        SUITE,
        "distinct",
        "Replacement noise: distinct images of other classes, or ptnl (the released code's rule).",
        REPLACEMENTS,
    )
    split: str = option(RUN, "test", "Split to report on.", SPLITS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.protocol == "ptnl" and self.steps is not None:
            raise UsageError(f"--steps {self.steps} with the protocol ptnl, which counts epochs; leave one out")
        if self.shots < 1 or self.views < 0:
            raise UsageError(f"shots is {self.shots}, views {self.views}; 1 shot or more and 0 views or more expected")
        rates_of(self.rates)


def rates_of(text: str) -> tuple[float, ...]:
    """Return noise rates in rising order, each once.

    Raises
    ------
    UsageError
        If one is not a number from 0 to 1, or there is none.

    Examples
    --------
    >>> rates_of("0.5, 0")
    (0.0, 0.5)
    """
    try:
        rates = sorted({float(word) for word in text.split(",") if word.strip()})
    except ValueError:
        raise UsageError(f"rates are {text!r}; numbers joined by commas expected, 0,0.25,0.5") from None
    if not rates or not all(0 <= rate <= 1 for rate in rates):
        raise UsageError(f"rates are {text!r}; one or more numbers from 0 to 1 expected")
    return tuple(rates)
