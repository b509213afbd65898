"""A small table with a shortcut, its true groups, and fits of any head on it."""

from __future__ import annotations

from typing import Any

import torch

from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.losses import make_loss
from debias_pt.reweighting import make_reweighter
from debias_pt.settings import FitSettings
from debias_pt.training.data import FitData
from debias_pt.training.loop import Training
from debias_pt.training.run_group import RunGroup
from tests.helpers.tiny_data import gaussian_table

TABLE = gaussian_table()
TRUE = Groups.true(TABLE.y, TABLE.class_names, [TABLE.attributes["background"]])
CPU = torch.device("cpu")


def data(split: str, table: FeatureTable = TABLE, groups: Groups = TRUE) -> FitData:
    return FitData.of(table.where(split), groups.rows(table.split == split), CPU)


def make(head: torch.nn.Module, seeds: Any = (0,), table: FeatureTable = TABLE, **options: Any) -> Training:
    settings = FitSettings(**{"steps": 12, "lr": 0.05, "select": "last", **options})
    loss, reweighter = make_loss(settings.loss), make_reweighter(settings.method, eta=settings.eta)
    run_group = RunGroup(loss, reweighter, settings, seeds, data("train", table), data("val", table), TRUE)
    return Training(head, [run_group])  # type: ignore[arg-type]
