"""The table of docs/parity.md: each item, whose code, the difference beside it, and the one measured here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from debias_pt.models.backbone import Backbone
from tests.parity import algebra, draws, groups, losses, prompts

COOP, DASSL = "CoOp, `1e5ec09`", "Dassl, `27eb2f4`"
PTNL, JTT, DEBIAS_VL = "PTNL, `ce2b334`", "JTT, `b17b13e`", "debias_vl, `d1be796`"
HEADER = ("item", "whose code", "beside their code", "from its definition", "bound", "verdict")
SAME = "the same"


@dataclass(frozen=True)
class Item:
    """One line of the table.

    Parameters
    ----------
    name : str
    peer : str
        Whose code, and the commit or release that was read.
    beside : str
        Largest difference to their code on the same numbers, measured once; ``-`` where there is none to run.
    measure : callable
        Largest difference to a plain implementation written from the definition, measured now.
    bound : float
        What the test allows.
    verdict : str
    """

    name: str
    peer: str
    beside: str
    measure: Callable[[Backbone], float]
    bound: float
    verdict: str


ITEMS = (
    Item("CoOp's logits, all positions, shared and class-specific context", COOP, "6e-6", prompts.logits, 1e-4, SAME),
    Item("gradient of CoOp's context", COOP, "4e-6", prompts.gradient, 1e-4, SAME),
    Item(
        "start from words, 1 - cosine to zero-shot", COOP, "-", prompts.starts, 1e-5,
        "the same at the end; in the middle and in front a name's last mark keeps apart from the full stop",
    ),
    Item("GroupDRO, objective over 50 steps", "group_DRO, `e80fe20`", "4e-7", groups.group_dro, 1e-5, SAME),
    Item("CVaR", "fast-dro, as in JTT `b17b13e`", "8e-8", groups.cvar, 1e-5, SAME),
    Item("DPT, weights over 50 steps", "none released", "-", groups.dpt, 1e-10, "the paper's formula"),
    Item("JTT, loss with the error set", JTT, "-", groups.jtt, 1e-5, "the same; our `factor` is their `up_weight` + 1"),
    Item("group metrics", "WILDS 2.0.0, fairlearn 0.15", "2e-8", groups.metrics, 1e-9, SAME),
    Item("Orth-Cal, projection", DEBIAS_VL, "2e-7", algebra.orth_cal, 1e-9, SAME),
    Item("Sinkhorn, plan", "POT 0.9.7", "4e-10", algebra.transport, 1e-9, SAME),
    Item("PPA, class weights from group weights", "none released", "-", algebra.ppa, 1e-5, "the paper's sum"),
    Item("GCE", PTNL, "-", losses.gce, 1e-9, "the formula; q is 0.7 here, 0.5 in their code (`q=ptnl`)"),
    Item("GCE as released", PTNL, "-", losses.gce_released, 1e-4, "they add 1e-6 to p"),
    Item("SCE", "paper", "-", losses.sce, 1e-9, SAME),
    Item("SCE as released", PTNL, "-", losses.sce_released, 1e-9, "the same with `A=ptnl` (-9.21; -4 here)"),
    Item("NCE + RCE", "paper", "-", losses.nce_rce, 1e-9, SAME),
    Item("NCE + RCE as released", PTNL, "-", losses.nce_rce_released, 1e-9, "the same with `A=ptnl` (-9.21; -4 here)"),
    Item(
        "few-shot draws, images that differ", DASSL, "-", draws.few_shots, 0,
        "the same with `--draw coop`; the default draws others",
    ),
    Item("replacement noise, faults", "ours", "-", draws.replacement, 0, "another rule than PTNL's code, the default"),
    Item(
        "replacement noise as released, faults", PTNL, "-", draws.replacement_released, 0,
        "their rule with `--replacement ptnl`, not their draws",
    ),
)  # fmt: skip


def lines(backbone: Backbone | None) -> list[tuple[str, ...]]:
    """Return the table's cells; without a model the column that is measured now is left empty."""
    measured = ["" if backbone is None else f"{item.measure(backbone):.1g}" for item in ITEMS]
    return [
        (item.name, item.peer, item.beside, found, f"{item.bound:g}", item.verdict)
        for item, found in zip(ITEMS, measured, strict=True)
    ]


def markdown(rows: list[tuple[str, ...]]) -> str:
    """Return the table as Markdown."""
    rule = ("---", "---", "---:", "---:", "---:", "---")
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEADER, rule, *rows)) + "\n"
