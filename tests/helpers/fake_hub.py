"""As much of the Hugging Face Hub as uploading and downloading a few files takes, on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SHA = "a" * 40


@dataclass
class Hub:
    """What the server holds: files by name of each repository, and the tokens it was shown."""

    url: str
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    tokens: list[str | None] = field(default_factory=list)


@contextmanager
def serving_hub() -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined,no-any-return]

    def log_message(self, *seen: object) -> None: ...

    def answer(self, body: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.tokens.append(self.headers.get("Authorization"))
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            if self.headers.get("Authorization") == "Bearer wrong":
                self.answer({"error": "Invalid token"}, 401)
                return
            self.hub.repositories.setdefault(name, {})
            self.hub.private[name] = bool(asked.get("private")) or asked.get("visibility") == "private"
            self.answer({"url": f"{self.hub.url}/{name}", "name": name})
        elif self.path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            self.answer(
                {"files": [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in files]}
            )
        elif "/commit/main" in self.path:
            name = re.findall(r"/api/models/(.+)/commit", self.path)[0]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.hub.repositories[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.answer({"commitUrl": f"{self.hub.url}/{name}/commit/{SHA}", "commitOid": SHA, "success": True})
        else:  # the header of the card is asked about first
            self.answer({"errors": [], "warnings": []})

    def do_GET(self) -> None:
        info = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/\w+)?", self.path.partition("?")[0])
        tree = re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/\w+/?", self.path.partition("?")[0])
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/\w+/(.+)", self.path)
        found = info or tree or file
        name = found[1] if found else ""
        files = self.hub.repositories.get(name)
        if files is None or (file and file[2] not in files):
            self.answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        elif info:
            siblings = [{"rfilename": one} for one in files]
            self.answer({"_id": "1", "id": name, "modelId": name, "sha": SHA, "siblings": siblings, "private": False})
        elif tree:
            self.answer([{"type": "file", "path": one, "size": len(data), "oid": SHA} for one, data in files.items()])
        elif file:
            data = files[file[2]]
            etag = hashlib.sha256(data).hexdigest()
            self.answer(data, headers={"ETag": f'"{etag}"', "X-Repo-Commit": SHA})

    do_HEAD = do_GET  # noqa: N815
