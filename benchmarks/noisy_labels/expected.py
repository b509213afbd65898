"""What PTNL and its successors found, as claims about points, with a likely reason if one does not hold."""

from __future__ import annotations

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
    PROBE_TITLE,
    TOP_K,
    TOWER,
    TUNED_TITLE,
    Plan,
    in_percent,
)
from .claims import Claim

WORDS_BOUND = (
    "A prompt can only move within what the text tower can express. Where image features are much better than text "
    "embeddings (zero-shot far below a probe on clean labels), what learns on them has further to fall."
)
PENALTY = (
    "A penalty chosen on a few clean labels keeps a probe from memorising wrong labels, and then the better "
    "features decide; a probe without such labels has no such choice."
)
BUDGET = "All have the same budget, in which one may have fitted more of the wrong labels than another."
OWN_VIEW = "NLPrompt trusts a label if the model's own plan agrees with it: a weak model doubts many correct ones."
GENTLE = (
    "The tower learns at a lower rate than the other heads, as it should, and so fits fewer of the wrong labels "
    "in the same number of steps."
)
DAMPED = "GCE gives less weight to samples of low probability, which costs most if the model is unsure of correct ones."
FAR_OFF = "Where zero-shot is poor, its favourite wrong class is often far off and misleads no more than any other."
POOR_LABELS = (
    "The K most confident images of a class are alike and mostly right, random ones are wrong more often. Which of the "
    "two costs more depends on the model: PTNL has CLIP's own weights."
)


def curve_claims(plan: Plan) -> list[Claim]:
    """Prompt tuning degrades least, with GCE further least."""
    top, first = in_percent(plan.top), in_percent(plan.rates[0])
    at = f"at {top} % symmetric noise"
    above = "prompt tuning (CE) is above the linear probe"
    claims = [
        Claim(f"prompt tuning with GCE is above prompt tuning with CE {at}", (GCE, top), (CE, top), otherwise=DAMPED),
        Claim(f"{above} (C 100) {at}", (CE, top), (PROBE_TITLE, top), otherwise=WORDS_BOUND),
        Claim(f"{above} whose C is tuned {at}", (CE, top), (TUNED_TITLE, top), otherwise=PENALTY),
    ]
    if first == top:
        return claims
    change = f"from {first} to {top} % prompt tuning"
    less = f"{change} (CE) loses less than the linear probe"
    return [
        *claims,
        Claim(f"{less} (C 100)", (CE, top), (PROBE_TITLE, top), since=first, otherwise=WORDS_BOUND),
        Claim(f"{less} whose C is tuned", (CE, top), (TUNED_TITLE, top), since=first, otherwise=PENALTY),
        Claim(f"{change} loses less with GCE than with CE", (GCE, top), (CE, top), since=first, otherwise=DAMPED),
    ]


def adaptation_claims(plan: Plan) -> list[Claim]:
    """Classifier-R and TEnc-FT below Classifier-C, prompt tuning best."""
    top = in_percent(plan.top)
    at = f"at {top} % symmetric noise"
    return [
        Claim(f"Classifier-C is above Classifier-R {at}", (FROM_TEXT, top), (AT_RANDOM, top), otherwise=BUDGET),
        Claim(f"Classifier-C is above TEnc-FT {at}", (FROM_TEXT, top), (TOWER, top), otherwise=GENTLE),
        Claim(f"prompt tuning is above {FROM_TEXT} {at}", (CE, top), (FROM_TEXT, top), otherwise=WORDS_BOUND),
        Claim(f"prompt tuning is above {TOWER} {at}", (CE, top), (TOWER, top), otherwise=WORDS_BOUND),
    ]


def classname_claims(plan: Plan) -> list[Claim]:
    """Prompt tuning is above what learns the class names: they are the regulariser."""
    top = in_percent(plan.top)
    return [
        Claim(
            f"prompt tuning is above {other} at {top} % symmetric noise",
            (CE, top), (other, top), otherwise=WORDS_BOUND,
        )
        for other in (CLS, FULL)
    ]  # fmt: skip


def gradient_claims(plan: Plan) -> list[Claim]:
    """Noisy samples contribute less of the gradient in prompt tuning."""
    lower = "noisy samples' share of the gradient, mean over training, is lower in prompt tuning than in"
    return [
        Claim(f"{lower} {other}", (other, ""), (CE, ""), otherwise=BUDGET) for other in (FROM_TEXT, AT_RANDOM, TOWER)
    ]


def kind_claims(plan: Plan) -> list[Claim]:
    """Confusion noise is harder than random noise."""
    return [
        Claim(
            f"confusion noise is harder than symmetric noise at {in_percent(rate)} % ({title})",
            (f"{title}, {in_percent(rate)} %", "symmetric"),
            (f"{title}, {in_percent(rate)} %", "confusion"),
            otherwise=FAR_OFF,
        )
        for title in (CE, GCE)
        for rate in plan.high
    ]


def unsupervised_claims(plan: Plan) -> list[Claim]:
    """Robust UPL is above UPL, and what of it does that."""
    best, plain, random = (AT_RANDOM_K, "GCE q 0.7"), (TOP_K, "CE"), (AT_RANDOM_K, "CE")
    return [
        Claim("robust UPL (random K, GCE) is above UPL (top K, CE)", best, plain, otherwise=POOR_LABELS),
        Claim("with CE, random K is above top K", random, plain, otherwise=POOR_LABELS),
        Claim("with random K, GCE is above CE", best, random, otherwise=DAMPED),
    ]


def successor_claims(plan: Plan) -> list[Claim]:
    """NLPrompt is above both its losses; leaving out doubtful samples helps."""
    top = in_percent(plan.top)
    at = f"at {top} % symmetric noise"
    return [
        Claim(f"NLPrompt is above prompt tuning with CE {at}", (NLPROMPT, top), (CE, top), otherwise=OWN_VIEW),
        Claim(f"NLPrompt is above prompt tuning with GCE {at}", (NLPROMPT, top), (GCE, top), otherwise=OWN_VIEW),
        Claim(f"cleanlab's filter helps prompt tuning {at}", (FILTERED, top), (CE, top)),
        Claim(f"cleanlab's filter helps the linear probe {at}", (FILTERED_PROBE, top), (PROBE_TITLE, top)),
    ]
