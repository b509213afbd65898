"""``debias-pt eval``, ``report`` and ``compare``: finished runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .format import say
from .options import Json, split_names

Split = Annotated[str, typer.Option(help="train, val or test.", autocompletion=split_names)]
Dataset = Annotated[str | None, typer.Option(help="Where your own folder or table is now, if it has moved.")]
DataRoot = Annotated[str | None, typer.Option(help="Where the data is now, if it has moved.")]
Model = Annotated[str | None, typer.Option(help="Where the model is now, if it has moved.")]
Pretrained = Annotated[str | None, typer.Option(help="Where the weights are now, if they have moved.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default the run's.")]
CacheDir = Annotated[str | None, typer.Option(help="Feature cache; default the run's.")]


def evaluate(
    run: Annotated[str | None, typer.Argument(help="Run folder; default the newest under ./runs.")] = None,
    worst_group: Annotated[
        bool, typer.Option("--worst-group", help="Kept for scripts: groups are always shown.")
    ] = False,
    split: Split = "test",
    csv: Annotated[str | None, typer.Option("--csv", help="Write one row per image of the split to this file.")] = None,
    dataset: Dataset = None,
    data_root: DataRoot = None,
    model: Model = None,
    pretrained: Pretrained = None,
    device: Device = None,
    cache_dir: CacheDir = None,
    as_json: Json = False,
) -> None:
    """Evaluate a finished run on a split."""
    from debias_pt.workflows.evaluate import evaluate as job

    from .format import print_json
    from .output import print_report

    where = {"dataset": dataset, "data_root": data_root, "cache_dir": cache_dir}
    result = job(run, split=split, csv_path=csv, model=model, pretrained=pretrained, device=device, **where)
    if as_json:
        print_json(result)
        return
    print_report(result)
    if csv:
        say(f"written: {csv}")


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN", help="Run folders, the first being what the page is about; default the newest run."
        ),
    ] = None,
    out: Annotated[str | None, typer.Option(help="The page; default report.html in the first run's folder.")] = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Show sample images; some may not be passed on.")
    ] = True,
    split: Split = "test",
    dataset: Dataset = None,
    data_root: DataRoot = None,
    model: Model = None,
    pretrained: Pretrained = None,
    device: Device = None,
    cache_dir: CacheDir = None,
    as_json: Json = False,
) -> None:
    """Write finished runs as one HTML page, for a colleague who has to decide."""
    from debias_pt.reports.build import write_report

    from .format import print_json

    moved = {"dataset": dataset, "data_root": data_root, "model": model, "pretrained": pretrained}
    result = write_report(runs or (), out=out, images=images, split=split, device=device, cache_dir=cache_dir, **moved)
    if as_json:
        print_json(result)
        return
    say(result["verdict"])
    say(f"written: {result['out']} ({result['bytes'] / 1000:.0f} kB)")


def compare(
    run: Annotated[str, typer.Argument(help="Run folder.", show_default=False)],
    other: Annotated[str, typer.Argument(help="Run folder to compare it with.", show_default=False)],
    split: Split = "test",
    dataset: Dataset = None,
    data_root: DataRoot = None,
    model: Model = None,
    pretrained: Pretrained = None,
    device: Device = None,
    cache_dir: CacheDir = None,
    as_json: Json = False,
) -> None:
    """Compare two finished runs group by group: the second less the first, on the same images and seeds."""
    from debias_pt.reports.compare import compare_runs

    from .format import print_json

    moved = {"dataset": dataset, "data_root": data_root, "model": model, "pretrained": pretrained}
    result = compare_runs(run, other, split=split, device=device, cache_dir=cache_dir, **moved)
    print_json(result) if as_json else _print(result)


def _print(result: dict[str, Any]) -> None:
    from debias_pt.groups.worst_groups import left_out_text, worst_places
    from debias_pt.utils.words import counted, percent

    from .format import data_name, points, print_table
    from .tables import group_text

    first, second = result["runs"]
    figures = [("worst group", "worst_group_accuracy"), ("average", "average_accuracy")]
    named = [(name, "", result[field]) for name, field in figures]
    changes = [group["difference"] for group in result["groups"]]
    of_many = [result["groups"][place] for place in worst_places(changes)]
    named += [(group_text(group), str(group["n"]), group) for group in of_many]
    rows = [[name, n, *map(percent, one["accuracy"]), *points(one["difference"], one["ci"])] for name, n, one in named]
    names = [f"{one['name']}{' (oracle)' if one['oracle'] else ''}, %" for one in (first, second)]
    kind = {"pseudo": "pseudo group", "true": "annotated group"}.get(result["groups_from"], "class")
    header = [kind, "n", *names, "difference, points", result["interval"]]
    print_table(header, rows, title=f"{data_name(result)}, {result['split']} split")
    if len(of_many) < len(changes):
        say(left_out_text(changes, what="most harmed"))
    seeds, images = result["seeds"], result["images"]
    if any(len(run["seeds"]) != len(seeds) for run in (first, second)):
        say(f"compared: seed {', '.join(map(str, seeds))}, which both have")
    say(
        f"{counted(images['only_other'], 'image')} only {second['name']} has right, {images['only_first']} only "
        f"{first['name']}; {images['both_right']} both, {images['both_wrong']} none"
    )
    say(f"{first['name']}: {first['run']}\n{second['name']}: {second['run']}")
