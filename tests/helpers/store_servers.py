"""Stores on this machine that fail as they are told: a web server of a folder, and an S3 server behind a proxy."""

from __future__ import annotations

import hashlib
import http.client
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
BUSY = b"<Error><Code>InternalError</Code><Message>busy</Message></Error>"


@dataclass
class Store:
    """A running server.

    `faults` are taken one per GET of a file: a status, "reset", "cut" (after half of the body) or "slow". `always` are
    statuses by the end of a path. `asked` lists what was asked for, as ("GET", path).
    """

    url: str
    faults: list[int | str] = field(default_factory=list)
    always: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    etags: bool = True
    ranges: bool = True

    def count(self, method: str, ending: str = "") -> int:
        return sum(one == method and path.partition("?")[0].endswith(ending) for one, path in self.asked)


Answer = tuple[int, dict[str, str], bytes]


def serve(answer: Callable[[Store, BaseHTTPRequestHandler], Answer], faulty: Callable[[str], bool]) -> Iterator[Store]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            store: Store = self.server.store  # type: ignore[attr-defined]
            store.asked.append((self.command, self.path))
            fixed = next(
                (code for end, code in store.always.items() if self.path.partition("?")[0].endswith(end)), None
            )
            fault = store.faults.pop(0) if store.faults and self.command == "GET" and faulty(self.path) else fixed
            if fault == "reset":
                self.close_connection = True
                return
            if fault == "slow":
                time.sleep(0.3)
            if isinstance(fault, int):
                status, headers, body = fault, {}, DENIED if fault == 403 else BUSY
            else:
                status, headers, body = answer(store, self)
            self.send_response(status)
            length = headers.pop("Content-Length", str(len(body)))
            for name, value in {**headers, "Content-Length": length}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
            self.close_connection = fault == "cut"

        do_HEAD = do_PUT = do_GET  # noqa: N815

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *seen: None  # type: ignore[method-assign]  # clients that hang up
    server.store = store = Store(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield store
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def web(folder: Path) -> Iterator[Store]:
    """Serve a folder over HTTP with ETags, listings and ranges."""

    def answer(store: Store, request: BaseHTTPRequestHandler) -> Answer:
        path = folder / unquote(request.path.partition("?")[0]).strip("/")
        if path.is_dir():
            names = sorted(one.name + ("/" if one.is_dir() else "") for one in path.iterdir())
            links = "".join(f'<a href="{name}">{name}</a>\n' for name in names)
            return 200, {"Content-Type": "text/html"}, links.encode()
        if not path.is_file():
            return 404, {}, b""
        body = path.read_bytes()
        headers = {"ETag": f'"{hashlib.md5(body).hexdigest()}"'} if store.etags else {}
        wanted = request.headers.get("Range")
        if wanted and store.ranges:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            return 206, headers, body[int(first) : int(last) + 1]
        return 200, headers, body

    yield from serve(answer, lambda path: not path.endswith("/"))


@contextmanager
def s3() -> Iterator[Store]:
    """Run moto's S3 server behind a proxy that fails as it is told."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    port = moto.get_host_and_port()[1]

    def answer(store: Store, request: BaseHTTPRequestHandler) -> Answer:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
        connection.request(request.command, request.path, body, headers)
        response = connection.getresponse()
        found = response.read()
        kept = {
            name: value for name, value in response.getheaders() if name.lower() not in ("connection", "date", "server")
        }
        kept = {name: value for name, value in kept.items() if name.lower() != "transfer-encoding"}
        connection.close()
        return response.status, kept, found

    yield from serve(answer, lambda path: path.partition("?")[0].count("/") > 1 and "list-type" not in path)
    moto.stop()
