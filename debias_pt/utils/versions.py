"""Versions of what a result depends on."""

from __future__ import annotations

import platform
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("debias-pt", "torch", "torchvision", "open_clip_torch", "timm", "wilds", "numpy", "pillow")


def versions() -> dict[str, str]:
    """Return the installed versions by package, ``"missing"`` for one that is not there.

    Examples
    --------
    >>> versions()["python"].startswith("3.")
    True
    """
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def public_versions(packages: Collection[str]) -> dict[str, str]:
    """Return the versions of some of these packages, without what they were built for (``+cpu``, ``+cu128``).

    Examples
    --------
    >>> "+" in public_versions(["torch"])["torch"]
    False
    """
    return {name: number.partition("+")[0] for name, number in versions().items() if name in packages}
