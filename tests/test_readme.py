"""Promises: the README's library example runs as it stands; its option and command names exist."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from debias_pt.cli.main import app
from debias_pt.methods import METHODS
from debias_pt.models.heads import HEADS
from debias_pt.reweighting import REWEIGHTERS
from debias_pt.settings import TrainSettings
from debias_pt.training.selection import RULES

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
def test_library_example(
    tiny_checkpoint: Path,
    waterbirds_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DEBIAS_PT_CACHE", str(tmp_path))
    code = README.split("<!-- library -->\n```python\n")[1].split("```")[0]
    code = code.replace('load_dataset("waterbirds", DATA)', 'load_dataset("waterbirds", DATA, check_counts=False)')
    names: dict[str, object] = {"MODEL": f"local-dir:{tiny_checkpoint}", "DATA": waterbirds_root}
    exec(code, names)
    weights = names["weights"]
    assert isinstance(weights, np.ndarray)
    assert weights.shape == (3, 2, 24)
    assert capsys.readouterr().out.startswith("[")


def test_options_methods_and_rules_named_in_the_readme_exist() -> None:
    known = {f"--{name.replace('_', '-')}" for name in TrainSettings.__dataclass_fields__}
    known |= {"--json", "--debug", "--resume", "--config", "--csv", "--worst-group", "--markdown", "--columns", "--url"}
    known |= {"--format", "--read-images", "--rows", "--ablation", "--plot", "--fresh", "--experiment", "--quick"}
    known |= {"--samples", "--no-baselines", "--html", "--track", "--engine"}
    assert set(re.findall(r"--[a-z][a-z-]+", README)) <= known
    assert set(re.search(r"--method (dpt\\\|[a-z\\|-]+)`", README)[1].split("\\|")) == set(METHODS)  # type: ignore[index]
    assert set(re.search(r"--head ([a-z\\|-]+)`", README)[1].split("\\|")) == set(HEADS)  # type: ignore[index]
    rules = set(re.search(r"--select (pseudo-wga[a-z\\|-]+)`", README)[1].split("\\|"))  # type: ignore[index]
    assert rules | {"pseudo-confidence"} == set(RULES)


def test_commands_named_in_the_readme_exist() -> None:
    known = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    cells = re.findall(r"^\| (`[a-z][^|]*`(?:, `[a-z][^|]*`)*) \|", README.replace("\\|", " "), re.MULTILINE)
    in_table = [name for cell in cells for name in re.findall(r"`([a-z]+) ?", cell)]
    in_blocks = re.findall(r"^ *debias-pt ([a-z]+) ", README, re.MULTILINE)
    named = {*in_table, *in_blocks}
    assert named == known


def test_the_scheduler_in_contributing_works() -> None:
    import torch

    code = CONTRIBUTING.split("```python\n")[1].split("```")[0]
    try:
        names: dict[str, object] = {"__name__": "contributed"}
        exec(code.replace("from __future__ import annotations\n", ""), names)
        scheduler = REWEIGHTERS["sqrt-balanced"]()
        scheduler.start(torch.eye(2)[[0, 0, 0, 0, 1]], torch.tensor([0, 1]), runs=1)
        weights = scheduler.weights_[0]
        assert float(weights[1] / weights[0]) == pytest.approx(2)
    finally:
        REWEIGHTERS.pop("sqrt-balanced", None)
