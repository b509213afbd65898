"""Write the page of results and its pictures: ``python -m studies.noisy_labels_page DIR``.

Everything in it comes from the suite; results computed earlier come from the cache folder.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from debias_pt.benchmarks.noisy_labels import experiment_tables
from debias_pt.benchmarks.noisy_labels.plot import plot_all
from debias_pt.benchmarks.noisy_labels.settings import NoisySettings
from debias_pt.benchmarks.noisy_labels.suite import noisy_labels
from debias_pt.benchmarks.shared.tables import markdown_table
from debias_pt.utils.files import make_folder, write_bytes

HEAD = """# Results of the noisy-label suite

This page is written by

    {command}

`DATA` holds the real data sets, `MODEL` is the checkpoint; every figure is one that
`debias-pt bench noisy-labels NAME --seeds {seeds} --markdown` prints; `--experiment` chooses among them.
The experiments are those of PTNL (arXiv 2307.11978) and of its successors;
[methods/](methods/README.md) has pages on the noise, the losses and the ways of adapting.

The checkpoint `litmini` (EfficientNet-Lite0 with ImageNet weights, 19 M parameters) is a **weak stand-in for CLIP**:
its image features are good, its text tower knows little beyond ImageNet's words. These figures cannot be compared
with published ones, and a finding that fails here may well hold for CLIP.

## How it is done

- A seed draws its own images, wrong labels and first context; all ways of adapting get the same ones.
  Differences are therefore taken within seeds. What was drawn is saved with the result (`--samples FILE`, `--json`).
- Symmetric, asymmetric and confusion noise flip exactly int(r n) of n labels; PTNL's replacement noise replaces
  int(r K) of every class's K images by images of other classes, drawn by another rule than its released code's
  (`--replacement ptnl`). Few shots are not CoOp's own (`--draw coop`). All rates are the realised ones.
- Nothing is tuned on the test split. The last step is kept. Every head has the same budget and learning rate, except
  that the text tower learns at 3e-4. No clean label is seen in training; only the linear probe "C by validation" sees
  some, 4 per class of the validation split, as CoOp's baseline does.
- A verdict says where the 95 % interval of the paired difference over seeds lies: above 0 (shown), below 0
  (contradicted), or on both sides (open).
- An ensemble averages the logits of all seeds. Where seeds draw different images, it has seen more images than its
  members.
- `--protocol fast`, used here, takes 100 full-batch steps of AdamW without augmentation. `--protocol ptnl` takes the
  released code's 50 epochs of SGD (0.002, momentum 0.9, weight decay 5e-4) in batches of 32. What still differs: the
  warm-up epoch is linear instead of a constant 1e-5, and random crops are drawn once and encoded (`--views V`) instead
  of anew in every epoch; an epoch's images are then drawn among all their crops.
- Cost with cached features: 19 minutes of processor time for all of Caltech101 (two calls, `curves` first) with
  `OMP_NUM_THREADS=1`; with `--quick` 76 s on two cores. If other work shares the cores, use one thread."""


def write_page(folder: Path, real: NoisySettings, grouped: list[str], command: str, more_seeds: int = 0) -> Path:
    """Write ``noisy-labels.md`` and its pictures into a folder.

    Parameters
    ----------
    folder : Path
        Where they are written; pictures in ``noisy-labels``.
    real : NoisySettings
        Of the data set with many classes.
    grouped : list of str
        Data sets with suspected attributes, for the experiment on groups.
    command : str
        The command that made the page, to be written in it.
    more_seeds : int
        Seeds of the unsupervised experiment when it is shown a second time, with a narrower interval; 0 for not.
    """
    pictures = make_folder(folder / "noisy-labels")
    parts = [HEAD.format(command=command, seeds=real.seeds)]
    parts += _section(noisy_labels(real), pictures)
    if more_seeds:
        again = noisy_labels(dataclasses.replace(real, seeds=more_seeds), ["unsupervised"])
        parts += _section(again, pictures, f", without any label, {more_seeds} seeds")
    for dataset in grouped:
        own = NoisySettings(
            dataset=dataset,
            data_root=real.data_root,
            pretrained=real.pretrained,
            seeds=real.seeds,
            cache_dir=real.cache_dir,
        )
        parts += _section(noisy_labels(own, ["groups"]), pictures)
    write_bytes(folder / "noisy-labels.md", ("\n\n".join(part for part in parts if part) + "\n").encode())
    return folder / "noisy-labels.md"


def _section(result: dict[str, Any], pictures: Path, more: str = "") -> list[str]:
    """Return a data set's findings, then every experiment with its picture."""
    name = f"{result['dataset']} (synthetic)" if result["synthetic"] else result["dataset"]
    drawn = plot_all(result, pictures / f"{result['dataset']}{'-more-seeds' if more else ''}")
    parts = [f"## {name}{more}", experiment_tables.setting_line(result)]
    if len(result["experiments"]) > 2:
        parts += ["### All findings", markdown_table(*experiment_tables.findings_table(result["findings"]))]
    for one, picture in zip(result["experiments"], drawn, strict=True):
        image = f"![{one['title']}]({picture.relative_to(pictures.parent)})"
        parts += [f"### {one['title']} (`{one['experiment']}`)", experiment_tables.markdown(result, one), image]
    if result["published"] and not more:
        parts += [
            "### Published, not measured here",
            markdown_table(*experiment_tables.published_table(result), left=3),
        ]
    return [*parts, *experiment_tables.left_out_lines(result)]


def main(
    folder: Path,
    data_root: Annotated[str, typer.Option(help="Folder that holds the data sets.")],
    pretrained: Annotated[str, typer.Option(help="The checkpoint, as for debias-pt train.")],
    dataset: Annotated[str, typer.Option(help="The data set with many classes.")] = "caltech101",
    seeds: int = 3,
    groups: Annotated[str, typer.Option(help="Data sets with suspected attributes, joined by commas.")] = "waterbirds",
    more_seeds: Annotated[int, typer.Option(help="Of the unsupervised experiment, shown again.")] = 10,
) -> None:
    """Write the page of results."""
    real = NoisySettings(dataset=dataset, data_root=data_root, pretrained=pretrained, seeds=seeds)
    words = ["python -m studies.noisy_labels_page docs"]
    words += ['--data-root "$DATA" --pretrained "$MODEL"']
    words += [f"--dataset {dataset}"] if dataset != "caltech101" else []
    words += [f"--seeds {seeds}"] if seeds != 3 else []
    words += [f"--groups {groups}"] if groups != "waterbirds" else []
    words += [f"--more-seeds {more_seeds}"] if more_seeds != 10 else []
    names = [name for name in groups.split(",") if name]
    print(write_page(folder, real, names, " ".join(words), more_seeds), file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
