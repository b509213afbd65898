"""Fit features that do not fit into memory, under a limit that the operating system sets; prints what it took."""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np


def write(path: Path, rows: int, dim: int, classes: int = 2) -> None:
    """Write unit rows of half precision: a weak class direction and a strong attribute direction in noise."""
    of_class = np.random.default_rng(1).standard_normal(
        (classes, dim - 2), dtype=np.float32
    )  # of more than two classes
    rng = np.random.default_rng(0)
    out = np.lib.format.open_memmap(path, "w+", np.float16, (rows, dim))
    for first in range(0, rows, 65536):
        n = min(65536, rows - first)
        part = rng.standard_normal((n, dim), dtype=np.float32)
        y, a = labels(first, n, classes)
        if classes == 2:
            part[:, 0] += 6 * (2 * y - 1)
        else:
            part[:, 2:] += of_class[y]
        part[:, 1] += 8 * (2 * a - 1)
        out[first : first + n] = part / np.linalg.norm(part, axis=1, keepdims=True)
    out.flush()


def labels(first: int, n: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return class and attribute of rows: the attribute is the class's usual one in 19 of 20."""
    row = np.arange(first, first + n)
    y = row // 7 % classes
    return y, np.where(row % 20 == 3, 1 - y % 2, y % 2)


def fit(path: Path, steps: int, batch: int | None, method: str, classes: int = 2) -> dict[str, object]:
    """Fit and judge; returns seconds, memory and accuracy."""
    import torch

    from debias_pt import Attribute, AttributeProbe, Groups
    from debias_pt.datasets.attributes import TrueAttribute
    from debias_pt.features.table import FeatureTable
    from debias_pt.training.tuner import Tuner

    start = time.perf_counter()
    features = np.load(path, mmap_mode="r")
    n = len(features)
    y, a = labels(0, n, classes)
    names = ("cat", "dog") if classes == 2 else tuple(f"class {k}" for k in range(classes))
    split = np.full(n, "train", dtype="<U5")
    split[5::49], split[7::49] = "val", "test"  # scattered over the file
    truth = {"place": TrueAttribute(("land", "water"), a)}
    table = FeatureTable(tuple(map(str, range(n))), features, y, split, names, truth, "generated")
    checked = time.perf_counter()
    backbone = _backbone(features.shape[1])
    probe = AttributeProbe(backbone, [Attribute("place", {"land": ["forest"], "water": ["lake"]})])
    answers = probe.predict(table.features)
    asked = time.perf_counter()
    groups = Groups.true(y, table.class_names, list(truth.values()))
    tuner = Tuner(backbone, method=method, head="linear", steps=steps, batch_size=batch, lr=0.05)
    tuner.fit(table, groups)
    fitted = time.perf_counter()
    test = np.asarray(table.split == "test")
    right = (tuner.predict(table)[0] == y)[test]
    of_group = groups.index[test]
    sizes = np.bincount(of_group, minlength=groups.n_groups)
    by_group = (np.bincount(of_group, right, minlength=groups.n_groups) / np.maximum(1, sizes))[sizes > 0]
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return {
        "rows": n,
        "file_gib": path.stat().st_size / 2**30,
        "seconds": {
            "check": checked - start,
            "probe": asked - checked,
            "fit": fitted - asked,
            "predict": time.perf_counter() - fitted,
        },
        "peak_data_or_rss_anon_mib": {name: int(status[name].split()[0]) // 1024 for name in ("VmData", "RssAnon")},
        "answers": list(answers[0].posterior.shape),
        "groups": groups.n_groups,
        "accuracy": float(right.mean()),
        "worst_group": float(by_group.min()),
        "batch_size": tuner.class_weights_.shape[0] and batch,
        "threads": torch.get_num_threads(),
    }


def _no_images(image: object) -> Any:
    raise NotImplementedError("features only")


def _backbone(dim: int):  # type: ignore[no-untyped-def]
    """Return a tiny random CLIP of the features' size: only its text tower is used."""
    import open_clip
    import torch

    from debias_pt.models.backbone import Backbone

    config = {
        "embed_dim": dim,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 8, "head_width": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    }
    torch.manual_seed(0)
    model = open_clip.model.CLIP(**config)
    return Backbone(
        model, open_clip.get_tokenizer("ViT-B-32"), _no_images, name="tiny", config=config, preprocessing={}
    )


def main() -> None:
    """Write the file if it is missing, set the limit, fit, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--limit-gib", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--method", default="dpt")
    args = parser.parse_args()
    if not args.file.exists():
        write(args.file, args.rows, args.dim, args.classes)
    limit = int(args.limit_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    print(json.dumps(fit(args.file, args.steps, args.batch_size, args.method, args.classes), indent=2))


if __name__ == "__main__":
    main()
