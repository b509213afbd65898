"""Whether all training rows fit into memory in every step, and what is done where they do not."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch

from debias_pt.errors import DebiasWarning
from debias_pt.features.mapped import is_mapped
from debias_pt.features.table import FeatureTable
from debias_pt.methods.optimizer import OPTIMUM, optimizer_of
from debias_pt.settings import FitSettings
from debias_pt.utils.memory import free_bytes, gib

BATCH = 8192  # rows of a step, where all are too many and no other number is given
COPIES = 5  # of the logits, while a step is made: themselves, log-probabilities, probabilities, gradients
LEFT = 0.7  # of the free memory that may be taken


@dataclass(frozen=True)
class FitPlan:
    """How a fit reads its rows.

    Parameters
    ----------
    settings : FitSettings
        With the batch size that is fitted with.
    mapped : bool
        Features stay in their file, and minibatches are read from it in shuffled blocks.
    """

    settings: FitSettings
    mapped: bool = False


def plan(table: FeatureTable, n: int, settings: FitSettings, device: torch.device | str = "cpu") -> FitPlan:
    """Keep everything in memory where it fits; else read minibatches from the file, and say so in one line.

    Only tables whose features are memory-mapped can be read from a file; those of others are in memory already.

    Parameters
    ----------
    table : FeatureTable
        All splits; all rows may be needed at once.
    n : int
        Training rows.
    settings : FitSettings
    device : torch.device or str
        Where the features are needed.
    """
    if not is_mapped(table.features):
        return FitPlan(settings)
    half = table.features.dtype == np.float16  # copied twice: as they are, and in single precision
    features = (6 if half else 4) * table.features.size
    logits = 4 * settings.seeds * len(table.class_names) * (settings.batch_size or n) * COPIES
    free = int(LEFT * free_bytes(device))
    if features + logits <= free:
        return FitPlan(settings)
    if optimizer_of(settings) == OPTIMUM:
        warnings.warn(
            f"{len(table):,} rows of {table.features.shape[1]} features need {gib(features + logits)} in memory, "
            f"{gib(free)} are free: every pass of L-BFGS reads them from the file",
            DebiasWarning,
            stacklevel=3,
        )
        return FitPlan(settings, mapped=True)
    batch = min(settings.batch_size or BATCH, n)
    seen = settings.steps * batch / max(1, n)
    warnings.warn(
        f"{len(table):,} rows of {table.features.shape[1]} features need {gib(features + logits)} in a full-batch fit, "
        f"{gib(free)} are free: minibatches of {batch:,} rows are read from the file in shuffled blocks; "
        f"{settings.steps:,} steps see {seen:.2g} times the {n:,} training rows",
        DebiasWarning,
        stacklevel=3,
    )
    return FitPlan(replace(settings, batch_size=batch), mapped=True)
