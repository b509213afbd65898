"""A program as a user of the library writes it; type checkers read it, nothing runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from debias_pt import (
    Attribute,
    AttributeProbe,
    Backbone,
    CustomData,
    FeatureTable,
    GroupReport,
    Groups,
    TrueAttribute,
    Tuner,
    encode,
    encode_samples,
    fit_together,
    join_tables,
    load_dataset,
    open_run,
    table_from_arrays,
)
from debias_pt.discovery import find_attributes
from debias_pt.errors import DebiasError
from debias_pt.training import search_settings
from debias_pt.training.callbacks import Callback
from debias_pt.training.loop import Training


class Watch(Callback):
    """A callback of one's own."""

    def on_step(self, training: Training) -> None:
        """Look at each step."""


def tune(folder: Path, words: dict[str, list[str]]) -> NDArray[np.float32]:
    """Use the library the way the README does."""
    backbone: Backbone = Backbone.load(pretrained="local-dir:model", device="auto")
    table: FeatureTable
    table = encode(backbone, load_dataset(str(folder), own=CustomData(attribute_columns=("place",))))
    answers = AttributeProbe(backbone, [Attribute("place", words)]).predict(table.features)
    groups: Groups = Groups.pseudo(table.y, table.class_names, answers)
    tuner: Tuner = Tuner(backbone, method="dpt", seeds=3).fit(table, groups, callbacks=[Watch()])
    place: TrueAttribute = table.attributes["place"]
    report: GroupReport = tuner.score(table, Groups.true(table.y, table.class_names, [place]), split="test")
    worst: float = float(report.worst_group_accuracy.mean())
    labels: NDArray[np.int64] = tuner.predict(table.where("test"), ensemble=True)
    print(worst, labels, find_attributes(table, backbone).attributes)
    weights: NDArray[np.float32] = tuner.class_weights_
    return weights


def more(backbone: Backbone, features: NDArray[np.float32], y: NDArray[np.int64]) -> None:
    """Use the rest of it."""
    table = join_tables([table_from_arrays(features, y, ["cat", "dog"])])
    tuners = [Tuner(backbone, method=method) for method in ("erm", "class-balanced")]
    fit_together(tuners, [tuner.run_group(table) for tuner in tuners])
    other, _ = encode_samples(backbone, [("cat.jpg", 0)], ["cat", "dog"])
    best = search_settings(backbone, table, trials=3).settings
    try:
        open_run("runs/first").tuner.predict(other)
        open_run("runs/first").report("report.html")
    except DebiasError as error:
        print(error, error.exit_code, best.lr)
