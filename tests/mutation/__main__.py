"""``python -m tests.mutation``: do the tests notice small mistakes? Figures in docs/mutation.md."""

from __future__ import annotations

import argparse
import ast
import json
import time
from pathlib import Path

from tests.mutation import forked
from tests.mutation.mutants import Mutant, mutants, sample
from tests.mutation.rooms import ROOMS
from tests.mutation.slips import SLIPS, Slip
from tests.mutation.swap import outline


def main() -> int:
    """Run the slips, or a seeded sample of the mutants of some rooms."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"slips, or any of {', '.join(ROOMS)}; default all")
    parser.add_argument("--sample", type=int, default=60, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of computing for one mutant")
    parser.add_argument("--only", default="", help="only slips or files whose name contains this")
    parser.add_argument("--out", type=Path, help="survivors and figures as JSON")
    given = parser.parse_args()
    forked.import_heavy()
    survivors: list[str] = []
    figures = {}
    for room in given.rooms or ["slips", *ROOMS]:
        if room == "slips":
            tried, left = run_slips([slip for slip in SLIPS if given.only in slip.name], given.limit)
        else:
            tried, left = run_room(room, given)
        survivors += left
        figures[room] = {"mutants": tried, "killed": tried - len(left)}
        print(f"{room}: {tried - len(left)} of {tried} killed", flush=True)
    if given.out:
        given.out.write_text(json.dumps({"figures": figures, "survivors": survivors}, indent=2), encoding="utf-8")
    return 1 if "slips" in figures and figures["slips"]["killed"] < figures["slips"]["mutants"] else 0


def run_slips(slips: list[Slip], limit_s: float) -> tuple[int, list[str]]:
    """Make every slip by hand, one at a time; return how many, and those that no test notices."""
    left = []
    codes = [slip.code() for slip in slips]  # an error before any work, if a right line is gone
    every = sorted({test for slip in slips for test in slip.tests})
    if forked.run({}, every, 5 * limit_s)[0] != forked.SURVIVED:
        raise RuntimeError(f"the tests do not pass as they are; see {forked.LOG}")
    for slip, code in zip(slips, codes, strict=True):
        fate, seconds = forked.run({slip.path: code}, slip.tests, limit_s)
        print(f"{fate:9} {seconds:5.1f} s  {slip.name}", flush=True)
        left += [slip.name] if fate != forked.KILLED else []
    return len(slips), left


def run_room(room: str, given: argparse.Namespace) -> tuple[int, list[str]]:
    """Try a sample of a room's mutants on the tests that run the changed line, the quickest first."""
    files, tests = ROOMS[room]
    paths = [path for pattern in files for path in sorted(Path().glob(pattern)) if given.only in str(path)]
    every = [mutant for path in paths for mutant in mutants(path)]
    chosen = sample(every, given.sample, given.seed)
    lines, seconds = forked.trace(paths, tests)
    forked.warm(tests)
    print(f"{room}: {len(chosen)} of {len(every)} mutants, {len(seconds)} tests", flush=True)
    left = []
    for mutant in sorted(chosen, key=str):
        fate, took = _try(mutant, lines, seconds, tests, given.limit)
        if fate != forked.KILLED:  # late counts as not noticed
            left.append(str(mutant))
            print(f"{fate:9} {took:5.1f} s  {mutant}", flush=True)
    return len(chosen), left


def _try(
    mutant: Mutant, lines: forked.Lines, seconds: dict[str, float], tests: list[str], limit_s: float
) -> tuple[str, float]:
    covering = set().union(*(lines.get((str(mutant.path), line), set()) for line in mutant.lines)) - {""}
    changed = compile(mutant.tree, str(mutant.path), "exec")
    whole = compile(ast.parse(mutant.path.read_text(encoding="utf-8")), str(mutant.path), "exec")
    at_import = outline(whole) != outline(changed)
    chosen = sorted(covering, key=lambda name: seconds.get(name, 0.0)) if covering and not at_import else tests
    if not covering and not at_import:
        return forked.SURVIVED, 0.0  # nothing runs it
    start = time.perf_counter()
    fate, took = forked.run({mutant.path: changed}, chosen, limit_s)
    return fate, max(took, time.perf_counter() - start)


if __name__ == "__main__":
    raise SystemExit(main())
