"""``debias-pt doctor``: what this machine has and what is missing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from debias_pt.errors import DebiasError
from debias_pt.utils.versions import versions


def doctor(data_root: str = "data", cache_dir: str | None = None) -> dict[str, Any]:
    """Check packages, device, cache, disk and data.

    Returns
    -------
    dict
        ``versions`` and ``checks``: a list of name, ok, what was found and what to do.
    """
    found = versions()
    missing = [name for name, number in found.items() if number == "missing"]
    checks = [_check("packages", not missing, ", ".join(missing) or "all there", "pip install debias-pt")]
    if not missing:  # the rest needs them
        from debias_pt.datasets import DATASETS, is_synthetic
        from debias_pt.utils.files import default_cache_dir

        checks += [_device(), _cache(Path(cache_dir) if cache_dir else default_cache_dir())]
        checks += [_data(name, data_root) for name in DATASETS if not is_synthetic(name)]
    return {"versions": found, "checks": checks, "ok": all(check["ok"] or check["optional"] for check in checks)}


def _check(name: str, ok: bool, found: str, todo: str, *, optional: bool = False) -> dict[str, Any]:
    return {"name": name, "ok": ok, "optional": optional, "found": found, "todo": None if ok else todo}


def _device() -> dict[str, Any]:
    import torch

    if torch.cuda.is_available():
        return _check("device", True, torch.cuda.get_device_name(0), "")
    return _check("device", True, f"cpu, {os.cpu_count()} cores, {torch.get_num_threads()} threads", "")


def _cache(folder: Path) -> dict[str, Any]:
    from debias_pt.utils.files import nearest_existing

    place = nearest_existing(folder)
    free = shutil.disk_usage(place).free / 2**30
    try:
        with tempfile.TemporaryFile(dir=place):
            writable = True
    except OSError:
        writable = False
    state = "writable" if writable else "not writable"
    return _check("cache", writable, f"{folder}, {state}, {free:.1f} GiB free", "set DEBIAS_PT_CACHE to another folder")


def _data(name: str, root: str) -> dict[str, Any]:
    from debias_pt.datasets import load_dataset

    try:
        dataset = load_dataset(name, root)
    except DebiasError as error:
        return _check(f"data: {name}", False, "not usable", str(error), optional=True)
    return _check(f"data: {name}", True, f"{len(dataset)} images in {dataset.root}", "", optional=True)
