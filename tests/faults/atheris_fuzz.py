"""``python -m tests.faults.atheris_fuzz [PARSER ...] [--seconds 60]``: every parser of ours under Atheris.

Needs ``pip install atheris``. Inputs start from the seeds; one that breaks a parser is kept in ``tests/faults/seeds``,
which plain ``pytest`` reads from then on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"


def fuzz(name: str, seconds: float) -> None:
    """Fuzz one parser in this process; does not return."""
    import atheris

    with atheris.instrument_imports(include=["debias_pt"]):
        from tests.faults.parsers import parse, seeds
    warnings.simplefilter("ignore")
    kept = SEEDS / name
    with tempfile.TemporaryDirectory() as corpus:
        Path(corpus, "seed").write_bytes(seeds()[name])
        for file in kept.glob("*"):
            Path(corpus, file.name).write_bytes(file.read_bytes())
        kept.mkdir(parents=True, exist_ok=True)
        options = [f"-max_total_time={seconds:g}", f"-artifact_prefix={kept}/", "-max_len=4096", "-verbosity=0"]
        atheris.Setup([sys.argv[0], corpus, *options, "-print_final_stats=1"], lambda data: parse(name, bytes(data)))
        atheris.Fuzz()


def main() -> int:
    """Fuzz the named parsers one after another; return 1 if one broke."""
    from tests.faults.parsers import PARSERS

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("parsers", nargs="*", default=sorted(PARSERS))
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.here:
        fuzz(given.parsers[0], given.seconds)
    broken = []
    for name in given.parsers:
        command = [sys.executable, "-m", "tests.faults.atheris_fuzz", name, "--here", "--seconds", str(given.seconds)]
        done = subprocess.run(command, capture_output=True, text=True)
        runs = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        print(f"{name}: {runs[0] if runs else '?'} inputs, {'broken' if done.returncode else 'none broke it'}")
        if done.returncode:
            broken.append(name)
            print(done.stderr[-2000:])
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
