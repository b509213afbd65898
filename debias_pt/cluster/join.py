"""Joining a Ray cluster, or starting one on this machine for the time of some work."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from debias_pt.errors import UsageError

SECONDS = 5.0  # to wait for a cluster's port to answer
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))  # and empty settings: RFC 9113, 3.4
SETTINGS = 4  # the kind of frame that the server must send first
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
    address = address_of(engine) or os.environ.get("RAY_ADDRESS")
    if find_spec("ray") is None:
        raise UsageError("--engine ray needs Ray, which is not installed; pip install 'debias-pt[ray]'")
    if address and address not in ("auto", "local"):
        _require_answer(address)


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
    """Refuse an address where nobody speaks Ray's protocol (gRPC): Ray itself would try for minutes and print pages."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdigit():
        raise UsageError(f"the cluster's address is {address!r}; HOST:PORT expected, as 'ray start --head' prints it")
    try:
        reason = None if _speaks_grpc(host, int(port)) else "something else does"
    except (OSError, OverflowError) as error:
        reason = str(error)
    if reason:
        raise UsageError(
            f"no Ray cluster answers at {address} ({reason}); start one with 'ray start --head --port {port}', or give "
            "another address"
        )


def _speaks_grpc(host: str, port: int) -> bool:
    """Tell whether a server begins as HTTP/2 wants it; one that is encrypted is only asked whether it is there."""
    with socket.create_connection((host, port), timeout=SECONDS) as link:
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
            return True
        link.sendall(PREFACE)
        return link.recv(9, socket.MSG_WAITALL)[3:4] == bytes([SETTINGS])


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
    before = signal.getsignal(signal.SIGTERM)
    _init(ray, address_of(engine))
    try:
        _end_in_order(before)
        yield ray
    finally:
        ray.shutdown()
        _on_terminate(before)


def _end_in_order(before: Any) -> None:
    """Let a signal to terminate end what was started, as an interrupt does; Ray itself prints pages and aborts."""
    _on_terminate(before if callable(before) else lambda number, _: sys.exit(128 + number))


def _on_terminate(handler: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL if handler is None else handler)


def _init(ray: Any, address: str | None) -> None:
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if address is not None or os.environ.get("RAY_ADDRESS"):
            ray.init(address=address, **quiet)
            return
        try:
            ray.init(address="auto", **quiet)
        except ConnectionError:
            _start(ray, quiet)
    except Exception as error:  # Ray raises ConnectionError, RuntimeError, ValueError and others
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"cannot join the Ray cluster {address or 'at hand'} ({reason}); see 'ray status'") from error


def _start(ray: Any, quiet: dict[str, Any]) -> None:
    """Start a cluster here; once more if it was not up in half a minute, which a busy machine may need."""
    try:
        ray.init(include_dashboard=False, **quiet)
    except Exception as error:
        if "timed out" not in str(error):
            raise
        ray.init(include_dashboard=False, **quiet)
