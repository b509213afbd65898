"""What was asked for, and the names of series that findings are about."""

from __future__ import annotations

from dataclasses import dataclass

CE, GCE = "prompt, CE", "prompt, GCE q 0.7"
FROM_TEXT, AT_RANDOM = "Classifier-C (from text)", "Classifier-R (random)"
TOWER, PROBE_TITLE, TUNED_TITLE = "TEnc-FT (text tower)", "linear probe, C 100", "linear probe, C by validation"
CLS, FULL = "CLS tuning (names learn)", "full tuning (both learn)"
TOP_K, AT_RANDOM_K = "top confidence (UPL)", "random (robust UPL)"
NLPROMPT, FILTERED, FILTERED_PROBE = "NLPrompt", "cleanlab filter, then prompt", "cleanlab filter, then linear probe"


@dataclass(frozen=True)
class Plan:
    """What was asked for: noise rates, in rising order."""

    rates: tuple[float, ...]

    @property
    def top(self) -> float:
        """The highest rate."""
        return self.rates[-1]

    @property
    def ends(self) -> tuple[float, ...]:
        """The lowest and the highest rate: for what is dear."""
        return tuple(dict.fromkeys((self.rates[0], self.rates[-1])))

    @property
    def high(self) -> tuple[float, ...]:
        """The two highest rates that are no 0."""
        return tuple(rate for rate in self.rates if rate > 0)[-2:]


def percent(rate: float) -> str:
    """Return a rate in per cent.

    Examples
    --------
    >>> percent(0.125)
    '12.5'
    """
    return f"{100 * rate:g}"
