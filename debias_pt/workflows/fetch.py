"""``debias-pt data fetch``: a data set from its source to the data root."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from debias_pt.datasets import DATASETS, load_dataset
from debias_pt.datasets.download.fetch import fetch as fetch_archive
from debias_pt.errors import UsageError
from debias_pt.utils.registry import lookup


def fetch(name: str, root: Path, *, url: str | None = None) -> dict[str, Any]:
    """Fetch a data set unless it is already there.

    Raises
    ------
    UsageError
        If it is unknown, built in, or cannot be downloaded automatically.
    FetchError
        If it cannot be downloaded, or the download is not the data set.
    """
    card = lookup(DATASETS, name, "data set").card
    if card.synthetic:
        raise UsageError(f"{name}: is built in, nothing to fetch; debias-pt train {name} draws it on first use")
    if card.archive is None:
        raise UsageError(f"{name}: cannot be downloaded automatically; get it by hand: {card.terms}")
    fetched = fetch_archive(card.archive, root, lambda parent: load_dataset(name, parent), terms=card.terms, url=url)
    return {"dataset": name, "synthetic": False, "terms": card.terms, **asdict(fetched)}
