"""Rows that can share a fit are fitted as one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from debias_pt.settings import FitSettings
from debias_pt.training.callbacks import Progress
from debias_pt.training.run_group import SHARED_SETTINGS
from debias_pt.training.stacking import OF_HEAD
from debias_pt.utils.fingerprint import digest
from debias_pt.utils.progress import progress

from ..shared.results_store import ResultStore
from .case import Case, Fit, Fitted, key
from .rivals.loop import Loop, fit_loops

Job = tuple[Case, Loop]

# More runs at once cost memory and gain nothing.
MOST_RUNS = 64


@dataclass(frozen=True)
class Timed:
    """What a row learned, and its runs' share of the time.

    Parameters
    ----------
    fitted : Fitted
        What it learned.
    seconds : float
        Wall time; of rows fitted together, the whole shared out evenly over the runs.
    runs_together : int
        Runs that were fitted at once.
    """

    fitted: Fitted
    seconds: float
    runs_together: int


def timed(case: Case, fit: Fit) -> Timed:
    """Fit one row by itself."""
    start = time.perf_counter()
    fitted = fit(case)
    return Timed(fitted, time.perf_counter() - start, len(fitted.seeds))


def fit_missing(wanted: Iterable[tuple[Case, Fit]], store: ResultStore, engine: str | None = None) -> dict[str, Timed]:
    """Fit all of the training loop's rows that the store does not hold, by the digest of their key.

    With an `engine` (``ray``, ``ray:ADDRESS``) each stack of rows is a task of the cluster.
    """
    keyed = [(key(case, fit), (case, fit)) for case, fit in wanted if isinstance(fit, Loop)]
    missing = {digest(depends_on): job for depends_on, job in keyed if not store.holds(depends_on)}
    lots = list(stacks(missing))
    jobs = [[missing[name] for name in names] for names in lots]
    found: dict[str, Timed] = {}
    for number, fitted in _fitted(jobs, engine):
        found |= zip(lots[number], fitted, strict=True)
    return found


def _fitted(jobs: Sequence[list[Job]], engine: str | None) -> Iterator[tuple[int, list[Timed]]]:
    if engine is None:
        return enumerate(map(fit_stack, jobs))
    from debias_pt.cluster.tasks import remote_calls

    on_gpu = bool(jobs) and jobs[0][0][0].prepared.backbone.device.type == "cuda"
    return remote_calls(engine, fit_stack, [(lot,) for lot in jobs], gpu=on_gpu)


def stacks(jobs: dict[str, Job]) -> Iterator[list[str]]:
    """Yield the names of jobs that can be fitted as one, at most `MOST_RUNS` runs at once."""
    alike: dict[tuple[object, ...], list[str]] = {}
    for name, (case, loop) in jobs.items():
        options = case.options(**loop.options)
        alike.setdefault(shared(options), []).append(name)
        if len(alike[shared(options)]) * options.seeds > MOST_RUNS - options.seeds:
            yield alike.pop(shared(options))
    yield from alike.values()


def shared(options: FitSettings) -> tuple[object, ...]:
    """Return what runs of one fit have in common."""
    return tuple(getattr(options, name) for name in (*SHARED_SETTINGS, *OF_HEAD))


def fit_stack(jobs: Sequence[Job]) -> list[Timed]:
    """Fit several rows as one."""
    start = time.perf_counter()
    with progress(f"fitting {len(jobs)} rows at once", jobs[0][0].settings.steps, "steps") as advance:
        fitted = fit_loops(jobs, [Progress(advance)])
    runs = sum(len(one.seeds) for one in fitted)
    per_run = (time.perf_counter() - start) / runs
    return [Timed(one, per_run * len(one.seeds), runs) for one in fitted]
