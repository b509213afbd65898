"""How the model ``mini`` was made: CLIP's own training, on captioned images of the miniature's worlds.

    python -m studies.mini_pretraining OUT

draws the images (from a random stream that no benchmark uses), trains on a GPU if there is one, else
within an hour on two cores, and writes an ordinary open_clip checkpoint to the folder OUT.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn

from debias_pt.datasets.synthetic.canvas import SIZE
from debias_pt.datasets.synthetic.worlds import WORLDS
from debias_pt.models.text import TextTower
from debias_pt.utils.files import make_folder, write_json, write_tensors

LOG = logging.getLogger(__name__)

ARCHITECTURE: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": SIZE, "layers": [2, 2, 2, 2], "width": 16, "head_width": 64},
    "text_cfg": {"context_length": 48, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 3},
}
PREPROCESSING = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "shortest"}
SHARES = {"waterbirds-mini": 0.38, "celeba-mini": 0.18, "metashift-mini": 0.24, "shapes-mini": 0.2}
CAPTIONS = 6  # per image; one of them is read each time the image is seen


@dataclass(frozen=True)
class Recipe:
    """Everything the result depends on."""

    images: int = 48_000
    epochs: int = 14
    batch: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.05
    seed: int = 0


def draw_images(count: int, seed: int = 0) -> tuple[Tensor, list[list[str]], Tensor]:
    """Draw captioned images of all worlds, with each world's web proportions.

    Returns
    -------
    images : Tensor of uint8, shape (N, 3, 64, 64)
    captions : list of N lists of str
    world : Tensor of int, shape (N,)
        Which world each image is of.
    """
    rng = np.random.default_rng([seed, len(WORLDS)])
    jobs = []
    for name, world in WORLDS.items():
        share = np.asarray(world.web, dtype=float) / sum(world.web)
        groups = rng.choice(len(share), size=round(count * SHARES[name]), p=share)
        jobs += [(name, index, int(group), seed) for index, group in enumerate(groups)]
    with multiprocessing.get_context("spawn").Pool() as pool:
        drawn = pool.starmap(_draw_one, jobs, chunksize=256)
    images = torch.from_numpy(np.stack([pixels for pixels, _ in drawn])).permute(0, 3, 1, 2).contiguous()
    numbers = [WORLDS[name].number for name, *_ in jobs]
    return images, [captions for _, captions in drawn], torch.tensor(numbers)


def _draw_one(name: str, index: int, group: int, seed: int) -> tuple[Any, list[str]]:
    scene = WORLDS[name].scene("pretraining", index, group, seed)
    rng = np.random.default_rng([seed, index])
    return np.asarray(scene.image), [scene.caption(rng) for _ in range(CAPTIONS)]


def tokenizer() -> SimpleTokenizer:
    """Return open_clip's own tokenizer, cutting at the model's context length."""
    return SimpleTokenizer(context_length=ARCHITECTURE["text_cfg"]["context_length"])


def tokenize(captions: list[list[str]]) -> Tensor:
    """Return the token ids of every image's captions, shape ``(N, CAPTIONS, L)``."""
    read = tokenizer()
    return torch.stack([read(texts) for texts in captions])


def pretrain(
    images: Tensor, tokens: Tensor, world: Tensor, recipe: Recipe, device: torch.device
) -> Iterator[tuple[int, float, CLIP]]:
    """Train a CLIP from scratch (Radford et al., 2021), yielding (epoch, mean loss, model) after each epoch.

    Parameters
    ----------
    images : Tensor of uint8, shape (N, 3, 64, 64)
    tokens : Tensor of int, shape (N, CAPTIONS, L)
    world : Tensor of int, shape (N,)
    recipe : Recipe
    device : torch.device
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = CLIP(**ARCHITECTURE).to(device)
    model.visual.to(memory_format=torch.channels_last)
    tower = TextTower(model, tokenizer())
    words = WordLoss(tokens, model.visual.output_dim, generator).to(device)
    learned = [*model.parameters(), *words.parameters()]
    matrices = [p for p in learned if p.ndim > 1]
    others = [p for p in learned if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98))
    steps = sum(1 for _ in batches(world, recipe.batch, generator)) * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=steps, pct_start=0.06)
    model.train()
    for epoch in range(recipe.epochs):
        losses = []
        for rows in batches(world, recipe.batch, generator):
            read = tokens[rows, torch.randint(CAPTIONS, (len(rows),), generator=generator)].to(device)
            seen = augment(images[rows], generator).to(device)
            with torch.autocast(device.type, torch.bfloat16):
                features = model.encode_image(seen)
            loss = contrastive_loss(model, tower, features.float(), read) + words(features.float(), read)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learned, 1.0)
            optimizer.step()
            if schedule.last_epoch < steps:  # epochs differ by a batch or two
                schedule.step()
            with torch.no_grad():
                model.logit_scale.clamp_(max=float(np.log(100)))
            losses.append(loss.item())
        yield epoch, float(np.mean(losses)), model


def batches(world: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield an epoch's batches of rows: half of all images in batches of one world, half mixed.

    Against images of the same world, only what distinguishes them helps.
    """
    order = torch.randperm(len(world), generator=generator)
    mixed, alone = order.chunk(2)
    parts = [mixed, *(alone[world[alone] == number] for number in range(len(WORLDS)))]
    whole = [rows for part in parts for rows in torch.split(part, size) if len(rows) == size]
    for i in torch.randperm(len(whole), generator=generator).tolist():
        yield whole[i]


def contrastive_loss(model: CLIP, tower: TextTower, features: Tensor, tokens: Tensor) -> Tensor:
    """Return CLIP's symmetric cross-entropy between images and captions; equal captions count as one."""
    tokens, own = torch.unique(tokens, dim=0, return_inverse=True)
    end = tower.end_positions(tokens)
    embeddings = model.token_embedding(tokens[:, : int(end.max()) + 1])
    text = nn.functional.normalize(tower.encode(embeddings, end), dim=-1)
    logits = model.logit_scale.exp() * nn.functional.normalize(features, dim=-1) @ text.T
    shows = nn.functional.one_hot(own, len(tokens)).float()
    per_text = nn.functional.cross_entropy(logits.T, (shows / shows.sum(0)).T)
    return (nn.functional.cross_entropy(logits, own) + per_text) / 2


class WordLoss(nn.Module):
    """Cross-entropy between an image and the words of its caption; rare words count more.

    Only makes the image tower learn faster (after SuperClass, arXiv 2411.03313); discarded afterwards.
    """

    rarity: Tensor
    number: Tensor

    def __init__(self, tokens: Tensor, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        found, index = torch.unique(tokens, return_inverse=True)
        counts = torch.bincount(index.flatten()).float()
        rarity = (tokens.shape[0] * tokens.shape[1] / counts).log().clamp(min=0)
        rarity[found == 0] = 0
        number = torch.zeros(int(found.max()) + 1, dtype=torch.long)
        number[found] = torch.arange(len(found))
        self.register_buffer("rarity", rarity)
        self.register_buffer("number", number)
        self.weight = nn.Parameter(torch.randn(len(found), dim, generator=generator) * 0.02)

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Return the mean loss of images with features ``(B, D)`` and captions ``(B, L)``."""
        words = self.number[tokens]
        target = torch.zeros(len(words), len(self.rarity), device=words.device)
        target.scatter_(1, words, 1.0)
        target = target * self.rarity
        logits = features @ self.weight.T
        return nn.functional.cross_entropy(logits, target / target.sum(1, keepdim=True))


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the images and shift all by up to four pixels; uint8 to the model's normalised fp32."""
    padded = nn.functional.pad(images.float(), (4, 4, 4, 4), mode="replicate")
    down, right = torch.randint(9, (2,), generator=generator).tolist()
    moved = padded[..., down : down + SIZE, right : right + SIZE]
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    moved = torch.where(mirrored[:, None, None, None], moved.flip(-1), moved)
    return (moved / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def write_checkpoint(model: CLIP, tokens: Tensor, out: Path) -> None:
    """Write an ordinary open_clip checkpoint: matrices in fp16, rows of words never read set to zero."""
    read = torch.unique(tokens)
    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    known = torch.zeros(len(state["token_embedding.weight"]), 1)
    known[read[read > 0]] = 1
    state["token_embedding.weight"] = state["token_embedding.weight"] * known
    state = {name: (value.half() if value.ndim > 1 else value).contiguous() for name, value in state.items()}
    make_folder(out)
    write_tensors(out / "open_clip_model.safetensors", state, {"made_by": "python -m studies.mini_pretraining"})
    write_json(out / "open_clip_config.json", {"model_cfg": ARCHITECTURE, "preprocess_cfg": PREPROCESSING})


def main(out: Path, recipe: Recipe) -> None:
    """Draw, train and write, reporting progress."""
    start = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, captions, world = draw_images(recipe.images, recipe.seed)
    tokens = tokenize(captions)
    LOG.info("%d images drawn, %.0f s", len(images), time.perf_counter() - start)
    for epoch, loss, model in pretrain(images, tokens, world, recipe, device):
        seconds = time.perf_counter() - start
        LOG.info("epoch %d of %d: loss %.4f, %.0f s", epoch + 1, recipe.epochs, loss, seconds)
        write_checkpoint(model, tokens, out)


if __name__ == "__main__":
    import typer

    def command(out: Path, images: int = Recipe.images, epochs: int = Recipe.epochs, seed: int = 0) -> None:
        """Pretrain the model `mini` and write it to the folder OUT."""
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        main(out, Recipe(images=images, epochs=epochs, seed=seed))

    typer.run(command)
