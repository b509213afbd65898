"""Write docs/models.md: ``python -m studies.model_coverage.page docs/models.md``, some ten minutes.

Every architecture and every pair of model and weights that open_clip names is built small, with random weights, and
checked. The exit code is 1 if one fails, and the page says which.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import open_clip

from debias_pt.benchmarks.shared.tables import markdown_table
from debias_pt.utils.files import write_text
from debias_pt.utils.progress import progress

from .architectures import Finding, check
from .stand_ins import build, small_config, stand_in
from .weights import Loaded, load_pairs

BEGIN = "<!-- measured -->"


def examine(names: Sequence[str], folder: Path, rounds: int = 3) -> tuple[list[Finding], list[Loaded]]:
    """Check architectures, and the weights that are loaded into them.

    Parameters
    ----------
    names : sequence of str
        Of ``open_clip.list_models()``.
    folder : Path
        For small tokenizers and weights.
    rounds : int
        How often passes are timed.
    """
    findings, pairs = [], []
    with progress("checking", len(names), "architectures") as advance:
        for name in names:
            config = small_config(name, folder)
            pairs += load_pairs(name, config, build(config), folder)
            findings.append(check(stand_in(name, folder), config, rounds=rounds))
            advance(1)
    return findings, pairs


def tables(findings: Sequence[Finding], pairs: Sequence[Loaded]) -> str:
    """Return what was found as Markdown."""
    architectures = [
        [
            one.name,
            one.tower,
            one.text_pass,
            f"{one.speed:.1f}",
            f"{one.value:.0e}",
            f"{one.gradient:.0e}" if one.gradient else "same",
            "yes" if one.holds else "**no**",
        ]
        for one in findings
    ]
    weights = [
        [
            one.model,
            one.tag,
            one.loads if one.loads != one.model else "itself",
            one.gelu,
            one.preprocessing,
            "needed" if one.transformers else "",
            "yes" if one.holds else "**no**",
        ]
        for one in sorted(pairs, key=lambda one: open_clip.list_pretrained().index((one.model, one.tag)))
    ]
    header = ["architecture", "text tower", "pass", "times as fast", "value", "gradient", "holds"]
    twins = sum(one.loads != one.model for one in pairs)
    return f"""## Architectures: {sum(one.holds for one in findings)} of {len(findings)}

{markdown_table(header, architectures, 3)}

## Weights: {sum(one.holds for one in pairs)} of {len(pairs)}

{twins} pairs load into the twin with the other GELU.

{
        markdown_table(
            ["model", "weights", "loads", "GELU", "mean, interpolation, resize", "transformers", "holds"], weights, 7
        )
    }
"""


def main() -> None:
    """Write the measured part of the page; what stands above it stays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--models", nargs="*", default=open_clip.list_models(), help="default: all")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        findings, pairs = examine(options.models, Path(folder))
    above = options.page.read_text(encoding="utf-8").partition(BEGIN)[0] if options.page.exists() else ""
    write_text(options.page, f"{above}{BEGIN}\n\n{tables(findings, pairs)}")
    sys.exit(not (all(one.holds for one in findings) and all(one.holds for one in pairs)))


if __name__ == "__main__":
    main()
