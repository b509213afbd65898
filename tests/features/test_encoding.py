"""Promises: images are encoded once and found again by content; what changed is noticed; broken images, foreign
or damaged shards and NaN are refused; a killed run keeps its shards and leaves nothing half-written."""

from __future__ import annotations

import copy
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from debias_pt.datasets import ImageDataset, load_dataset
from debias_pt.datasets.images import open_rgb
from debias_pt.errors import DebiasWarning, FingerprintError, ImageError, NonFiniteError, OutputError
from debias_pt.features import blocks
from debias_pt.features.cache import FeatureCache
from debias_pt.features.claims import Claims
from debias_pt.features.encoding import encode_paths, encode_with_stats
from debias_pt.models.backbone import Backbone
from debias_pt.utils.hashing import content_hashes
from tests.helpers.signals import heed_interrupts
from tests.helpers.tiny_data import write_checkpoint


@pytest.fixture
def dataset(data_root: Path) -> ImageDataset:
    return load_dataset("waterbirds", data_root, check_counts=False)


def shards(cache: Path) -> list[Path]:
    return sorted(cache.glob("features/*/*.safetensors"))


def test_features_equal_encoding_one_by_one(backbone: Backbone, dataset: ImageDataset, tmp_path: Path) -> None:
    table, stats = encode_with_stats(backbone, dataset, cache_dir=tmp_path, batch_size=7, workers=2)
    assert stats.encoded == stats.images == len(dataset)
    for row in (0, 17, len(dataset) - 1):
        pixels = backbone.preprocess(open_rgb(dataset.root / dataset.ids[row]))[None]
        assert np.allclose(table.features[row], backbone.encode_images(pixels)[0].numpy(), atol=1e-6)
    assert table.ids == dataset.ids
    assert (table.y == dataset.y).all()


def test_a_second_run_encodes_nothing(
    backbone: Backbone, dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = encode_with_stats(backbone, dataset, cache_dir=tmp_path, workers=0)
    monkeypatch.setattr(Backbone, "encode_images", None)
    second, stats = encode_with_stats(backbone, dataset, cache_dir=tmp_path, workers=0)
    assert stats.encoded == 0
    assert (first.features == second.features).all()


def test_a_moved_data_set_is_found_again(backbone: Backbone, dataset: ImageDataset, tmp_path: Path) -> None:
    encode_with_stats(backbone, dataset, cache_dir=tmp_path / "cache", workers=0)
    shutil.copytree(dataset.root, tmp_path / "elsewhere")
    moved = replace(dataset, root=tmp_path / "elsewhere")
    assert encode_with_stats(backbone, moved, cache_dir=tmp_path / "cache", workers=0)[1].encoded == 0


def test_only_a_changed_image_is_encoded_again(backbone: Backbone, dataset: ImageDataset, tmp_path: Path) -> None:
    before, _ = encode_with_stats(backbone, dataset, cache_dir=tmp_path, workers=0)
    changed = dataset.root / dataset.ids[3]
    status = changed.stat()
    Image.new("RGB", (40, 36), (255, 0, 0)).save(changed)
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))  # only content and size tell
    after, stats = encode_with_stats(backbone, dataset, cache_dir=tmp_path, workers=0)
    assert stats.encoded == 1
    differ = (before.features != after.features).any(axis=1)
    assert np.flatnonzero(differ).tolist() == [3]


def test_a_change_right_after_hashing_is_noticed(tmp_path: Path) -> None:
    """Same size, and a time stamp too coarse to differ."""
    file = tmp_path / "a.jpg"
    file.write_bytes(b"first")
    status = file.stat()
    first = content_hashes(tmp_path, ["a.jpg"], tmp_path / "index")
    file.write_bytes(b"other")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert content_hashes(tmp_path, ["a.jpg"], tmp_path / "index") != first


def test_an_edit_that_keeps_size_and_time_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("debias_pt.utils.hashing.RACY_NS", -(10**12))
    file = tmp_path / "a.jpg"
    file.write_bytes(b"first")
    status = file.stat()
    first = content_hashes(tmp_path, ["a.jpg"], tmp_path / "index")
    time.sleep(0.05)
    file.write_bytes(b"other")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert content_hashes(tmp_path, ["a.jpg"], tmp_path / "index") != first


def test_old_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"first")
    monkeypatch.setattr("debias_pt.utils.hashing.RACY_NS", -(10**12))
    first = content_hashes(tmp_path, ["a.jpg"], tmp_path / "index")
    monkeypatch.setattr("debias_pt.utils.hashing.file_digest", None)
    assert content_hashes(tmp_path, ["a.jpg"], tmp_path / "index") == first


def test_a_changed_model_has_a_cache_of_its_own(backbone: Backbone, dataset: ImageDataset, tmp_path: Path) -> None:
    encode_with_stats(backbone, dataset, cache_dir=tmp_path / "cache", workers=0)
    other = Backbone.load(f"local-dir:{write_checkpoint(tmp_path / backbone.name, seed=5)}")
    _, stats = encode_with_stats(other, dataset, cache_dir=tmp_path / "cache", workers=0)
    assert stats.encoded == len(dataset)
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 2


def test_images_of_the_same_content_are_encoded_once(backbone: Backbone, dataset: ImageDataset, tmp_path: Path) -> None:
    shutil.copy(dataset.root / dataset.ids[0], dataset.root / dataset.ids[1])
    table, stats = encode_with_stats(backbone, dataset, cache_dir=tmp_path, workers=0)
    assert stats.encoded == len(dataset) - 1
    assert (table.features[0] == table.features[1]).all()


def test_a_foreign_shard_is_refused(backbone: Backbone, dataset: ImageDataset, tmp_path: Path) -> None:
    encode_with_stats(backbone, dataset, cache_dir=tmp_path / "cache", workers=0)
    other = Backbone.load(f"local-dir:{write_checkpoint(tmp_path / 'other', seed=6)}")
    theirs = FeatureCache(tmp_path / "cache", other.fingerprint)
    theirs.folder.mkdir(parents=True)
    shutil.copy(shards(tmp_path / "cache")[0], theirs.folder / "stray.safetensors")
    with pytest.raises(FingerprintError, match=r"stray\.safetensors: its weights is '.*', here it is '"):
        encode_with_stats(other, dataset, cache_dir=tmp_path / "cache", workers=0)


def test_a_damaged_shard_is_refused(backbone: Backbone, dataset: ImageDataset, tmp_path: Path) -> None:
    encode_with_stats(backbone, dataset, cache_dir=tmp_path, workers=0)
    shard = shards(tmp_path)[0]
    shard.write_bytes(shard.read_bytes()[:-40])
    with pytest.raises(FingerprintError, match="damaged or unreadable .*; delete it and run again"):
        encode_with_stats(backbone, dataset, cache_dir=tmp_path, workers=0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_named_and_the_rest_kept(
    backbone: Backbone, dataset: ImageDataset, tmp_path: Path, workers: int
) -> None:
    broken = dataset.root / dataset.ids[40]
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(ImageError) as caught:
        encode_with_stats(backbone, dataset, cache_dir=tmp_path, batch_size=16, workers=workers)
    assert str(caught.value).startswith(f"{broken}: cannot read this image")
    assert "\n" not in str(caught.value)
    Image.new("RGB", (40, 36)).save(broken)
    _, stats = encode_with_stats(backbone, dataset, cache_dir=tmp_path, workers=0)
    assert stats.encoded == 1  # the rest of its block was kept


def test_a_model_that_gives_nan_is_refused(tiny_checkpoint: Path, dataset: ImageDataset, tmp_path: Path) -> None:
    sick = Backbone.load(f"local-dir:{tiny_checkpoint}")
    with torch.no_grad():
        sick.model.visual.proj[0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match="the model gave NaN or infinity"):
        encode_with_stats(sick, dataset, cache_dir=tmp_path, workers=0)
    assert not shards(tmp_path)


def test_a_cache_folder_that_cannot_be_made_is_one_clear_line(
    backbone: Backbone, dataset: ImageDataset, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot create this folder"):
        encode_with_stats(backbone, dataset, cache_dir=tmp_path / "file" / "cache", workers=0)


def test_paths_without_a_cache(backbone: Backbone, dataset: ImageDataset) -> None:
    paths = [str(dataset.root / name) for name in dataset.ids[:3]]
    assert encode_paths(backbone, paths).shape == (3, 24)
    assert encode_paths(backbone, []).shape == (0, 24)


SLOW = """
import sys, time
from pathlib import Path
from debias_pt.features import blocks, encoding
from debias_pt.models.backbone import Backbone
from debias_pt.datasets import load_dataset
blocks.SHARD_ROWS = 8
plain = Backbone.encode_images
def slow(self, *images):
    time.sleep(float(sys.argv[4]))
    print(len(images[0]), flush=True)
    return plain(self, *images)
Backbone.encode_images = slow
backbone = Backbone.load("local-dir:" + sys.argv[1])
dataset = load_dataset("waterbirds", sys.argv[2], check_counts=False)
cache, workers = Path(sys.argv[3]), int(sys.argv[5])
_, stats = encoding.encode_with_stats(backbone, dataset, cache_dir=cache, batch_size=4, workers=workers)
print("encoded", stats.encoded)
"""


def start(checkpoint: Path, root: Path, cache: Path, pause: float, workers: int = 0) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", SLOW, str(checkpoint), str(root), str(cache), str(pause), str(workers)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(words, text=True, preexec_fn=heed_interrupts, **pipes)


@pytest.mark.parametrize(("kill", "workers"), [(signal.SIGKILL, 0), (signal.SIGINT, 2)])
def test_a_stopped_run_goes_on_from_its_shards(
    backbone: Backbone, tiny_checkpoint: Path, data_root: Path, tmp_path: Path, kill: signal.Signals, workers: int
) -> None:
    run = start(tiny_checkpoint, data_root, tmp_path / "cache", 0.2, workers)
    deadline = time.time() + 60
    while len(shards(tmp_path / "cache")) < 2 and time.time() < deadline:
        time.sleep(0.05)
    run.send_signal(kill)
    run.communicate(timeout=30)
    assert run.returncode != 0
    kept = FeatureCache(tmp_path / "cache", backbone.fingerprint).read()
    dataset = load_dataset("waterbirds", data_root, check_counts=False)
    assert 16 <= len(kept) < len(dataset)
    table, stats = encode_with_stats(backbone, dataset, cache_dir=tmp_path / "cache", workers=0)
    assert stats.encoded == len(dataset) - len(kept)
    fresh, _ = encode_with_stats(backbone, dataset, cache_dir=tmp_path / "fresh", workers=0)
    assert np.allclose(table.features, fresh.features, atol=1e-6)


def test_two_processes_share_the_work(
    backbone: Backbone, tiny_checkpoint: Path, data_root: Path, tmp_path: Path
) -> None:
    """Neither waits for the whole of the other's work, nothing is encoded twice, and the bits are one process's."""
    runs = [start(tiny_checkpoint, data_root, tmp_path / "both", 0.2) for _ in range(2)]
    outputs = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    counts = [int(out.split()[-1]) for out, _ in outputs]
    dataset = load_dataset("waterbirds", data_root, check_counts=False)
    assert sum(counts) == len(dataset)
    assert min(counts) >= 8
    (start(tiny_checkpoint, data_root, tmp_path / "one", 0)).communicate(timeout=120)
    both, one = (encode_with_stats(backbone, dataset, cache_dir=tmp_path / name) for name in ("both", "one"))
    assert both[1].encoded == one[1].encoded == 0
    assert (both[0].features == one[0].features).all()
    assert not list(tmp_path.glob("*/features/*/.*.lock"))


def test_a_block_of_a_process_that_died_is_taken_over(
    backbone: Backbone, tiny_checkpoint: Path, data_root: Path, tmp_path: Path
) -> None:
    dying = start(tiny_checkpoint, data_root, tmp_path, 0.5)
    deadline = time.time() + 60
    while not list(tmp_path.glob("features/*/.*.lock")) and time.time() < deadline:
        time.sleep(0.05)
    dying.kill()
    dying.communicate(timeout=30)
    other = start(tiny_checkpoint, data_root, tmp_path, 0)
    out, err = other.communicate(timeout=120)
    assert "waiting" not in err
    kept = len(load_dataset("waterbirds", data_root, check_counts=False)) - int(out.split()[-1])
    assert kept % 8 == 0


def test_a_held_block_is_left_to_the_others(tmp_path: Path) -> None:
    """Locks are files: a second claim in this process is as good as one in another."""
    cache = FeatureCache(tmp_path, {"model": "tiny"})
    keys = [f"{i:02x}" * 32 for i in range(5)]
    mine, theirs = (Claims(cache, keys, keys, 2) for _ in range(2))
    with mine, theirs:
        first = next(mine.free())
        for block in theirs.free():
            cache.add(block.keys, np.ones((len(block), 3), np.float32))
            theirs.release(block)
        assert [len(block) for block in theirs.busy] == [2]
        assert len(cache.read()) == 3
        cache.add(first.keys, np.ones((2, 3), np.float32))
        mine.release(first)
        assert list(theirs.others()) == []
        assert list(mine.free()) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_several_devices_take_turns(
    backbone: Backbone, dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    several = copy.copy(backbone)
    several.devices = (backbone.device,) * 3  # stand-ins for GPUs
    seen: list[int] = []
    plain = Backbone.encode_images
    monkeypatch.setattr(
        Backbone,
        "encode_images",
        lambda self, images, replica=0: [seen.append(replica), plain(self, images, replica)][1],
    )
    broken = dataset.root / dataset.ids[30]
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.warns(DebiasWarning):
        table, stats = encode_with_stats(
            several, dataset, cache_dir=tmp_path / "3", batch_size=8, workers=workers, skip_bad=True
        )
    assert seen == [i % 3 for i in range(len(seen))]
    assert len({id(model) for model in several.replicas}) == 3
    with pytest.warns(DebiasWarning):
        alone, _ = encode_with_stats(
            backbone, dataset, cache_dir=tmp_path / "1", batch_size=8, workers=0, skip_bad=True
        )
    assert list(stats.skipped) == [dataset.ids[30]]
    assert table.ids == alone.ids
    assert (table.features == alone.features).all()


def test_two_processes_may_add_the_same_images(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, {"model": "tiny"})
    keys = [f"{i:02x}" * 32 for i in range(3)]
    features = np.eye(3, dtype=np.float32)
    cache.add(keys, features)
    cache.add(keys[1:], features[1:])
    assert cache.read().missing(keys) == []
    assert cache.read().gather(keys).tolist() == features.tolist()


def test_shard_size_is_a_multiple_of_the_default_batch() -> None:
    assert blocks.SHARD_ROWS % 128 == 0
