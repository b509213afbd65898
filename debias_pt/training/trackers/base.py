"""What trackers share: which figures of a step they are told of, and what happens if the library fails."""

from __future__ import annotations

import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.training.callbacks import Callback
from debias_pt.training.loop import Training
from debias_pt.training.trackers import TRACKERS
from debias_pt.utils.registry import lookup
from debias_pt.utils.words import shortened

SINGLE, BY_GROUP = ("loss", "selection_score"), ("p_bar", "val_accuracy", "group_weights")


class Tracker(Callback, ABC):
    """Passes every step's figures on to a tracking library; the run's ``history.jsonl`` stays the source.

    A library that fails ends the tracking with a warning, not the fit.

    Parameters
    ----------
    folder : Path
        The run's folder.
    config : mapping
        The run's settings, to be stored with its figures.

    Examples
    --------
    >>> class Printed(Tracker):
    ...     needs = "json"
    ...     def log(self, step, figures):
    ...         print(step, sorted(figures))
    >>> Printed(Path("runs/one"), {}).log(0, {"loss": 0.5})
    0 ['loss']
    """

    needs: ClassVar[str]

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.folder, self.config = folder, dict(config)
        self.failed = False

    @abstractmethod
    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures of a step."""

    def close(self) -> None:
        """Write what is left; called once, also after a fit that failed."""

    def on_step(self, training: Training) -> None:
        """Pass the last step on."""
        run_group = training.run_groups[0]
        row = run_group.history_[-1]
        self.attempt(lambda: self.log(training.step_ - 1, figures_of(row, run_group.groups.names)))

    def finish(self) -> None:
        """Close the tracking."""
        self.attempt(self.close)

    def attempt(self, work: Callable[[], object]) -> None:
        """Do something with the library, unless it has failed before."""
        if self.failed:
            return
        try:
            with redirect_stdout(sys.stderr):  # standard output is for the result
                work()
        except Exception as error:  # whatever a tracking library raises, the fit is worth more
            self.failed = True
            reason = shortened(f"{type(error).__name__}: {error}", 200)
            text = f"tracking with {self.needs} has stopped ({reason}); history.jsonl in the run's folder has all"
            warnings.warn(text, DebiasWarning, stacklevel=2)


def figures_of(row: Mapping[str, Any], groups: Sequence[str]) -> dict[str, float]:
    """Return a step's figures by name, means over seeds; groups without an image have none.

    Examples
    --------
    >>> figures_of({"lr": 0.1, "loss": [1.0, 2.0], "p_bar": [[0.5, 0.25], [0.5, 0.75]]}, ["cat, in", "cat, out"])
    {'lr': 0.1, 'loss': 1.5, 'p_bar/cat, in': 0.5, 'p_bar/cat, out': 0.5}
    """
    found = {"lr": float(row["lr"])} | {name: _mean(row[name]) for name in SINGLE if name in row}
    for name in BY_GROUP:
        by_group = zip(*row.get(name, ()), strict=True)
        found |= {f"{name}/{group}": _mean(values) for group, values in zip(groups, by_group, strict=False)}
    return {name: value for name, value in found.items() if value == value}


def _mean(values: Sequence[float | None]) -> float:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else float("nan")


def require_trackers(names: Sequence[str]) -> None:
    """Refuse unknown trackers, and those whose library is not installed, before any work is done.

    Raises
    ------
    UnknownNameError
        Names the nearest one.
    UsageError
        Says what to install.
    """
    for name in names:
        needs = lookup(TRACKERS, name, "tracker").needs
        if find_spec(needs) is None:
            raise UsageError(f"--track {name} needs {needs}, which is not installed; pip install 'debias-pt[{name}]'")
