"""Promises: what lies in a store gives the features of files, bit for bit; each image is read once, and not again until
it changes; passing faults are waited out; a store that refuses is one line; no password or signature is kept."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from debias_pt.cli.main import main
from debias_pt.datasets import CustomData, ImageDataset, load_dataset
from debias_pt.datasets.image_files import gather
from debias_pt.errors import DatasetError, FetchError, UsageError
from debias_pt.features import blocks
from debias_pt.features.encoding import encode_paths, encode_with_stats
from debias_pt.features.loader import Fault
from debias_pt.features.ray_encoding import ImageWorker
from debias_pt.models.backbone import Backbone
from debias_pt.settings import TrainSettings, resolve
from debias_pt.utils.stores import access
from debias_pt.utils.stores.addresses import shown
from debias_pt.workflows.train import portable
from tests.helpers.store_servers import Store, s3, web
from tests.helpers.tiny_data import FOLDER

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")


@pytest.fixture(scope="module", autouse=True)
def _without_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access, "PAUSE_S", 0.0)
        patch.setenv("no_proxy", "127.0.0.1")
        for name, value in {"ACCESS_KEY_ID": "me", "SECRET_ACCESS_KEY": "mine", "DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(f"AWS_{name}", value)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="module")
def bucket(waterbirds_root: Path) -> Iterator[Store]:
    """The bucket ``birds`` with the tiny Waterbirds under ``data``."""
    import s3fs

    with s3() as store, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", store.url)
        files = s3fs.S3FileSystem(skip_instance_cache=True)
        files.mkdir("birds")
        files.put(str(waterbirds_root / FOLDER), f"birds/data/{FOLDER}", recursive=True)
        store.asked.clear()
        yield store


@pytest.fixture
def site(waterbirds_root: Path, tmp_path: Path) -> Iterator[Store]:
    """A web server of a copy of the tiny Waterbirds."""
    with web(Path(shutil.copytree(waterbirds_root, tmp_path / "site"))) as store:
        yield store


@pytest.fixture(autouse=True)
def _in_order(request: pytest.FixtureRequest) -> Iterator[None]:
    """A shared server forgets what a test told it."""
    yield
    if "bucket" in request.fixturenames:
        store: Store = request.getfixturevalue("bucket")
        store.asked.clear()
        store.faults.clear()
        store.always.clear()


def birds(root: str, cache: Path) -> ImageDataset:
    return load_dataset("waterbirds", root, check_counts=False, cache_dir=cache)


def encoded(backbone: Backbone, dataset: ImageDataset, cache: Path, workers: int = 0) -> np.ndarray[Any, Any]:
    return encode_with_stats(backbone, dataset, cache_dir=cache, workers=workers)[0].features


def test_a_bucket_gives_the_features_of_files_and_each_image_is_read_once(
    bucket: Store, backbone: Backbone, waterbirds_root: Path, tmp_path: Path
) -> None:
    here, there = birds(str(waterbirds_root), tmp_path), birds("s3://birds/data", tmp_path)
    assert there.ids == here.ids
    assert (there.y == here.y).all()
    listed = len(bucket.asked)
    assert listed < 20  # by listing folders, not by asking for each image
    table, stats = encode_with_stats(backbone, there, cache_dir=tmp_path / "there", workers=2)
    assert (table.features == encoded(backbone, here, tmp_path / "here")).all()
    assert stats.encoded == len(here)
    assert bucket.count("GET", ".jpg") == len(here)
    bucket.asked.clear()
    assert (encoded(backbone, birds("s3://birds/data", tmp_path), tmp_path / "there") == table.features).all()
    assert bucket.count("GET", ".jpg") == 0


def test_the_web_with_passing_faults_gives_the_same(
    site: Store, backbone: Backbone, waterbirds_root: Path, tmp_path: Path
) -> None:
    expected = encoded(backbone, birds(str(waterbirds_root), tmp_path), tmp_path / "here")
    site.faults += ["reset", 503, "cut"]
    dataset = birds(site.url, tmp_path)
    site.faults += [503, "slow", "reset", "cut", 500, 429, "cut", "reset"]
    assert (encoded(backbone, dataset, tmp_path / "there", workers=1) == expected).all()
    assert not site.faults


def test_a_bucket_with_passing_faults_gives_the_same(
    bucket: Store, backbone: Backbone, waterbirds_root: Path, tmp_path: Path
) -> None:
    expected = encoded(backbone, birds(str(waterbirds_root), tmp_path), tmp_path / "here")
    bucket.faults += [503, "reset", "cut", 500]
    dataset = birds("s3://birds/data", tmp_path)
    bucket.faults += [503, "reset", "cut", 500, "cut"]
    assert (encoded(backbone, dataset, tmp_path / "there") == expected).all()
    assert not bucket.faults


def test_any_store_that_fsspec_knows(backbone: Backbone, waterbirds_root: Path, tmp_path: Path) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.put(str(waterbirds_root / FOLDER), "/pets", recursive=True)
    store.rm("/pets/metadata.csv")
    own = CustomData(class_names=("000.Bird=landbird", "001.Bird=waterbird"))
    local = Path(shutil.copytree(waterbirds_root / FOLDER, tmp_path / "pets"))
    (local / "metadata.csv").unlink()
    here, there = load_dataset(local, own=own), load_dataset("memory://pets", own=own)
    assert (there.name, there.ids, there.split.tolist()) == ("pets", here.ids, here.split.tolist())
    assert (encoded(backbone, there, tmp_path / "there") == encoded(backbone, here, tmp_path / "here")).all()
    assert gather(["memory://pets"])[0] == [f"memory://pets/{name}" for name in sorted(here.ids)]


def test_only_an_image_that_changed_is_read_again(site: Store, backbone: Backbone, tmp_path: Path) -> None:
    dataset = birds(site.url, tmp_path)
    encoded(backbone, dataset, tmp_path)
    folder = tmp_path / "site" / FOLDER
    shutil.copy(folder / dataset.ids[5], folder / dataset.ids[0])
    site.asked.clear()
    _, stats = encode_with_stats(backbone, birds(site.url, tmp_path), cache_dir=tmp_path, workers=0)
    assert stats.encoded == site.count("GET", ".jpg") == 1


def test_without_versions_the_content_tells(site: Store, backbone: Backbone, tmp_path: Path) -> None:
    site.etags = False
    dataset = birds(site.url, tmp_path).rows([0, 1])
    encoded(backbone, dataset, tmp_path)
    folder = tmp_path / "site" / FOLDER
    shutil.copy(folder / dataset.ids[1], folder / dataset.ids[0])
    _, stats = encode_with_stats(backbone, birds(site.url, tmp_path).rows([0, 1]), cache_dir=tmp_path, workers=0)
    assert stats.encoded == 0  # the content of the other one is known


def test_signatures_open_images_and_are_not_kept(
    site: Store, backbone: Backbone, waterbirds_root: Path, tmp_path: Path
) -> None:
    names = birds(str(waterbirds_root), tmp_path).ids[:48:4]

    def table(signature: str) -> ImageDataset:
        rows = [f"{site.url}/{FOLDER}/{name}?v=1&X-Amz-Signature={signature},{name[:3]}s" for name in names]
        (tmp_path / "signed.csv").write_text("\n".join(["path,label", *rows]))
        return load_dataset(tmp_path / "signed.csv")

    first, stats = encode_with_stats(backbone, table("secret1"), cache_dir=tmp_path / "cache", workers=0)
    assert stats.encoded == len(names)
    assert first.ids == tuple(f"{site.url}/{FOLDER}/{name}?v=1" for name in names)
    assert any("secret1" in path for _, path in site.asked)
    again, stats = encode_with_stats(backbone, table("secret2"), cache_dir=tmp_path / "cache", workers=0)
    assert stats.encoded == 0
    assert again.data_fingerprint() == {**first.data_fingerprint(), "name": "signed.csv"}
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not any(b"secret" in path.read_bytes() for path in kept)
    (tmp_path / "site" / FOLDER / names[0]).write_bytes(b"no image")
    with pytest.raises(DatasetError, match="cannot read this image") as caught:
        encode_with_stats(backbone, table("secret3"), cache_dir=tmp_path / "cache", workers=0)
    assert "secret" not in str(caught.value)


def test_a_store_that_goes_away_loses_nothing(
    site: Store, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "SHARD_ROWS", 16)
    dataset = birds(site.url, tmp_path)
    site.always[dataset.ids[50]] = 503
    with pytest.raises(FetchError, match=r"no answer in 5 attempts \(503.*what was encoded is kept"):
        encode_with_stats(backbone, dataset, cache_dir=tmp_path, workers=0, skip_bad=True)  # no fault of the image
    site.always.clear()
    table, stats = encode_with_stats(backbone, dataset, cache_dir=tmp_path, workers=0)
    assert 0 < stats.encoded < len(dataset)  # not what came before the fault
    assert (table.features == encoded(backbone, dataset, tmp_path / "other")).all()


def test_a_missing_image_is_named_or_left_out(site: Store, backbone: Backbone, tmp_path: Path) -> None:
    name = birds(site.url, tmp_path).ids[3]
    (tmp_path / "site" / FOLDER / name).unlink()
    with pytest.raises(DatasetError, match=f"1 of 90 images are missing, first row 4, '{name}'"):
        birds(site.url, tmp_path)
    dataset = load_dataset("waterbirds", site.url, check_counts=False, check_images=False, cache_dir=tmp_path)
    with pytest.warns(UserWarning, match="no such image file"):
        table, stats = encode_with_stats(backbone, dataset, cache_dir=tmp_path, workers=0, skip_bad=True)
    assert list(stats.skipped) == [name]
    assert len(table) == 89


@pytest.mark.parametrize(
    ("dataset", "root", "line"),
    [
        ("waterbirds", "s3://nobody/data", "s3://nobody/data: no such folder; give --data-root"),
        ("waterbirds", "s3://birds/elsewhere", "s3://birds/elsewhere: no such folder"),
        ("s3://birds/nothing.csv", "data", "s3://birds/nothing.csv: no such file or folder"),
        ("s3://denied/pets", "data", r"s3://denied/pets: access denied \(Forbidden\); credentials that may read"),
        ("waterbirds", "gs://birds/data", r"reading gs:// needs a package that is not installed; pip install 'gcsfs'"),
        ("waterbirds", "xyz://birds", r"cannot read this \(Protocol not known: xyz\); s3://, gs://, hf:// or https://"),
        ("waterbirds", "s3://me:mine@birds/data", "s3://birds/data: the address carries a password or a signature"),
    ],
)
def test_what_is_wrong_takes_one_line(bucket: Store, tmp_path: Path, dataset: str, root: str, line: str) -> None:
    bucket.always |= {"denied/pets": 403}
    with pytest.raises(UsageError, match=line) as caught:
        load_dataset(dataset, root, check_counts=False, cache_dir=tmp_path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert "mine" not in str(caught.value)


def test_no_credentials(bucket: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(DatasetError, match=r"birds/data: no credentials \(Unable to locate credentials\); put them"):
        birds("s3://birds/data", tmp_path)
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_web_server_that_denies_or_is_gone(site: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.always["metadata.csv"] = 403
    with pytest.raises(DatasetError, match=r"metadata.csv: access denied \(403 Forbidden\)"):
        birds(site.url, tmp_path)
    monkeypatch.setattr(access, "ATTEMPTS", 2)
    with pytest.raises(FetchError, match="no answer in 2 attempts .*check the network") as caught:
        birds("http://127.0.0.1:9", tmp_path)
    assert caught.value.exit_code == 1


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_the_command_line(
    bucket: Store, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--data-root", "s3://birds/data", "--no-check-counts", "--cache-dir", tmp_path / "cache")
    assert run("encode", "waterbirds", *where, "--pretrained", f"local-dir:{tiny_checkpoint}", "--json") == 0
    assert json.loads(capsys.readouterr().out)["encoded"] == 90
    assert run("data", "verify", "waterbirds", *where[:-2], "--read-images", "--json") == 0
    assert json.loads(capsys.readouterr().out)["folder"] == f"s3://birds/data/{FOLDER}"
    bucket.always["birds"] = 403
    assert run("encode", "s3://birds") == 2
    told = capsys.readouterr().err
    assert told.startswith("error: s3://birds: access denied")
    assert told.count("\n") == 1


def test_a_run_keeps_addresses() -> None:
    given = {"dataset": "s3://bucket/a.csv", "data_root": "s3://bucket", "image_root": "https://host/images"}
    kept = portable(resolve(TrainSettings, given))
    assert {name: kept[name] for name in given} == given
    assert portable(resolve(TrainSettings, {"dataset": "a.tar"}))["dataset"] == str(Path("a.tar").resolve())
    with pytest.raises(UsageError, match="the address carries a password or a signature"):
        portable(resolve(TrainSettings, {"dataset": "https://host/a.csv?token=mine"}))


def test_a_worker_reads_from_the_store_by_itself(site: Store, backbone: Backbone, tmp_path: Path) -> None:
    dataset = birds(site.url, tmp_path)
    options = {"device": "cpu", "precision": "fp32", "draft": False, "decode": "cpu"}
    paths = tuple(map(dataset.path, dataset.ids[:20]))
    threads = torch.get_num_threads()
    rows, features, bad = ImageWorker(backbone.source, options, 0, os.getcwd()).encode(paths, 16)
    torch.set_num_threads(threads)
    assert (rows, bad) == (list(range(20)), {})
    assert (features == encode_paths(backbone, paths, batch_size=16, workers=0).numpy()).all()
    fault = pickle.loads(pickle.dumps(Fault.of(FetchError("gone"))))  # as it comes from a reading process
    assert (fault, fault.kind) == ("gone", FetchError)


@pytest.fixture
def ray(pytestconfig: pytest.Config) -> Iterator[None]:
    """A Ray of one core, not one that may run on this machine already."""
    if "cluster" not in pytestconfig.getoption("-m"):
        pytest.skip("starts Ray, half a minute of one core; run it with -m cluster")
    found = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        found.init(address="local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
        yield
        found.shutdown()


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("one_thread", "ray")
def test_workers_of_a_cluster_read_from_the_store(site: Store, backbone: Backbone, tmp_path: Path) -> None:
    dataset = birds(site.url, tmp_path)
    expected = encoded(backbone, dataset, tmp_path / "here")
    site.asked.clear()
    table, stats = encode_with_stats(backbone, dataset, cache_dir=tmp_path / "there", engine="ray")
    assert (table.features == expected).all()
    assert stats.encoded == site.count("GET", ".jpg") == len(dataset)
    site.always[dataset.ids[9]] = 403
    with pytest.raises(DatasetError, match=f"{dataset.ids[9]}: access denied"):
        encode_with_stats(backbone, dataset, cache_dir=tmp_path / "third", engine="ray")


def test_encode_paths_reads_addresses(site: Store, backbone: Backbone, waterbirds_root: Path) -> None:
    name = "000.Bird/train_0_0.jpg"
    features = encode_paths(backbone, [str(waterbirds_root / FOLDER / name), f"{site.url}/{FOLDER}/{name}"])
    assert (features[0] == features[1]).all()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://u:p@h/a?sv=1&sig=x&se=2&id=3", "https://h/a?id=3"),
        ("https://h/a?token=x", "https://h/a"),
        ("https://h/a?AWSAccessKeyId=x&Signature=y&Expires=1", "https://h/a"),
        ("https://h/a?page=2&width=10", "https://h/a?page=2&width=10"),
        ("s3://bucket/a@b?c", "s3://bucket/a@b?c"),
        ("photos/a?token=x", "photos/a?token=x"),
    ],
)
def test_what_is_shown_of_an_address(address: str, expected: str) -> None:
    assert shown(address) == expected
