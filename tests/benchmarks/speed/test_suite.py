"""Promises: candidates take turns and ratios are taken within a round; every section gives its rows on any data; the
CoOp-style loop is the model's own text tower on all tokens; what is synthetic or random is called so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from debias_pt.benchmarks.pages.speed import page
from debias_pt.benchmarks.speed import machine_limits as floor
from debias_pt.benchmarks.speed import section_tables, stacked, suite, text_pass, train_loop
from debias_pt.benchmarks.speed.case import SpeedCase, load_case
from debias_pt.benchmarks.speed.coop_loop import CONTEXT, CoOpLoop
from debias_pt.benchmarks.speed.plot import plot
from debias_pt.benchmarks.speed.timing import Timing, compare, ratios
from debias_pt.cli.main import main
from debias_pt.datasets import load_dataset
from debias_pt.errors import UnknownNameError, UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.pages.render import html
from debias_pt.settings import TrainSettings
from tests.helpers.random_models import TOKENIZER, make_backbone
from tests.helpers.report_case import Parsed


@pytest.fixture(scope="module")
def settings(waterbirds_root: Path, tiny_checkpoint: Path, cache_dir: Path) -> TrainSettings:
    return TrainSettings(
        data_root=str(waterbirds_root),
        check_counts=False,
        pretrained=f"local-dir:{tiny_checkpoint}",
        cache_dir=str(cache_dir),
        workers=0,
        steps=2,
    )


@pytest.fixture(scope="module")
def case(settings: TrainSettings) -> SpeedCase:
    return load_case(settings, rounds=1, quick=True, random_weights=False)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "SIDE", 64)
    monkeypatch.setattr(floor, "COPIED", 1 << 12)


def test_candidates_take_turns() -> None:
    calls: list[str] = []
    timings = compare({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=3)
    assert calls == [*"ab", *"ab", *"ba", *"ab"]
    assert [len(timing.rounds) for timing in timings.values()] == [3, 3]
    with pytest.raises(ValueError, match="rounds must be at least 1, got 0"):
        compare({}, 0)


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which the machine was slow counts like any other."""
    slow, fast = Timing((4.0, 40.0, 6.0)), Timing((1.0, 10.0, 2.0))
    assert ratios({"slow": slow, "fast": fast}, "slow")["fast"].median == 4.0
    assert fast.ratio_to(slow).high == pytest.approx((0.25 + 1 / 3) / 2)
    with pytest.raises(KeyError, match="no candidate 'other'"):
        ratios({"slow": slow}, "other")


def test_the_coop_style_loop_reads_all_tokens_and_learns(backbone: Backbone, waterbirds_root: Path) -> None:
    dataset = load_dataset("waterbirds", waterbirds_root, check_counts=False)
    paths = [str(dataset.root / name) for name in dataset.ids[:40]]
    loop = CoOpLoop(backbone, paths, torch.from_numpy(dataset.y[:40]), dataset.class_names, workers=0)
    assert loop.steps_per_epoch == 2
    with torch.no_grad():
        words = backbone.text.embed(backbone.text.tokenize(" ".join(["X"] * CONTEXT)))
        loop.context.copy_(words)
        prompts = [f"{' '.join(['X'] * CONTEXT)} {name}." for name in dataset.class_names]
        assert torch.allclose(loop.class_weights(), backbone.encode_text(prompts), atol=1e-5)
    before = loop.context.detach().clone()
    for _ in range(3):
        loop.step()
    assert len(loop.losses) == 3
    assert not torch.equal(before, loop.context)


def test_scaled_figures_are_said_to_be_scaled(case: SpeedCase) -> None:
    step, whole = train_loop.measure(case)
    assert "scaled" in whole["note"]
    images = int((case.dataset.split == "train").sum())
    steps = 50 * -(-images // 32)
    ratio = whole["rows"][0]["seconds"]["median"] / step["rows"][0]["seconds"]["median"]
    assert ratio == pytest.approx(steps)
    ours = whole["rows"][1]["seconds"]["median"] / step["rows"][1]["seconds"]["median"]
    assert ours == pytest.approx(case.settings.steps)


def test_operations_are_counted_in_both_directions(case: SpeedCase) -> None:
    a, b = torch.ones(3, 4, requires_grad=True), torch.ones(4, 5)
    assert floor.counted(lambda: (a @ b).sum().backward()) == 2 * 2 * 3 * 4 * 5
    (section,) = floor.measure(case)
    assert all(row["operations"] > 0 and row["bytes"] > 0 for row in section["rows"])
    rates = section["machine"]
    for row in section["rows"]:
        least = max(row["operations"] / rates["operations_per_second"], row["bytes"] / rates["bytes_per_second"])
        assert row["times_floor"] == pytest.approx(row["seconds"]["median"] / least)


def test_all_sections_on_tiny_data(settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_pass, "QUICK", (2,))
    monkeypatch.setattr(stacked, "STEPS", 1)
    monkeypatch.setattr("debias_pt.benchmarks.speed.scaling.AXES", {"G": ("groups", (20, 40, 0))})
    monkeypatch.setattr(text_pass, "random_text_tower", lambda: (make_backbone().model, TOKENIZER))
    result = suite.speed(settings, quick=True, rounds=1)
    parsed = Parsed(html(page(result)))
    assert all(parsed.holds(section_tables.table(section)) for section in result["sections"])
    assert [section["title"] for section in result["sections"]] == [
        f"Text pass, 2 classes, {result['model']}", "Text pass, 2 classes, ViT-B-32 (random weights)", "Training step",
        "Whole training", "Parts of a step", "Seeds at once", "Settings at once", "Encoding", "Floor",
        "Cost by G, groups",
    ]  # fmt: skip
    json.dumps(result, allow_nan=False)
    for section in result["sections"]:
        header, lines = section_tables.table(section)
        assert lines
        assert {len(line) for line in lines} == {len(header)}
    plot(result, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").stat().st_size > 10_000


def test_random_weights_encode_nothing_and_are_called_so(
    settings: TrainSettings, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="--random-weights with --model None; name an architecture"):
        suite.speed(settings, ["floor"], random_weights=True)
    tiny = Backbone.load(f"local-dir:{tiny_checkpoint}")
    monkeypatch.setattr("debias_pt.benchmarks.speed.case.random_backbone", lambda settings: tiny)
    monkeypatch.setattr("debias_pt.benchmarks.speed.case.encode_dataset", None)
    result = suite.speed(replace(settings, model="any"), ["floor"], random_weights=True, rounds=1)
    assert result["random_weights"]
    with pytest.raises(UnknownNameError, match="flor"):
        suite.speed(settings, ["flor"])
    with pytest.raises(UsageError, match="--sections start is now python -m studies.start_up"):
        suite.speed(settings, ["text", "start"])


def test_the_command_prints_tables(
    tiny: list[str], cache_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "QUICK_ROUNDS", 1)
    words: list[Any] = ["bench", "speed", "waterbirds", *tiny, "--cache-dir", str(cache_dir), "--quick", "--steps", "2"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--sections", "encoding,floor"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for part in ("bare image tower", "images/s", "times the least", "GFLOP/s"):
        assert part in said
