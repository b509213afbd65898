"""Write the results page and its pictures: ``python -m studies.group_robustness_page DIR``.

Everything in it comes from the suite; results computed earlier come from the cache folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from debias_pt.benchmarks.group_robustness import row_tables
from debias_pt.benchmarks.group_robustness.ablations import ABLATIONS, ablation
from debias_pt.benchmarks.group_robustness.plot import plot_ablation, plot_rows
from debias_pt.benchmarks.group_robustness.suite import group_robustness
from debias_pt.settings import TrainSettings
from debias_pt.utils.files import make_folder, write_bytes

MINIATURES = "waterbirds-mini,celeba-mini,metashift-mini"
HEAD = """# Results of the group-robustness suite

This page is written by

    {command}

`DATA` holds the real Waterbirds, `MODEL` is the checkpoint; every figure is one that
`debias-pt bench group-robustness NAME --seeds {seeds} --markdown` prints, with `--ablation` for
the ablations.
[methods/](methods/README.md) describes each row.

The checkpoint `litmini` (EfficientNet-Lite0 with ImageNet weights, 19 M parameters) is a **weak stand-in for CLIP**:
these figures cannot be compared with published ones. The Waterbirds images used here are copies with a shorter side of
160 pixels. On the full-size originals, with `--select pseudo-confidence`, the worst group was 66.4 for zero-shot, 53.5
for `erm`, 73.6 for Orth-Cal, 68.3 for `dpt`, 80.1 for `dpt-mixture` and 81.5 for `dpt` with true groups: the same
order as here, but `dpt` is worth 15 points over `erm` there, and 2 over zero-shot. The miniatures are **synthetic**,
and nothing found on them is a finding about photographs. [findings.md](findings.md) says what the tables mean and
where the method fails. All rows have the same budget (200 full-batch steps) and keep the last step. The column
"{oracle}"
keeps the step that validation annotations prefer, the literature's protocol, from the same fit. Steps are never
chosen by the test split; what was is in the [log of looks](methods/anchored-looks.md). Rows without ± have no seed:
nothing in them is random. Seconds were measured on two CPU cores shared with other work."""


def write_page(folder: Path, options: dict[str, Any], names: list[str], miniatures: list[str], command: str) -> Path:
    """Write ``results.md`` and its pictures into a folder.

    Parameters
    ----------
    folder : Path
        Where they are written; pictures in ``results``.
    options : dict
        Settings of the real data set: where data and model are, seeds.
    names : list of str
        Ablations to show.
    miniatures : list of str
        Synthetic data sets to show, the first with all ablations.
    command : str
        The command that made the page, to be written in it.
    """
    pictures = make_folder(folder / "results")
    real = TrainSettings(**options)
    parts = [HEAD.format(command=command, seeds=real.seeds, oracle=row_tables.ORACLE)]
    parts += ["## Waterbirds", *_rows(group_robustness(real), pictures / "waterbirds.png")]
    parts += _ablations(real, "Waterbirds", names, pictures)
    for dataset in miniatures:
        settings = TrainSettings(dataset=dataset, seeds=real.seeds, cache_dir=real.cache_dir)
        parts += [f"## {dataset} (synthetic)", *_rows(group_robustness(settings), None)]
        if dataset == miniatures[0]:
            parts += _ablations(settings, f"{dataset} (synthetic)", list(ABLATIONS), pictures)
    write_bytes(folder / "results.md", ("\n\n".join(parts) + "\n").encode())
    return folder / "results.md"


def _rows(result: dict[str, Any], picture: Path | None) -> list[str]:
    """Return a data set's tables, and its picture."""
    shown = []
    if picture is not None:
        plot_rows(result, picture)
        shown = [f"![Worst-group accuracy of every row]({picture.parent.name}/{picture.name})"]
    return [f"Model `{result['model']}`, {result['split']} split.", *shown, row_tables.markdown(result)]


def _ablations(settings: TrainSettings, shown_as: str, names: list[str], pictures: Path) -> list[str]:
    """Return the tables of ablations, with a picture where values are ordered."""
    parts = []
    for name in names:
        result = ablation(settings, name)
        parts.append(f"## {shown_as}, DPT: {name}")
        if result["ordered"]:
            picture = pictures / f"{settings.dataset}-{name}.png"
            plot_ablation(result, picture)
            parts.append(f"![Worst-group accuracy by {result['varied']}]({pictures.name}/{picture.name})")
        parts.append(row_tables.ablation_markdown(result))
    return parts


def main(
    folder: Path,
    data_root: Annotated[str, typer.Option(help="Folder that holds waterbirds_v1.0.")],
    pretrained: Annotated[str, typer.Option(help="The checkpoint, as for debias-pt train.")],
    seeds: int = 5,
    ablations: Annotated[str, typer.Option(help="Of Waterbirds, joined by commas.")] = ",".join(ABLATIONS),
    miniatures: Annotated[str, typer.Option(help="Joined by commas.")] = MINIATURES,
) -> None:
    """Write the results page."""
    options = {"dataset": "waterbirds", "data_root": data_root, "pretrained": pretrained, "seeds": seeds}
    words = ["python -m studies.group_robustness_page docs"]
    words += ['--data-root "$DATA" --pretrained "$MODEL"']
    words += [f"--ablations {ablations}"] if ablations != ",".join(ABLATIONS) else []
    words += [f"--miniatures {miniatures}"] if miniatures != MINIATURES else []
    words += [f"--seeds {seeds}"] if seeds != 5 else []
    names = [[name for name in text.split(",") if name] for text in (ablations, miniatures)]
    print(write_page(folder, options, names[0], names[1], " ".join(words)), file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
