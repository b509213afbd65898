"""Promises of the command line: the contract's fields, one JSON object on standard output, exit codes, one-line errors
with the nearest name, quick help, and no traceback."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.tiny_data import FOLDER

Cli = Any

CONTRACT = {
    "dataset", "method", "model", "split", "worst_group_accuracy", "average_accuracy", "adjusted_average_accuracy",
    "group_mean_accuracy", "gap", "groups", "probe", "selection", "run",
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(cli: Cli, tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    cwd = tmp_path_factory.mktemp("work")
    run = cli("train", "waterbirds", *tiny, "--steps", 5, "--seeds", 2, "--json", cwd=cwd)
    assert run.returncode == 0, run.stderr
    return cwd, json.loads(run.stdout)


def test_train_json_has_the_contract(trained: tuple[Path, dict[str, Any]]) -> None:
    cwd, result = trained
    assert set(result) >= CONTRACT
    assert result["seeds"] == [0, 1]
    assert result["oracle"] is False
    assert result["attribute_labels_used"] == []
    assert result["selection"] == "last"
    assert len(result["groups"]) == 4
    for group in result["groups"]:
        assert set(group) == {"label", "attribute", "n", "accuracy", "ci", "image_ci"}
        assert 0 <= group["ci"][0] <= group["accuracy"] <= group["ci"][1] <= 1
    assert set(result["probe"]) >= {"accuracy", "per_value", "worst_group_recall", "worst_group_precision", "groups"}
    assert 0 <= result["worst_group_accuracy"] <= result["average_accuracy"] <= 1
    run = cwd / result["run"]
    files = {"config.json", "run.json", "history.jsonl", "prompt.safetensors", "baseline.safetensors", "result.json"}
    assert {path.name for path in run.iterdir()} == files
    facts = json.loads((run / "run.json").read_text())
    assert facts["versions"]["torch"]
    assert facts["method"] == {"name": "dpt", "eta": 2.0, "ema": 0.9, "refresh": "step", "normalize": "mean"}
    assert facts["backbone"]["weights"]
    assert sum(facts["group_counts"]["train"].values()) == 48
    assert len((run / "history.jsonl").read_text().splitlines()) == 5


def test_eval_takes_the_newest_run_and_agrees(cli: Cli, trained: tuple[Path, dict[str, Any]]) -> None:
    cwd, result = trained
    run = cli("eval", "--worst-group", "--json", cwd=cwd)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert set(found) >= CONTRACT
    for name in ("worst_group_accuracy", "average_accuracy", "groups", "per_seed", "probe", "seeds"):
        assert found[name] == result[name]
    val = json.loads(cli("eval", result["run"], "--split", "val", "--json", cwd=cwd).stdout)
    assert val["split"] == "val"
    assert [g["n"] for g in val["groups"]] == [6, 5, 4, 5]


def test_eval_prints_a_table_for_people(cli: Cli, trained: tuple[Path, dict[str, Any]]) -> None:
    cwd, _ = trained
    run = cli("eval", "--worst-group", cwd=cwd)
    assert run.returncode == 0
    for text in ("worst-group accuracy", "waterbird, land", "attribute labels used: none", "probe right for"):
        assert text in run.stdout
    assert run.stderr.startswith("warning: groups of the test split with fewer than 10 images: (landbird, land) 6, ")
    assert run.stderr.count("\n") == 1
    assert cli("eval", cwd=cwd).stdout == run.stdout  # nobody has to ask for the worst group


def test_a_run_is_trained_again_from_its_config(cli: Cli, trained: tuple[Path, dict[str, Any]]) -> None:
    cwd, result = trained
    config = cwd / result["run"] / "config.json"
    again = json.loads(cli("train", "waterbirds", "--config", config, "--json", cwd=cwd).stdout)
    assert again["per_seed"] == result["per_seed"]
    assert again["run"] != result["run"]
    other = json.loads(cli("train", "waterbirds", "--config", config, "--seeds", 1, "--json", cwd=cwd).stdout)
    assert other["seed"] == 0


def test_seeds_together_are_the_seeds_alone(cli: Cli, tiny: list[str], trained: tuple[Path, dict[str, Any]]) -> None:
    cwd, result = trained
    alone = cli("train", "waterbirds", *tiny, "--steps", 5, "--seed", 1, "--json", cwd=cwd)
    assert json.loads(alone.stdout)["worst_group_accuracy"] == result["per_seed"][1]["worst_group_accuracy"]


@pytest.mark.parametrize("options", [["--groups", "true"], ["--select", "true-wga"]])
def test_oracles_are_named_in_every_output(cli: Cli, tiny: list[str], tmp_path: Path, options: list[str]) -> None:
    words = ["train", "waterbirds", *tiny, "--steps", 2, *options]
    text = cli(*words, cwd=tmp_path)
    assert "ORACLE" in text.stdout
    assert "attribute labels used: none" not in text.stdout
    result = json.loads(cli(*words, "--json", cwd=tmp_path).stdout)
    assert result["oracle"] is True
    assert result["attribute_labels_used"]
    evaluated = json.loads(cli("eval", "--json", cwd=tmp_path).stdout)
    assert evaluated["oracle"] is True


def test_probe_reports_every_split_and_writes_csv(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    file = tmp_path / "said" / "probe.csv"
    options = ["--attribute", "background=land|forest:water|lake", "--attribute", "size=small:mid:big"]
    run = cli("probe", "waterbirds", *tiny, *options, "--csv", file, "--json")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert set(result["probe"]) == {"train", "val", "test"}
    train = result["probe"]["train"]
    assert len(train["pseudo_group_sizes"]) == 2 * 2 * 3
    assert "accuracy" not in train  # the size is annotated nowhere, so there are no joint groups to compare with
    assert set(train["by_attribute"]) == {"background"}
    alone = json.loads(cli("probe", "waterbirds", *tiny, *options[:2], "--json").stdout)["probe"]["train"]
    assert train["by_attribute"]["background"]["accuracy"] == alone["accuracy"]
    assert train["not_annotated"] == ["'size' (annotated are: background)"]
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert len(rows) == 90
    assert set(rows[0]) == {"id", "split", "label", "background", "background_confidence", "size", "size_confidence"}
    counts = {row["background"] for row in rows}
    assert counts <= {"land", "water"}
    table = cli("probe", "waterbirds", *tiny)
    assert "recall, %" in table.stdout
    assert "by true value: land" in table.stdout


def test_custom_attribute_with_values_in_another_order_is_matched(cli: Cli, tiny: list[str]) -> None:
    wordings = ["background=land|forest:water|lake", "background=water|lake:land|forest"]
    found = [
        json.loads(cli("probe", "waterbirds", *tiny, "--attribute", words, "--json").stdout)["probe"]["test"]
        for words in wordings
    ]
    assert found[0]["accuracy"] == pytest.approx(found[1]["accuracy"])
    assert found[0]["per_value"] == found[1]["per_value"]


def test_values_that_are_not_the_annotated_ones_are_said_to_be(cli: Cli, tiny: list[str]) -> None:
    run = cli("probe", "waterbirds", *tiny, "--attribute", "background=forest:lake")
    assert "annotated are land, water; name yours so" in run.stdout
    refused = cli("train", "waterbirds", *tiny, "--attribute", "pose=flying:sitting", "--groups", "true")
    assert refused.returncode == 2
    assert (
        "--groups true needs annotations; waterbirds has none of 'pose' (annotated are: background)" in refused.stderr
    )


def test_small_pseudo_groups_are_warned_of_on_standard_error(cli: Cli, tiny: list[str]) -> None:
    run = cli("probe", "waterbirds", *tiny, "--json")
    sizes = json.loads(run.stdout)["probe"]["train"]["pseudo_group_sizes"]
    warned = [line for line in run.stderr.splitlines() if line.startswith("warning: the pseudo group (")]
    assert len(warned) == sum(size < 10 for size in sizes.values())


def test_encode_twice(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    words = ["encode", "waterbirds", *tiny, "--cache-dir", tmp_path / "cache", "--json"]
    first, second = (json.loads(cli(*words).stdout) for _ in range(2))
    assert (first["encoded"], second["encoded"]) == (90, 0)
    assert first["images"] == second["images"] == 90


def test_doctor(cli: Cli, waterbirds_root: Path) -> None:
    run = cli("doctor", "--json", "--data-root", waterbirds_root)
    assert run.returncode == 0, run.stdout
    checks = {check["name"]: check for check in json.loads(run.stdout)["checks"]}
    assert checks["packages"]["ok"]
    assert not checks["data: waterbirds"]["ok"]
    assert "published" in checks["data: waterbirds"]["todo"]
    assert "cache" in cli("doctor").stdout


def test_bench_puts_methods_beside_each_other(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    words = ["bench", "group-robustness", "waterbirds", *tiny, "--steps", 2, "--seeds", 2, "--rows", "erm,dpt,dfr"]
    run = cli(*words, "--json", "--csv", tmp_path / "rows.csv", "--plot", tmp_path / "rows.png")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert [row["row"] for row in result["rows"]] == ["erm", "dpt", "dfr"]
    assert [row["oracle"] for row in result["rows"]] == [False, False, True]
    assert (tmp_path / "rows.csv").read_text().count("\n") == 1 + 2 * 2 + 2 * 2 + 2
    assert (tmp_path / "rows.png").read_bytes().startswith(b"\x89PNG")
    shown = cli(*words)
    assert "0 rows computed, 3 taken from earlier calls" in shown.stdout
    assert "dfr (oracle)" in shown.stdout


def wrong(cli: Cli, *words: object) -> str:
    """Run a command that must fail with code 2 and one line; return the line."""
    run = cli(*words)
    assert run.returncode == 2, (run.stdout, run.stderr)
    assert run.stdout == ""
    lines = [line for line in run.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "dtp"], "unknown method 'dtp' (did you mean 'dpt'?); known: "),
        (["--attribute", "backgound"], "unknown attribute 'backgound' (did you mean 'background'?)"),
        (["--attribute", "background=land"], "has one value (land)"),
        (["--select", "wga"], "select is 'wga' (did you mean 'true-wga'?); pseudo-confidence, "),
        (["--probe", "mixtures"], "probe is 'mixtures' (did you mean 'mixture'?)"),
        (["--decode", "gpu"], "decode is 'gpu' (did you mean 'cpu'?); cpu or device expected"),
        (["--groups", "guessed"], "pseudo or true expected"),
        (["--split", "dev"], "split is 'dev'"),
        (["--device", "cuda:7"], "is not there"),
        (["--precision", "bf16"], "needs a GPU"),
        (["--context-init", "a photo of a", "--context-length", "9"], "has 4 tokens"),
        (["--context-length", "75"], "the text tower takes 77"),
        (["--metod", "erm"], "No such option"),
        (["--steps", "many"], "'many'"),
        (["--steps", "0"], "steps is 0: nothing would be learned; give 1 or more"),
        (["--shots", "0"], "shots is 0"),
        (["--label-column", "kind"], "--label-column kind is for tables, and waterbirds is a data set of its own"),
        (["--class-name", "0=cat"], "--class-name 0=cat is for your own data, not for waterbirds"),
        (["--val-share", "0.3"], "waterbirds has its own splits; leave --val-share, --test-share and --split-seed out"),
        (["--model", "ViT-B-32"], "name two models"),
        (["--workers", "-1"], "workers is -1"),
        (["--encode-batch-size", "0"], "encode_batch_size is 0"),
        (["--lr", "nan"], "lr is nan"),
        (["--config", "/nowhere.json"], "/nowhere.json: cannot read"),
    ],
)
def test_wrong_options_are_one_line(cli: Cli, tiny: list[str], options: list[str], message: str) -> None:
    assert message in wrong(cli, "train", "waterbirds", *tiny, *options)


def test_wrong_names_are_one_line(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    assert "did you mean 'waterbirds'" in wrong(cli, "train", "waterbird")
    assert "No such command 'trian'" in wrong(cli, "trian")
    assert "no such folder; give --data-root" in wrong(cli, "train", "waterbirds", "--data-root", tmp_path / "none")
    assert "unknown model 'ViT-B32'" in wrong(cli, "encode", "waterbirds", *tiny[:3], "--model", "ViT-B32")
    assert "no run here" in wrong(cli, "eval", tmp_path)
    config = tmp_path / "config.json"
    config.write_text("[1, 2]")
    assert "holds no settings but a list" in wrong(cli, "train", "waterbirds", "--config", config)
    config.write_text('{"stepz": 3}')
    assert "did you mean 'steps'" in wrong(cli, "train", "waterbirds", "--config", config)


def test_no_finished_run_says_what_to_do(cli: Cli, tmp_path: Path) -> None:
    run = cli("eval", cwd=tmp_path)
    assert run.returncode == 2
    assert "no finished run under" in run.stderr


def test_a_truncated_image_is_named(cli: Cli, tiny: list[str], data_root: Path) -> None:
    image = next((data_root / FOLDER).glob("*/*.jpg"))
    image.write_bytes(image.read_bytes()[:150])
    assert f"{image}: cannot read this image" in wrong(cli, "encode", "waterbirds", "--data-root", data_root, *tiny[2:])


def test_divergence_names_step_and_rate_and_fails_with_one(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    run = cli("train", "waterbirds", *tiny, "--lr", "1e38", "--optimizer", "sgd", "--out", tmp_path / "run")
    assert run.returncode == 1
    assert "error: step " in run.stderr
    assert "learning rate" in run.stderr


def test_debug_shows_the_traceback(cli: Cli) -> None:
    run = cli("train", "waterbird", "--debug")
    assert "Traceback" in run.stderr
    assert run.returncode == 1


def test_help_imports_nothing_heavy(cli: Cli) -> None:
    for words in (["--help"], ["train", "--help"], ["bench", "group-robustness", "-h"], ["eval", "--help"]):
        run = cli(*words)
        assert run.returncode == 0
        assert "Usage" in run.stdout
    code = (
        "import sys; from debias_pt.cli.main import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'open_clip', 'numpy', 'wilds', 'pandas', 'scipy', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
