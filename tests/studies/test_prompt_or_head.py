"""Promises: the study holds every row of training and validation out once, evenly over classes, and never looks at
test; a taught prompt comes nearer to its teacher; the command prints its table."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from debias_pt.methods.composition import complete
from debias_pt.models.backbone import Backbone
from debias_pt.settings import TrainSettings
from studies.prompt_or_head import CANDIDATES, Imitate, fit, held_out, judge
from tests.helpers.small_case import gaussian_case

pytestmark = pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")


def test_folds_are_even_over_classes_and_leave_test_out() -> None:
    y = np.array([0] * 20 + [1] * 10)
    test = np.arange(30) % 5 == 0
    folds = held_out(y, test, 4)
    assert (folds[test] == -1).all()
    for label in (0, 1):
        sizes = np.bincount(folds[(y == label) & ~test], minlength=4)
        assert sizes.max() - sizes.min() <= 1


def test_test_rows_change_nothing(backbone: Backbone) -> None:
    case = gaussian_case(backbone, steps=3)
    settings = complete(replace(TrainSettings(method="anchored"), steps=3))
    prepared, groups = case.prepared, case.prepared.pseudo
    candidate = CANDIDATES["prompt, penalty 1 (`penalized-prompt`)"]
    first = judge(candidate, prepared, groups, settings, 3)
    table = prepared.table
    features = table.features.copy()
    features[table.split == "test"] = features[table.split == "test"][::-1]
    second = judge(candidate, replace(prepared, table=replace(table, features=features)), groups, settings, 3)
    assert (first.accuracy == second.accuracy).all()
    assert int(first.counts.sum()) == int((table.split != "test").sum())


def test_imitation_is_cross_entropy_to_the_teacher() -> None:
    teacher = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    logits = torch.tensor([[[1.0, 0.0], [0.5, 2.0]]])
    wanted = [
        -sum(float(q) * float(torch.log(torch.exp(z) / torch.exp(row).sum())) for q, z in zip(one, row, strict=True))
        for one, row in zip(teacher, logits[0], strict=True)
    ]
    assert Imitate(teacher)(logits, torch.zeros(1, 2))[0].tolist() == pytest.approx(wanted, abs=1e-6)


def test_a_taught_prompt_answers_more_like_its_teacher(backbone: Backbone) -> None:
    case = gaussian_case(backbone)
    settings = complete(replace(TrainSettings(method="anchored"), steps=60))
    prepared, groups = case.prepared, case.prepared.pseudo
    rows = [np.flatnonzero(prepared.table.split != "test")]
    teacher = fit(next(iter(CANDIDATES.values())), prepared, groups, settings, rows)[0]
    pupil = CANDIDATES["prompt, taught by the linear head"]
    taught, started = (
        fit(replace(pupil, options={"steps": steps}), prepared, groups, settings, rows)[0] for steps in (60, 0)
    )
    alike = [float((one.argmax(axis=1) == teacher.argmax(axis=1)).mean()) for one in (taught, started)]
    assert alike[0] > alike[1]


def test_the_command_prints_a_table_or_one_line(waterbirds_root: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    own = {"dataset": "waterbirds", "check_counts": False, "workers": 0}
    (tmp_path / "birds.json").write_text(json.dumps(own), encoding="utf-8")
    words = [sys.executable, "-m", "studies.prompt_or_head", str(tmp_path / "birds.json")]
    where = ["--data-root", str(waterbirds_root), "--pretrained", f"local-dir:{tiny_checkpoint}"]
    rest = ["--cache-dir", str(tmp_path), "--steps", "2", "--folds", "2", "--only", "prompts per class"]
    run = subprocess.run([*words, *where, *rest], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    header, _, line = run.stdout.splitlines()
    assert header == "| what is learned | birds |"
    assert re.fullmatch(r"\| 2 prompts per class \(`group-prompt`\) \| \d+\.\d \(\d+\.\d\) \|", line)
    nowhere = ["--data-root", str(tmp_path / "nowhere")]
    wrong = subprocess.run([*words, *nowhere], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines()[-1].startswith("error: ")
