"""``debias-pt report``: finished runs as one HTML file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from debias_pt.pages.blocks import Page
from debias_pt.pages.text import named
from debias_pt.pages.write import require_page, write_page
from debias_pt.reports.confidence import confidence_section
from debias_pt.reports.curves import training_section
from debias_pt.reports.differences import require_same_images
from debias_pt.reports.evidence import RunEvidence, collect
from debias_pt.reports.limits import limits_section
from debias_pt.reports.methods import methods_section
from debias_pt.reports.probe_section import probe_section, words_section
from debias_pt.reports.reproduce import reproduce_section
from debias_pt.reports.samples import samples
from debias_pt.reports.verdict import by_group, headline, lead, verdict
from debias_pt.utils.versions import versions
from debias_pt.workflows.run_folder import RunFolder, find_run

NAME = "report.html"


def write_report(
    paths: Sequence[str] = (), *, out: str | None = None, images: bool = True, split: str = "test", **moved: Any
) -> dict[str, Any]:
    """Write a page on a run, and the others beside it.

    Parameters
    ----------
    paths : sequence of str
        Run folders, the first being what the page is about; default the newest finished run under ``./runs``.
    out : str, optional
        The file; default ``report.html`` in the first run's folder.
    images : bool
        Show sample images.
    split : str
        ``"train"``, ``"val"`` or ``"test"``.
    **moved
        Where data and model are now, if they have moved; see :func:`debias_pt.workflows.evaluate.evaluate`.

    Returns
    -------
    dict
        ``out``, ``bytes``, ``runs``, ``split`` and the ``verdict``.

    Raises
    ------
    DebiasError
        If a run is not finished, or the runs are not of the same images; names the difference.
    """
    runs = [find_run(path) for path in paths] or [find_run(None)]
    file = Path(out) if out else runs[0].path / NAME
    require_page(file, "--out")
    evidence = collect_all(runs, split, **moved)
    write_page(file, page(evidence, images=images))
    names = [str(run.path) for run in runs]
    facts = {"runs": names, "split": split, "verdict": verdict(evidence[0])}
    return {"out": str(file), "bytes": file.stat().st_size, **facts}


def collect_all(runs: Sequence[RunFolder], split: str, **moved: Any) -> list[RunEvidence]:
    """Evaluate runs, refusing those of other images before the next one is evaluated."""
    found: list[RunEvidence] = []
    for run in runs:
        found.append(collect(run, split, **moved))
        require_same_images(found[0], found[-1])
    return found


def page(evidence: Sequence[RunEvidence], *, images: bool = True) -> Page:
    """Return a page on the first run, with the others in a table."""
    first = evidence[0]
    result = first.result
    kind = " (synthetic)" if result["synthetic"] else ""
    seeds = f"{len(result['seeds'])} seeds" if len(result["seeds"]) > 1 else f"seed {result['seeds'][0]}"
    oracle = " (oracle)" if result["oracle"] else ""
    about = (
        f"{named(result['dataset'])}{kind}, {result['split']} split. Method {result['method']}{oracle}, model "
        f"{named(result['model'])}, {seeds}"
    )
    sections = [
        by_group(first),
        samples(first) if images else None,
        probe_section(first),
        training_section(first),
        confidence_section(first),
        methods_section(evidence),
        words_section(first),
        reproduce_section(first),
        limits_section(first),
    ]
    day = time.strftime("%Y-%m-%d", time.gmtime(first.run.result["finished"]))
    footer = f"Made by debias-pt {versions()['debias-pt']} from the run {named(first.run.path.name)}, finished {day}."
    return Page(about, headline(first), lead(first), [section for section in sections if section], footer)
