"""Published figures, shown next to ours and never mixed with them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

DIFFERS = "CLIP's own weights ({}); the paper's own budget and selection"


@dataclass(frozen=True)
class Published:
    """One published result on a test split.

    Parameters
    ----------
    dataset, backbone, method : str
    labels : str
        Training labels the method saw.
    worst_group, average : str
        In per cent, as quoted; ``""`` where it is not.
    source : str
        Paper of the method, or what is known of the figure.
    """

    dataset: str
    backbone: str
    method: str
    labels: str
    worst_group: str
    average: str
    source: str


# Collected from papers and public notes; none was measured here, and not every one was checked at its origin.
SURVEY = "quoted in several papers, origin not checked"
FIGURES = (
    Published("waterbirds", "ViT-L/14", "zero-shot", "none", "28-45", "84-89", f"{SURVEY}; by prompt wording alone"),
    Published("waterbirds", "ViT-L/14", "Orth-Cal", "none", "68.8", "84.5", "arXiv 2302.00070"),
    Published("waterbirds", "RN50", "zero-shot", "none", "54.2", "", SURVEY),
    Published("waterbirds", "RN50", "ERM", "class", "7.9", "", SURVEY),
    Published("waterbirds", "RN50", "JTT", "class", "61.7", "", SURVEY),
    Published("waterbirds", "RN50", "GroupDRO", "class, attribute", "75.1", "", SURVEY),
    Published("celeba", "ViT-L/14", "zero-shot", "none", "73", "88", SURVEY),
    Published("celeba", "ViT-L/14", "Orth-Cal", "none", "76.1", "86.2", "arXiv 2302.00070"),
    Published("celeba", "RN50", "zero-shot", "none", "55.0", "", SURVEY),
    Published("celeba", "RN50", "ERM", "class", "11.9", "", SURVEY),
    Published("celeba", "RN50", "JTT", "class", "60.2", "", SURVEY),
    Published("celeba", "RN50", "GroupDRO", "class, attribute", "84.1", "", SURVEY),
    Published("metashift", "RN50", "zero-shot", "none", "86.2", "", SURVEY),
    Published("metashift", "RN50", "ERM", "class", "75.4", "", SURVEY),
    Published("metashift", "RN50", "GroupDRO", "class, attribute", "83.2", "", SURVEY),
)


def published(dataset: str) -> list[dict[str, Any]]:
    """Return the published figures on a data set, each with what differs from ours; none for a miniature.

    Examples
    --------
    >>> published("waterbirds-mini")
    []
    """
    return [{**asdict(one), "differs": DIFFERS.format(one.backbone)} for one in FIGURES if one.dataset == dataset]
