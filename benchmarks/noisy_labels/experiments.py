"""The suite's experiments: which cells each compares, and what PTNL says about them.

Adding one is a function from a plan to points, registered with :func:`experiment`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from debias_pt.utils.registry import register

from . import expected
from .cells import (
    AT_RANDOM,
    AT_RANDOM_K,
    CE,
    CLS,
    FILTERED,
    FILTERED_PROBE,
    FROM_TEXT,
    FULL,
    GCE,
    NLPROMPT,
    PROBE,
    PROBE_TITLE,
    RANDOM,
    TOP_CONFIDENCE,
    TOP_K,
    TOWER,
    TUNED_PROBE,
    TUNED_TITLE,
    ZERO_SHOT,
    Cell,
    Plan,
    in_percent,
)
from .claims import Claim


@dataclass(frozen=True)
class Point:
    """One cell's place in an experiment: its series, and where on the x axis."""

    series: str
    x: str
    cell: Cell


@dataclass(frozen=True)
class Experiment:
    """A table and a plot.

    Parameters
    ----------
    name, title : str
    about : str
        What is tested, with its source.
    x : str
        Label of the x axis.
    points : callable
        From the plan to points.
    claims : callable
        From the plan to claims about them.
    measure : str
        ``"accuracy"``, ``"noisy share"`` of the gradient, or ``"worst-group accuracy"``.
    """

    name: str
    title: str
    about: str
    x: str
    points: Callable[[Plan], list[Point]]
    claims: Callable[[Plan], list[Claim]]
    measure: str = "accuracy"


EXPERIMENTS: dict[str, Experiment] = {}
NOISE = "noise rate, %"


def experiment(
    name: str, title: str, about: str, x: str, claims: Callable[[Plan], list[Claim]], measure: str = "accuracy"
) -> Callable[[Callable[[Plan], list[Point]]], Callable[[Plan], list[Point]]]:
    """Return a decorator that registers a function from a plan to points as an experiment."""

    def add(points: Callable[[Plan], list[Point]]) -> Callable[[Plan], list[Point]]:
        register(EXPERIMENTS, name)(Experiment(name, title, about, x, points, claims, measure))
        return points

    return add


def by_rate(series: str, cell: Cell, rates: Sequence[float]) -> list[Point]:
    """Return one point per noise rate."""
    return [Point(series, in_percent(rate), cell.at(rate)) for rate in rates]


def gce(q: float = 0.7) -> Cell:
    """Return prompt tuning with generalised cross-entropy."""
    return Cell("prompt", loss="gce", q=q)


@experiment(
    "curves", "Robustness curves",
    "PTNL, finding 1: prompt tuning degrades least under noise, with GCE further least.", NOISE, expected.curve_claims,
)  # fmt: skip
def curves(plan: Plan) -> list[Point]:
    """Return accuracy against the rate of symmetric noise."""
    lines = {CE: Cell("prompt"), GCE: gce(), FROM_TEXT: Cell("linear-from-text"), PROBE_TITLE: Cell(PROBE)}
    lines[TUNED_TITLE] = Cell(TUNED_PROBE)
    points = [point for series, cell in lines.items() for point in by_rate(series, cell, plan.rates)]
    return points + [Point("zero-shot", in_percent(rate), Cell(ZERO_SHOT)) for rate in plan.rates]


@experiment(
    "adaptations", "What is adapted",
    "PTNL, finding 2: under noise Classifier-R and TEnc-FT < Classifier-C, prompt tuning best; all with CE.",
    NOISE, expected.adaptation_claims,
)  # fmt: skip
def adaptations(plan: Plan) -> list[Point]:
    """Return four ways of adapting, the expensive text tower at the lowest and highest rate only."""
    lines = {CE: Cell("prompt"), FROM_TEXT: Cell("linear-from-text"), AT_RANDOM: Cell("linear")}
    points = [point for series, cell in lines.items() for point in by_rate(series, cell, plan.rates)]
    return points + by_rate(TOWER, Cell("text-encoder"), plan.ends)


@experiment(
    "classname", "Class-name tokens",
    "PTNL, finding 3: the fixed class name is the regulariser; learning its tokens costs robustness.",
    NOISE, expected.classname_claims,
)  # fmt: skip
def classname(plan: Plan) -> list[Point]:
    """Return prompt tuning and heads that learn the names' tokens."""
    lines = {CE: Cell("prompt"), CLS: Cell("class-tokens"), FULL: Cell("full-prompt")}
    return [point for series, cell in lines.items() for point in by_rate(series, cell, plan.ends)]


@experiment(
    "gradients", "Share of the gradient that noisy samples contribute",
    "PTNL, finding 4: noisy samples contribute less of the gradient in prompt tuning than elsewhere.",
    "step", expected.gradient_claims, measure="noisy share",
)  # fmt: skip
def gradients(plan: Plan) -> list[Point]:
    """Return the heads at the highest rate, with gradients measured during the fit."""
    heads = {CE: "prompt", FROM_TEXT: "linear-from-text", AT_RANDOM: "linear", TOWER: "text-encoder"}
    return [Point(series, "", Cell(head, rate=plan.top, traced=True)) for series, head in heads.items()]


@experiment(
    "context",
    "Context length",
    "PTNL, finding 5: robustness holds for any context length.",
    "context vectors",
    lambda plan: [],
)
def context(plan: Plan) -> list[Point]:
    """Return prompt tuning with 4 to 32 context vectors, at the lowest and highest rate."""
    return [
        Point(f"{in_percent(rate)} % noise", str(length), Cell("prompt", rate=rate, context=length))
        for rate in plan.ends
        for length in (4, 8, 16, 32)
    ]


KINDS = ("symmetric", "asymmetric", "replacement", "confusion")


@experiment(
    "kinds", "Kinds of noise",
    "PTNL, finding 6: confusion noise (the wrong class that zero-shot likes most) is harder than random noise.",
    "kind of noise", expected.kind_claims,
)  # fmt: skip
def kinds(plan: Plan) -> list[Point]:
    """Return four kinds of noise at the two highest rates."""
    return [
        Point(f"{title}, {in_percent(rate)} %", kind, replace(cell, kind=kind, rate=rate))
        for title, cell in ((CE, Cell("prompt")), (GCE, gce()))
        for rate in plan.high
        for kind in KINDS
    ]


@experiment(
    "losses", "Losses and q",
    "GCE goes from CE (q to 0) to half the mean absolute error (q 1). PTNL's text says q 0.7, its released code 0.5.",
    "loss", lambda plan: [],
)  # fmt: skip
def losses(plan: Plan) -> list[Point]:
    """Return prompt tuning with every loss, at the lowest and highest rate."""
    names = {
        "CE": Cell("prompt"),
        **{f"GCE q {q:g}": gce(q) for q in (0.3, 0.5, 0.7)},
        "MAE (GCE q 1)": Cell("prompt", loss="mae"),
    }
    names |= {name: Cell("prompt", loss=name) for name in ("sce", "phuber", "nce-rce", "label-smoothing")}
    return [
        Point(f"{in_percent(rate)} % noise", name, cell.at(rate)) for rate in plan.ends for name, cell in names.items()
    ]


@experiment(
    "unsupervised", "Without any label",
    "PTNL, finding 7: robust UPL (K random zero-shot labels per class, GCE) against UPL (the K most confident, CE).",
    "loss", expected.unsupervised_claims,
)  # fmt: skip
def unsupervised(plan: Plan) -> list[Point]:
    """Return both samplings with both losses, and zero-shot."""
    points = [
        Point(series, name, replace(cell, kind=kind))
        for series, kind in ((TOP_K, TOP_CONFIDENCE), (AT_RANDOM_K, RANDOM))
        for name, cell in (("CE", Cell("prompt")), ("GCE q 0.7", gce()))
    ]
    return points + [Point("zero-shot", name, Cell(ZERO_SHOT)) for name in ("CE", "GCE q 0.7")]


@experiment(
    "successors", "Successors",
    "NLPrompt (optimal-transport split, CE on clean and MAE on noisy samples) and confident learning (cleanlab).",
    NOISE, expected.successor_claims,
)  # fmt: skip
def successors(plan: Plan) -> list[Point]:
    """Return NLPrompt, confident learning and what they build on, at the lowest and highest rate."""
    lines = {
        CE: Cell("prompt"), GCE: gce(), NLPROMPT: Cell("prompt", loss="nlprompt"),
        FILTERED: Cell("prompt", filtered=True), PROBE_TITLE: Cell(PROBE), FILTERED_PROBE: Cell(PROBE, filtered=True),
    }  # fmt: skip
    return [point for series, cell in lines.items() for point in by_rate(series, cell, plan.ends)]
