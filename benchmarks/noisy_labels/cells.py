"""Cells: everything that is fitted for one point, and the plan that says which."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from debias_pt.settings import FitSettings

from .settings import NoisySettings

# Adaptations that no training loop fits.
ZERO_SHOT, PROBE, TUNED_PROBE = "zero-shot", "linear-probe", "linear-probe-tuned"
APART = (ZERO_SHOT, PROBE, TUNED_PROBE)
WITH_CONTEXT = ("prompt", "full-prompt")
TOP_CONFIDENCE, RANDOM = "pseudo-top-confidence", "pseudo-random"
CONTEXT = 16
STEPS = 100
EPOCHS, BATCH = 50, 32
# Adam's rates that differ from the prompt's: at that rate a tower memorises wrong labels.
LEARNING_RATES = {"text-encoder": 3e-4}


@dataclass(frozen=True)
class Cell:
    """What is fitted, with everything that its result depends on.

    Parameters
    ----------
    head : str
        A head by name, or ``"zero-shot"``, ``"linear-probe"`` (C = 100), ``"linear-probe-tuned"`` (C chosen on
        clean validation images).
    loss : str
        By name, with its defaults.
    q : float, optional
        Of generalised cross-entropy.
    kind : str
        Of noise, or ``"pseudo-top-confidence"`` and ``"pseudo-random"``: zero-shot labels of UPL and robust UPL.
    rate : float
        Share of wrong labels; ignored for pseudo labels.
    context : int
        Context vectors, of heads that have any.
    filtered : bool
        Confident learning leaves out the samples it doubts, before the fit.
    traced : bool
        The noisy samples' share of the gradient is measured during the fit.

    Examples
    --------
    >>> Cell("prompt", kind="confusion") == Cell("prompt")  # at rate 0 all noise is the same
    True
    """

    head: str
    loss: str = "cross-entropy"
    q: float | None = None
    kind: str = "symmetric"
    rate: float = 0.0
    context: int = CONTEXT
    filtered: bool = False
    traced: bool = False

    def __post_init__(self) -> None:
        if self.rate == 0 and not self.unsupervised:
            object.__setattr__(self, "kind", "symmetric")

    @property
    def unsupervised(self) -> bool:
        """Whether labels are the zero-shot model's."""
        return self.kind in (TOP_CONFIDENCE, RANDOM)

    def at(self, rate: float) -> Cell:
        """Return the same at another noise rate."""
        return replace(self, rate=rate)

    def describe(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


def fit_settings(cell: Cell, settings: NoisySettings, samples: int) -> FitSettings:
    """Return how a cell is fitted on so many samples.

    ``fast``: full-batch AdamW at 0.004, cosine. ``ptnl``: the released code's SGD at 0.002 with momentum and weight
    decay, batches of 32, 50 epochs, one of them warm-up (linear here, a constant 1e-5 there). The last step is kept.
    """
    common: dict[str, Any] = {"method": "erm", "select": "last", "head": cell.head, "loss": cell.loss, "q": cell.q}
    common["context_length"] = cell.context if cell.head in WITH_CONTEXT else None
    if settings.protocol == "fast":
        rate = LEARNING_RATES.get(cell.head, FitSettings().rate)
        return FitSettings(**common, steps=STEPS if settings.steps is None else settings.steps, lr=rate)
    epoch = -(-samples // BATCH)
    sgd: dict[str, Any] = {
        "optimizer": "sgd",
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "lr": 0.002,
    }
    return FitSettings(**common, **sgd, batch_size=BATCH, steps=EPOCHS * epoch, warmup_steps=epoch)


CE, GCE = "prompt, CE", "prompt, GCE q 0.7"
FROM_TEXT, AT_RANDOM = "Classifier-C (from text)", "Classifier-R (random)"
TOWER, PROBE_TITLE, TUNED_TITLE = "TEnc-FT (text tower)", "linear probe, C 100", "linear probe, C by validation"
CLS, FULL = "CLS tuning (names learn)", "full tuning (both learn)"
TOP_K, AT_RANDOM_K = "top confidence (UPL)", "random (robust UPL)"
NLPROMPT, FILTERED, FILTERED_PROBE = "NLPrompt", "cleanlab filter, then prompt", "cleanlab filter, then linear probe"


@dataclass(frozen=True)
class Plan:
    """The requested noise rates, in rising order."""

    rates: tuple[float, ...]

    @property
    def top(self) -> float:
        """The highest rate."""
        return self.rates[-1]

    @property
    def ends(self) -> tuple[float, ...]:
        """The lowest and the highest rate, for expensive experiments."""
        return tuple(dict.fromkeys((self.rates[0], self.rates[-1])))

    @property
    def high(self) -> tuple[float, ...]:
        """The two highest rates above 0."""
        return tuple(rate for rate in self.rates if rate > 0)[-2:]


def in_percent(rate: float) -> str:
    """Return a rate in per cent.

    Examples
    --------
    >>> in_percent(0.125)
    '12.5'
    """
    return f"{100 * rate:g}"
