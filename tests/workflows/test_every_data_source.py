"""Promises: each benchmark and each form of one's own data goes from files on disk to a table by group through the
command line; own data that has moved is found again; images that cannot be read are refused, or left out and listed."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias_pt.cli.main import main
from debias_pt.datasets import load_dataset
from debias_pt.datasets.synthetic import layouts
from debias_pt.datasets.synthetic.worlds import WORLDS
from debias_pt.errors import DebiasWarning, ImageError
from debias_pt.features.encoding import encode_with_stats
from debias_pt.models.backbone import Backbone
from debias_pt.settings import SourceSettings, resolve
from debias_pt.workflows.run_folder import RunFolder
from debias_pt.workflows.verify import verify
from tests.helpers.tiny_data import draw_bird

SIZES = {"train": (12, 11, 10, 10), "val": (4, 4, 4, 4), "test": (5, 4, 5, 4)}
pytestmark = pytest.mark.filterwarnings("ignore:.*pseudo groups? :debias_pt.errors.DebiasWarning")

Command = Callable[..., dict[str, Any]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line in this process: ``text`` and ``errors`` as printed, and the result where it is JSON."""

    def run(*words: object, code: int = 0) -> dict[str, Any]:
        with pytest.raises(SystemExit) as stop:
            main(list(map(str, words)))
        out, errors = capsys.readouterr()
        assert stop.value.code == code, errors
        return {**(json.loads(out) if out.startswith("{") else {}), "text": out, "errors": errors}

    return run


@pytest.fixture
def train(command: Command, tiny_checkpoint: Path, cache_dir: Path) -> Command:
    """Train; the result is that of the run."""

    def run(dataset: object, *words: object, code: int = 0) -> dict[str, Any]:
        model = ["--pretrained", f"local-dir:{tiny_checkpoint}", "--cache-dir", cache_dir, "--workers", 0, "--steps", 3]
        said = command("train", dataset, *model, *words, code=code)
        if code:
            return said
        result = RunFolder(Path(said["text"].splitlines()[-1].removeprefix("run: "))).result
        return {**result, **said}

    return run


def birds(folder: Path) -> list[dict[str, str]]:
    """Write images, and return what is known of each."""
    rng = np.random.default_rng(0)
    rows = []
    for split, sizes in SIZES.items():
        for group, size in enumerate(sizes):
            y, a = divmod(group, 2)
            for i in range(size):
                row = {"split": split, "label": ("landbird", "waterbird")[y], "place": ("land", "water")[a]}
                row["path"] = f"{split}/{row['label']}/{row['place']}{i}.png"
                (folder / row["path"]).parent.mkdir(parents=True, exist_ok=True)
                draw_bird(rng, y, a).save(folder / row["path"])
                rows.append(row)
    return rows


def in_order(groups: list[dict[str, Any]]) -> list[int]:
    return [group["n"] for group in groups]


# Benchmarks


@pytest.mark.parametrize(
    ("name", "write"),
    [("waterbirds", layouts.waterbirds), ("celeba", layouts.celeba), ("metashift", layouts.metashift)],
)
def test_a_benchmark_from_files_to_the_table(
    name: str, write: layouts.Layout, tmp_path: Path, train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(WORLDS, f"{name}-mini", dataclasses.replace(WORLDS[f"{name}-mini"], sizes=SIZES))
    write(tmp_path / "data", 0)
    result = train(name, "--no-check-counts")
    assert result["dataset"] == name
    assert result["synthetic"] is True  # whatever name it goes by
    assert in_order(result["groups"]) == list(SIZES["test"])
    attribute = result["probe"]["attributes"][0]
    assert [group["attribute"] for group in result["groups"]] == list(attribute["values"]) * 2
    for group in result["groups"]:
        assert f"{group['label']}, {group['attribute']}" in result["text"]


# One's own data


def as_tree(root: Path) -> tuple[Path, list[str]]:
    birds(root / "tree")
    return root / "tree", ["--attribute", "background=land:water"]


def as_table(ending: str) -> Callable[[Path], tuple[Path, list[str]]]:
    def write(root: Path) -> tuple[Path, list[str]]:
        rows = birds(root)
        path = root / f"birds.{ending}"
        if ending == "csv":
            with open(path, "w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        elif ending == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            import pyarrow
            from pyarrow import parquet

            parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path, ["--attribute-column", "place"]

    return write


def as_imagefolder(root: Path) -> tuple[Path, list[str]]:
    rows = birds(root / "hub")
    for split in SIZES:
        with open(root / "hub" / split / "metadata.jsonl", "w") as file:
            for row in rows:
                if row["split"] == split:
                    name = row["path"].removeprefix(f"{split}/")
                    file.write(json.dumps({"file_name": name, "kind": row["label"], "place": row["place"]}) + "\n")
    return root / "hub", ["--label-column", "kind", "--attribute-column", "place"]


FORMS = {
    "tree": as_tree,
    "csv": as_table("csv"),
    "jsonl": as_table("jsonl"),
    "parquet": as_table("parquet"),
    "imagefolder": as_imagefolder,
}


@pytest.mark.parametrize("form", FORMS)
def test_own_data_from_files_to_the_table(
    form: str, tmp_path: Path, train: Command, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path, words = FORMS[form](tmp_path)
    result = train(path.relative_to(tmp_path), *words)
    assert result["synthetic"] is False
    assert result["groups_from"] == ("pseudo" if form == "tree" else "true")
    assert sum(in_order(result["groups"])) == sum(SIZES["test"])
    if form != "tree":
        assert in_order(result["groups"]) == list(SIZES["test"])
        assert result["probe"]["accuracy"] > 0
        assert list(result["probe"]["attributes"][0]["values"]) == ["land", "water"]
    assert "waterbird, land" in result["text"]
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for thing in (path, *(tmp_path / split for split in SIZES)):
        if thing.exists():
            thing.rename(moved / thing.name)
    again = command("eval", result["run"], "--worst-group", "--dataset", moved / path.name, "--json")
    assert again["groups"] == result["groups"]
    lost = command("eval", result["run"], code=2)
    assert "no such file or folder" in lost["errors"] or "images are missing" in lost["errors"]


def test_a_drawn_split_stands_in_the_run_and_a_seed_draws_another(
    tmp_path: Path, train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for row in birds(tmp_path / "all"):
        new = tmp_path / "plain" / row["label"] / row["path"].replace("/", "-")
        new.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / row["path"]).rename(new)
    splits = []
    for seed in (0, 0, 1):
        words = ["--attribute", "background=land:water", "--split-seed", seed, "--test-share", 0.25]
        run = Path(train("plain", *words)["run"])
        rule = json.loads((run / "run.json").read_text())["split_rule"]
        assert rule == {"given": [], "drawn": ["val", "test"], "val": 0.15, "test": 0.25, "seed": seed}
        with open(run / "splits.csv", newline="") as file:
            splits.append({row["id"]: row["split"] for row in csv.DictReader(file)})
    assert len(splits[0]) == sum(map(sum, SIZES.values()))
    assert list(splits[0].values()).count("test") == round(0.25 * 40) + round(0.25 * 37)
    assert splits[0] == splits[1] != splits[2]


def test_groups_given_by_a_column_are_the_yardstick(
    tmp_path: Path, train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open("t.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split", "group"])
        writer.writerows(
            [row["path"], row["label"], row["split"], f"{row['label']} on {row['place']}"] for row in birds(tmp_path)
        )
    result = train("t.csv", "--attribute", "background=land:water")
    assert result["groups_from"] == "true"
    assert result["groups_used"] == "pseudo"
    assert in_order(result["groups"]) == list(SIZES["test"])  # landbirds in groups of waterbirds are no groups


def test_no_suspicion_is_asked_for(tmp_path: Path, train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path, _ = as_tree(tmp_path)
    assert "has no suspected attribute; name one: --attribute background=land:water" in train(path, code=2)["errors"]


# Bad images


def spoil(root: Path, rows: list[dict[str, str]]) -> list[str]:
    """Damage one image in each of three ways, and return their ids."""
    cut, empty, gone = (rows[i]["path"] for i in (3, 20, 60))
    (root / cut).write_bytes((root / cut).read_bytes()[:90])
    (root / empty).write_bytes(b"")
    (root / gone).unlink()
    return [cut, empty, gone]


@pytest.fixture
def spoilt(tmp_path: Path) -> tuple[Path, list[str]]:
    rows = birds(tmp_path)
    with open(tmp_path / "t.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path / "t.csv", spoil(tmp_path, rows)


def test_bad_images_are_refused_unless_skipping_is_asked_for(
    spoilt: tuple[Path, list[str]], train: Command, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, bad = spoilt
    monkeypatch.chdir(table.parent)
    refused = train(table, "--attribute-column", "place", code=2)
    assert f"1 of 77 images are missing, first row 61, '{bad[2]}'" in refused["errors"]
    assert refused["errors"].count("\n") == 1
    wrong = train(table, "--on-bad-image", "ignore", code=2)
    assert "on_bad_image is 'ignore'; error or skip expected" in wrong["errors"]
    result = train(table, "--attribute-column", "place", "--on-bad-image", "skip")
    assert "warning: 3 of 77 images cannot be read and are left out, first: " in result["errors"]
    assert result["skipped_images"] == 3
    run = Path(result["run"])
    with open(run / "skipped.csv", newline="") as file:
        listed = {row["id"]: row["reason"] for row in csv.DictReader(file)}
    assert sorted(listed) == sorted(bad)
    assert "no such image file" in listed[bad[2]]
    assert "cannot read this image" in listed[bad[0]]
    for split in SIZES:  # ids keep labels and predictions aligned
        command("eval", run, "--split", split, "--csv", "out.csv")
        with open("out.csv", newline="") as file:
            for row in csv.DictReader(file):
                assert f"/{row['label']}/{row['place']}" in row["id"]
                assert row["id"] not in bad


def test_skipping_keeps_rows_aligned(spoilt: tuple[Path, list[str]], backbone: Backbone, tmp_path: Path) -> None:
    table, bad = spoilt
    dataset = load_dataset(table, check_images=False)
    with pytest.raises(ImageError):
        encode_with_stats(backbone, dataset, cache_dir=tmp_path / "cache", workers=0)
    for workers in (0, 2):  # nothing cached, then all of it
        with pytest.warns(DebiasWarning, match="3 of 77 images cannot be read and are left out"):
            kept, stats = encode_with_stats(
                backbone, dataset, cache_dir=tmp_path / "cache", workers=workers, skip_bad=True, batch_size=8
            )
        assert set(stats.skipped) == set(bad)
        assert list(kept.ids) == [name for name in dataset.ids if name not in bad]
        for i, name in enumerate(kept.ids):
            assert kept.class_names[kept.y[i]] in name
            assert name.startswith(str(kept.split[i]))
    alone = backbone.encode_images(backbone.preprocess(_open(table.parent / kept.ids[30]))[None])
    np.testing.assert_allclose(kept.features[30], alone[0], atol=1e-5)


def test_two_names_of_one_bad_image_are_both_skipped(tmp_path: Path, backbone: Backbone) -> None:
    rows = birds(tmp_path)
    for row in rows[:2]:
        (tmp_path / row["path"]).write_bytes(b"no image")
    dataset = load_dataset(tmp_path)
    with pytest.warns(DebiasWarning, match="2 of 77 images"):
        kept, _ = encode_with_stats(backbone, dataset, cache_dir=tmp_path / ".cache", workers=0, skip_bad=True)
    assert len(kept) == 75
    for row in rows:
        (tmp_path / row["path"]).write_bytes(b"no image")
    with pytest.raises(ImageError, match="none of 77 images can be read, first: .*cannot read this image"):
        encode_with_stats(backbone, dataset, cache_dir=tmp_path / ".other", workers=0, skip_bad=True)


def _open(path: Path) -> Any:
    from debias_pt.datasets.images import open_rgb

    return open_rgb(path)


# Verify


def check(dataset: object, read_images: bool = False, **given: Any) -> dict[str, Any]:
    return verify(resolve(SourceSettings, given, {"dataset": str(dataset)}), read_images=read_images)


def test_verify_goes_on_after_what_is_wrong(spoilt: tuple[Path, list[str]]) -> None:
    table, (cut, empty, gone) = spoilt
    result = check(table, attribute_column=("place",))
    assert result["problems"] == [{"where": gone, "what": "no such file"}]
    result = check(table, read_images=True, attribute_column=("place",))
    assert {problem["where"] for problem in result["problems"]} == {cut, empty, gone}
    assert result["ok"] is False
    assert result["splits"]["val"] == [
        {"group": f"{kind}, {place}", "n": 4} for kind in ("landbird", "waterbird") for place in ("land", "water")
    ]
    by_class = check(table)["splits"]["test"]
    assert by_class == [{"group": "landbird", "n": 9}, {"group": "waterbird", "n": 9}]


def test_verify_compares_counts_with_the_published(waterbirds_root: Path) -> None:
    result = check("waterbirds", data_root=str(waterbirds_root))
    assert {"where": "train, landbird, land", "what": "24 images, published are 3498"} in result["problems"]
    assert result["problems"][0]["where"] == "metadata.csv"
    assert "the published file has" in result["problems"][0]["what"]
    assert len(result["problems"]) == 13
    assert check("waterbirds", data_root=str(waterbirds_root), check_counts=False)["ok"] is True


def test_verify_tells_people_and_programs(spoilt: tuple[Path, list[str]], command: Command) -> None:
    table, bad = spoilt
    result = command("data", "verify", table, "--read-images", "--json", code=1)
    assert len(result["problems"]) == 3
    result = command("data", "verify", table, "--read-images", code=1)
    for name in bad:
        assert f"{name}: " in result["text"]
    assert f"77 images in {table.parent}: 3 problems" in result["text"]
    missing = command("data", "verify", table.parent / "none.csv", code=2)
    assert "no such file or folder" in missing["errors"]


@pytest.mark.realdata
def test_verify_real_waterbirds(assets: Path) -> None:
    result = check("waterbirds", data_root=str(assets))
    assert result["ok"] is True
    assert result["images"] == 11788
    assert all(row["n"] == row["published"] for rows in result["splits"].values() for row in rows)


# Pictures


def test_a_picture_of_own_data(spoilt: tuple[Path, list[str]], command: Command, tmp_path: Path) -> None:
    path, _ = as_tree(tmp_path / "new")
    out = tmp_path / "groups.png"
    command("data", "picture", path, "--out", out, "--columns", 2)
    assert out.stat().st_size > 1000
