"""Promises: a picture is drawn to a file or into a folder, refused before any work without matplotlib; zero-shot is a
reference line, what was not measured has no line, nothing has an interval that it has not; bench says "pseudo"."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from debias_pt.benchmarks.group_robustness import plot as rows_plot
from debias_pt.benchmarks.group_robustness import row_tables
from debias_pt.benchmarks.noisy_labels import plot as noisy_plot
from debias_pt.benchmarks.shared import figures
from debias_pt.benchmarks.speed import plot as speed_plot
from debias_pt.errors import UsageError


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that would be saved."""
    kept: list[Figure] = []
    for module in (rows_plot, noisy_plot, speed_plot):
        monkeypatch.setattr(module, "save_figure", lambda figure, path: kept.append(figure))
    return kept


def row(name: str, wga: float, runs: int, **more: Any) -> dict[str, Any]:
    ends = {"worst_group_accuracy": [wga - 0.05, wga + 0.05]}
    return {
        "row": name, "name": name, "worst_group_accuracy": wga, "intervals": ends, "per_seed": [{}] * runs,
        "oracle": False, "true_selection": None, "groups_from": "true", **more,
    }  # fmt: skip


RESULT: dict[str, Any] = {
    "dataset": "waterbirds", "synthetic": False, "split": "test", "model": "tiny", "settings": {"seeds": 5},
}  # fmt: skip


def test_four_rows(drawn: list[Figure]) -> None:
    rows = [row("zero-shot", 0.5, 1), row("erm", 0.4, 5), row("dpt", 0.6, 5), row("dpt-true", 0.7, 5, oracle=True)]
    rows_plot.plot_rows({**RESULT, "rows": rows}, Path("x.png"))
    axes, figure = drawn[0].axes[0], drawn[0]
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert not legend.overlaps(axes.xaxis.label.get_window_extent())
    assert not legend.overlaps(axes.get_window_extent())
    assert any(line.get_label() == "zero-shot" and list(line.get_xdata()) == [50, 50] for line in axes.lines)
    spans = [segment[1][0] - segment[0][0] for bar in axes.collections for segment in bar.get_segments()]
    assert spans == pytest.approx([0, 10, 10, 10])  # zero-shot has no seeds, so no interval over them


def test_an_ablation_of_two_points_does_not_look_like_a_cliff(drawn: list[Figure]) -> None:
    points = [{**row("dpt", wga, 5), "value": value, "series": "dpt"} for value, wga in (("1", 0.66), ("2", 0.68))]
    rows_plot.plot_ablation({**RESULT, "points": points, "varied": "eta", "ordered": True}, Path("x.png"))
    low, high = drawn[0].axes[0].get_ylim()
    assert high - low >= figures.LEAST_SPAN
    assert 0 <= low < 66 < 68 < high <= 100


def test_lines_join_what_was_measured_and_zero_shot_is_one_line(drawn: list[Figure]) -> None:
    def point(series: str, x: str, mean: float) -> dict[str, Any]:
        return {"series": series, "x": x, "mean": mean, "interval": [mean - 0.01, mean + 0.01]}

    points = [point("prompt", x, 0.7) for x in ("0", "25", "50")] + [point("tower", x, 0.6) for x in ("0", "50")]
    points += [point("zero-shot", x, 0.5) for x in ("0", "25", "50")]
    one = {"experiment": "x", "title": "X", "measure": "accuracy", "x": "noise rate, %", "points": points}
    noisy_plot.plot({**RESULT, "seeds": [0, 1]}, one, Path("x.png"))
    axes = drawn[0].axes[0]
    lines = {bars.get_label(): bars.lines[0].get_ydata() for bars in axes.containers}
    assert set(lines) == {"prompt", "tower"}
    assert [math.isnan(y) for y in lines["tower"]] == [False, True, False]
    assert any(line.get_label() == "zero-shot" and list(line.get_ydata()) == [50, 50] for line in axes.lines)


def test_ratios_on_a_logarithmic_axis_are_points(drawn: list[Figure]) -> None:
    times = {"median": 1.0, "low": 0.9, "high": 1.1}
    rows = [{"name": name, "times_as_fast": times, "seconds": times} for name in ("plain", "ours")]
    axes = Figure().add_subplot()
    speed_plot._panel(axes, {"rows": rows, "baseline": "plain", "title": "x"})
    assert axes.get_xscale() == "log"
    assert not axes.patches


def test_one_palette() -> None:
    assert figures.COLORS[:2] == (rows_plot.PLAIN, rows_plot.ORACLE)
    assert noisy_plot.COLORS is rows_plot.COLORS is figures.COLORS


@pytest.mark.parametrize(
    ("given", "only", "expected"),
    [
        ("plots", True, "plots/eta.png"),
        ("plots", False, "plots/eta.png"),
        ("a.pdf", True, "a.pdf"),
        ("b/a.pdf", False, "b/a-eta.pdf"),
    ],
)
def test_all_suites_take_a_file_or_a_folder(given: str, only: bool, expected: str) -> None:
    assert figures.plot_path(Path(given), "eta", only=only) == Path(expected)
    figures.require_plot(Path(given))


def test_what_cannot_be_drawn_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.jpeg: a plot is a \.png, \.pdf or \.svg file"):
        figures.require_plot(Path("x.jpeg"))
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    for path in (tmp_path, tmp_path / "x.png"):
        with pytest.raises(
            UsageError, match=r"needs matplotlib, which is not installed; pip install 'debias-pt\[plot\]'"
        ):
            figures.require_plot(path)


@pytest.mark.parametrize(("source", "word"), [("pseudo", True), ("true", False)])
def test_bench_says_pseudo(source: str, word: bool) -> None:
    scores = dict.fromkeys(row_tables.FIELDS, 0.5)
    groups = [{"label": "cat", "attribute": "in", "n": 3, "accuracy": 0.5, "ci": None}]
    one = {
        **row("erm", 0.5, 1, groups_from=source), **scores, "groups": groups, "labels_used": [], "minority": None,
        "seconds": {"per_run": 1.0}, "intervals": {},
    }  # fmt: skip
    for header, _ in (row_tables.main_table({"rows": [one]}), row_tables.group_table({"rows": [one]}, short=True)):
        assert ("pseudo" in " ".join(header)) == word
