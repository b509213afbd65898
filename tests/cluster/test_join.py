"""Promises: an address where no cluster answers, or something else does, takes one line and seconds."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest

from debias_pt.cluster.join import check_engine
from debias_pt.errors import UsageError
from debias_pt.features.ray_encoding import check_worker, installed

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("spark", "engine is 'spark'; ray"),
        ("ray:here", "the cluster's address is 'here'; HOST:PORT expected"),
        ("ray:127.0.0.1:99999", "no Ray cluster answers at 127.0.0.1:99999"),
    ],
)
def test_an_unknown_engine_is_refused(engine: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_engine(engine)


def closed_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port: int = closed.getsockname()[1]
    return port


@pytest.mark.parametrize("by", ["option", "environment"])
def test_no_cluster_at_the_address(cli: Callable[..., CompletedProcess[str]], tiny: list[str], by: str) -> None:
    address = f"127.0.0.1:{closed_port()}"
    if by == "option":
        done = cli("encode", "waterbirds", *tiny, "--engine", f"ray:{address}")
    else:
        done = cli("encode", "waterbirds", *tiny, "--engine", "ray", env={"RAY_ADDRESS": address})
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: no Ray cluster answers at {address}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", None], ids=["http", "closes", "silent"])
def test_something_else_at_the_address(answer: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself tries for more than two minutes there, and prints pages."""
    monkeypatch.setattr("debias_pt.cluster.join.SECONDS", 0.3)
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            link, _ = server.accept()
            with link:
                done.wait(10) if answer is None else link.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        start = time.monotonic()
        port = server.getsockname()[1]
        with pytest.raises(UsageError, match=rf"no Ray cluster answers at 127\.0\.0\.1:{port} \(.+\); start one with"):
            check_engine(f"ray:127.0.0.1:{port}")
        assert time.monotonic() - start < 5
        done.set()
        thread.join()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"versions": {**installed(), "debias-pt": "0.0.1"}},
            r"worker on b: its debias-pt is 0\.0\.1, here it is \d.*",
        ),
        ({"versions": {}}, "the worker on b: its debias-pt is missing, here it is .*; install the same everywhere"),
        (
            {"model": {"weights": "y"}},
            "the worker on b: its weights is 'y', here it is 'x'; give all machines the same",
        ),
    ],
)
def test_a_greeting_that_differs_is_refused(changed: dict[str, Any], message: str) -> None:
    greeting = {"host": "b", "versions": installed(), "model": {"weights": "x"}}
    check_worker(greeting, {"weights": "x"})
    with pytest.raises(UsageError, match=message):
        check_worker({**greeting, **changed}, {"weights": "x"})
