"""What all cells of the suite share: features, model, settings, and the samples that seeds draw."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets import ImageDataset
from debias_pt.datasets.splits import require_split
from debias_pt.errors import NoModelError
from debias_pt.features.augmentation import encode_views
from debias_pt.features.table import FeatureTable
from debias_pt.models.backbone import Backbone
from debias_pt.models.feature_backbone import ADVICE, FeatureBackbone
from debias_pt.noise import NoisyLabels, add_noise, pseudo_labels
from debias_pt.noise.few_shot import FewShot
from debias_pt.noise.pseudo_labels import zero_shot_probabilities
from debias_pt.workflows.prepare import encode_dataset, load_backbone, load_images

from .cells import TOP_CONFIDENCE, Cell
from .settings import NoisySettings


@dataclass(frozen=True)
class NoisyCase:
    """One data set with one model and one budget.

    Parameters
    ----------
    settings : NoisySettings
    backbone : Backbone
    table : FeatureTable
        All splits.
    dataset : ImageDataset
        The images, which cached views are made from.
    """

    settings: NoisySettings
    backbone: Backbone
    table: FeatureTable
    dataset: ImageDataset
    _drawn: dict[tuple[str, float, int], NoisyLabels] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, settings: NoisySettings) -> NoisyCase:
        """Read, encode what the cache does not hold."""
        require_split(settings.split)
        dataset = load_images(settings)
        backbone = load_backbone(settings, dataset)
        if isinstance(backbone, FeatureBackbone):
            raise NoModelError(f"{settings.dataset}: features alone; the experiments learn prompts: {ADVICE}")
        return cls(settings, backbone, encode_dataset(settings, backbone, dataset)[0], dataset)

    @property
    def seeds(self) -> tuple[int, ...]:
        """One per run of a cell."""
        return tuple(range(self.settings.seed, self.settings.seed + self.settings.seeds))

    @property
    def has_suspects(self) -> bool:
        """Whether there is an attribute to make groups of."""
        return bool(self.dataset.suspects or self.settings.attribute)

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """The zero-shot model's probabilities of every image, shape ``(N, K)``."""
        return zero_shot_probabilities(self.backbone, self.table)

    @cached_property
    def reported(self) -> FeatureTable:
        """The rows of the split that is reported on."""
        return self.table.where(self.settings.split)

    def draw(self, cell: Cell, seed: int) -> NoisyLabels:
        """Return the samples and labels of a cell's run."""
        found = self._drawn.get((cell.kind, cell.rate, seed))
        if found is None:
            found = self._draw(cell, seed)
            self._drawn[(cell.kind, cell.rate, seed)] = found
        return found

    def _draw(self, cell: Cell, seed: int) -> NoisyLabels:
        shots = self.settings.shots
        if cell.unsupervised:
            sampling = "top-confidence" if cell.kind == TOP_CONFIDENCE else "random"
            return pseudo_labels(self.table, self.probabilities, shots, sampling, seed)
        kind = "replacement-ptnl" if (cell.kind, self.settings.replacement) == ("replacement", "ptnl") else cell.kind
        needed = self.probabilities if kind == "confusion" else None
        return add_noise(self.table, self.few_shot(seed), kind, cell.rate, probabilities=needed)

    def few_shot(self, seed: int, split: str = "train") -> FewShot:
        """Return the clean images of a split that a run may look at; in validation at most 4 per class (CoOp)."""
        draw, shots = self.settings.draw, self.settings.shots
        if draw == "coop-files":
            return FewShot.read(self.table, Path(self.dataset.root) / "split_fewshot", shots, seed, split=split)
        return FewShot.draw(self.table, shots, seed, rule=draw, split=split)

    def samples(self) -> list[dict[str, Any]]:
        """Return everything drawn so far as plain JSON: images, their given labels, their true labels."""
        return [{**labels.to_dict(), **labels.report()} for _, labels in sorted(self._drawn.items())]

    def features(self, rows: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
        """Return features of training rows; with views, the plain ones followed by those of every crop."""
        plain = self.table.features[rows]
        if not self.settings.views:
            return plain
        place = {name: row for row, name in enumerate(self.dataset.ids)}
        images = [place[self.table.ids[row]] for row in rows]
        cache = Path(self.settings.cache_dir) if self.settings.cache_dir else None
        views = encode_views(self.backbone, self.dataset, images, self.settings.views, seed, cache_dir=cache)
        return np.concatenate([plain, *views])
