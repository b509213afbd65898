"""Joining a Ray cluster, or starting one on this machine for the time of some work."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from debias_pt.errors import UsageError

SECONDS = 5.0  # to wait for a cluster's port to answer
FORM = re.compile(r"ray(:(?P<address>.+))?")


def check_engine(engine: str) -> None:
    """Refuse an engine that is not ``ray`` or ``ray:ADDRESS``, a missing package, and an address where nobody answers.

    Raises
    ------
    UsageError
        In a line, before anything is loaded.

    Examples
    --------
    >>> check_engine("spark")
    Traceback (most recent call last):
    debias_pt.errors.UsageError: engine is 'spark'; ray, ray:ADDRESS (ray:10.0.0.1:6379) or ray://HOST:PORT expected
    """
    address = address_of(engine)
    if find_spec("ray") is None:
        raise UsageError("--engine ray needs Ray, which is not installed; pip install 'debias-pt[ray]'")
    if address not in (None, "auto"):
        _require_answer(str(address))


def address_of(engine: str) -> str | None:
    """Return the address in an engine's name; None for the cluster at hand.

    Raises
    ------
    UsageError
        If the engine is another one.

    Examples
    --------
    >>> address_of("ray:10.0.0.1:6379"), address_of("ray://head:10001"), address_of("ray")
    ('10.0.0.1:6379', 'ray://head:10001', None)
    """
    if engine.startswith("ray://"):
        return engine
    found = FORM.fullmatch(engine)
    if found is None:
        raise UsageError(f"engine is {engine!r}; ray, ray:ADDRESS (ray:10.0.0.1:6379) or ray://HOST:PORT expected")
    address: str | None = found["address"]
    return address


def _require_answer(address: str) -> None:
    """Refuse an address where no port is open: Ray itself would try for a minute and print pages."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdigit():
        raise UsageError(f"the cluster's address is {address!r}; HOST:PORT expected, as 'ray start --head' prints it")
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS).close()
    except OSError as error:
        raise UsageError(
            f"no Ray cluster answers at {address} ({error}); start one with 'ray start --head --port {port}', or give "
            "another address"
        ) from error


@contextmanager
def joined(engine: str) -> Iterator[Any]:
    """Yield the module ``ray`` with a cluster joined; leave it at the end.

    ``ray`` takes the cluster that ``RAY_ADDRESS`` names or that runs on this machine, else starts one here, which
    ends with the work. A program that has joined a cluster before stays in it.

    Raises
    ------
    UsageError
        If there is no cluster at the address, or of another version of Ray or Python.
    """
    check_engine(engine)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        yield ray
        return
    _init(ray, address_of(engine))
    try:
        yield ray
    finally:
        ray.shutdown()


def _init(ray: Any, address: str | None) -> None:
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if address is not None or os.environ.get("RAY_ADDRESS"):
            ray.init(address=address, **quiet)
            return
        try:
            ray.init(address="auto", **quiet)
        except ConnectionError:
            ray.init(include_dashboard=False, **quiet)
    except Exception as error:  # Ray raises ConnectionError, RuntimeError, ValueError and others
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"cannot join the Ray cluster {address or 'at hand'} ({reason}); see 'ray status'") from error
