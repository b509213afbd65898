"""A web server on this machine that serves one archive, and misbehaves as it is told; and archives to serve."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from debias_pt.datasets.download.archive import Archive
from debias_pt.datasets.download.fetch import Fetched, fetch
from debias_pt.errors import DatasetError


@dataclass
class Mirror:
    """What the server does; `cuts` are taken one per request, then it serves to the end."""

    url: str
    body: bytes = b""
    status: int = 200
    ranges: bool = True
    honest: bool = True  # about If-Range
    chunked: bool = False
    etag: str | None = '"1"'
    modified: str | None = None
    cuts: list[int] = field(default_factory=list)
    stall: threading.Event | None = None  # hold the connection instead of closing it
    asked: list[str | None] = field(default_factory=list)

    def reset(self, body: bytes) -> Mirror:
        self.__init__(self.url, body)  # type: ignore[misc]
        return self


@contextmanager
def serving() -> Iterator[Mirror]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *seen: None  # type: ignore[method-assign]  # clients that hang up
    mirror = Mirror(f"http://127.0.0.1:{server.server_port}/archive")
    server.mirror = mirror  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield mirror
    server.shutdown()
    server.server_close()
    thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        mirror: Mirror = self.server.mirror  # type: ignore[attr-defined]
        self.close_connection = True
        wanted = self.headers.get("Range")
        mirror.asked.append(wanted)
        if mirror.status != 200:
            self.send_error(mirror.status)
            return
        start, total = 0, len(mirror.body)
        current = self.headers.get("If-Range") in (None, mirror.etag, mirror.modified) or not mirror.honest
        if wanted and mirror.ranges and current:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= total:
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        self._send(mirror, mirror.body[start:])

    def _send(self, mirror: Mirror, rest: bytes) -> None:
        for name, value in (("ETag", mirror.etag), ("Last-Modified", mirror.modified)):
            if value:
                self.send_header(name, value)
        if mirror.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        cut = mirror.cuts.pop(0) if mirror.cuts else None
        sent = rest[:cut]
        if not mirror.chunked:
            self.wfile.write(sent)
        else:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent) + (b"0\r\n\r\n" if cut is None else b""))
        if cut is not None and mirror.stall:
            mirror.stall.wait(20)

    def log_message(self, *args: object) -> None:
        pass


Content = Mapping[str, "bytes | tarfile.TarInfo"]


def tar(content: Content, top: str = "", *, gz: bool = True) -> bytes:
    """Pack files by name; a TarInfo is put in as it is."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, value in content.items():
            if isinstance(value, tarfile.TarInfo):
                archive.addfile(value)
                continue
            info = tarfile.TarInfo(top + name)
            info.size = len(value)
            archive.addfile(info, io.BytesIO(value))
    return gzip.compress(data.getvalue(), mtime=0) if gz else data.getvalue()


def zipped(content: Mapping[str, bytes], top: str = "") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            archive.writestr(top + name, value)
    return data.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """Return a link, device or pipe."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def tree(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder; a link would be a surprise."""
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


NOISE = random.Random(0).randbytes
CONTENT = {"metadata.csv": b"a table\n", "images/1.jpg": NOISE(30_000), "images/b/2.jpg": NOISE(10_000)}
WHOLE = tar(CONTENT, top="birds/")
OTHER = tar({name: NOISE(len(data)) for name, data in CONTENT.items()}, top="birds/")


def require_content(parent: Path) -> None:
    if tree(parent / "birds_v1") != CONTENT:
        raise DatasetError(f"{parent / 'birds_v1'}: not what was packed")


def get(mirror: Mirror, root: Path, check: Callable[[Path], object] = require_content, **known: Any) -> Fetched:
    return fetch(Archive(mirror.url, "birds_v1", **known), root, check, terms="free to use")


def left(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name != ".lock")
