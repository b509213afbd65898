"""Prompt tuning as CoOp does it, to compare with: every epoch goes through the image tower again.

Zhou et al., 2022 (arXiv 2109.01134): minibatches of 32, SGD with momentum 0.9 and weight decay 5e-4, random resized
crops and flips, context vectors shared by all classes, all 77 tokens of every prompt through the text tower. Written
for this comparison; it trains, but is not used anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from debias_pt.datasets.images import open_rgb
from debias_pt.features.loader import default_workers
from debias_pt.models.backbone import Backbone

BATCH, EPOCHS, CONTEXT, LR = 32, 50, 16, 0.002


class CoOpLoop:
    """Steps of plain prompt tuning on image files.

    Parameters
    ----------
    backbone : Backbone
    paths : sequence of str
        Training images.
    y : Tensor of int, shape (n,)
        Their classes.
    class_names : sequence of str
    workers : int, optional
        Processes that read images; as many as :func:`debias_pt.encode` takes.

    Attributes
    ----------
    steps_per_epoch : int
    losses : list of float
        One per step made.
    """

    def __init__(
        self,
        backbone: Backbone,
        paths: Sequence[str],
        y: Tensor,
        class_names: Sequence[str],
        workers: int | None = None,
    ) -> None:
        self.backbone = backbone
        self.tower: Any = getattr(backbone.model, "text", backbone.model)
        tokens = backbone.tokenizer([f"{' '.join(['X'] * CONTEXT)} {name}." for name in class_names])
        tokens = tokens.to(backbone.device)
        self.end = backbone.text.end_positions(tokens)
        with torch.no_grad():
            embedded = backbone.text.embed(tokens)
        self.start, self.rest = embedded[:, :1], embedded[:, 1 + CONTEXT :]
        drawn = torch.randn(CONTEXT, embedded.shape[-1], generator=torch.Generator().manual_seed(0)) * 0.02
        self.context = nn.Parameter(drawn.to(backbone.device))
        self.optimizer = torch.optim.SGD([self.context], lr=LR, momentum=0.9, weight_decay=5e-4)
        loader = DataLoader(
            _Augmented(paths, y, backbone),
            batch_size=BATCH,
            shuffle=True,
            num_workers=default_workers() if workers is None else workers,
            persistent_workers=workers != 0,
            generator=torch.Generator().manual_seed(0),
            pin_memory=backbone.device.type == "cuda",
        )
        self.steps_per_epoch = len(loader)
        self.batches: Iterator[tuple[Tensor, Tensor]] = chain.from_iterable(repeat(loader))
        self.losses: list[float] = []

    def class_weights(self) -> Tensor:
        """Return unit class weights ``(K, D)``, by a pass of all tokens."""
        context = self.context.expand(len(self.start), -1, -1)
        hidden = torch.cat([self.start, context, self.rest], dim=1) + self.tower.positional_embedding
        hidden = self.tower.ln_final(self.tower.transformer(hidden, attn_mask=self.tower.attn_mask))
        pooled = hidden[torch.arange(len(self.end), device=hidden.device), self.end]
        projection = self.tower.text_projection
        features = projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection
        return nn.functional.normalize(features, dim=-1)

    def step(self) -> None:
        """Read, augment and encode a minibatch, and update the context."""
        images, y = next(self.batches)
        features = self.backbone.encode_images(images)
        logits = self.backbone.logit_scale * features @ self.class_weights().T
        loss = nn.functional.cross_entropy(logits, y.to(logits.device))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.losses.append(float(loss.detach()))


class _Augmented(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, paths: Sequence[str], y: Tensor, backbone: Backbone) -> None:
        self.paths, self.y = paths, y
        config = backbone.fingerprint["preprocessing"]
        self.augment = _augmentation(config) if isinstance(config, dict) else backbone.preprocess

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.augment(open_rgb(self.paths[index])), self.y[index]


def _augmentation(config: dict[str, Any]) -> Any:
    """Return random crops and flips to the model's size, and its normalization."""
    size = config["size"]
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(size, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(config["mean"], config["std"]),
        ]
    )
