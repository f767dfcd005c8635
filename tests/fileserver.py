"""A small web server on 127.0.0.1 that can misbehave: it breaks off, ignores ranges, changes its files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server has and how it behaves.

    Attributes:
        files: content by path (with its leading slash).
        break_after: bytes after which each of the next answers is broken off, one entry for one answer.
        ranges: whether `Range` is honoured.
        tags: whether answers carry an `ETag`.
        status: status answered to every GET instead of the file, for as many answers as listed.
        hold: if set, every GET waits for this event before it sends the second half.
        stated: headers that every answer has in place of the true ones.
        redirects: where a GET of a path is sent to instead.
        requests: (method, path, range header or "") of every request, in order.
        address: `http://127.0.0.1:PORT`.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    break_after: list[int] = field(default_factory=list)
    ranges: bool = True
    tags: bool = True
    status: list[int] = field(default_factory=list)
    hold: threading.Event | None = None
    stated: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    address: str = ""

    def gets(self, path: str | None = None) -> list[str]:
        """Range headers of the GET requests (for one path)."""
        return [span for method, where, span in self.requests if method == "GET" and path in (None, where)]

    def add_repo(self, repo: str, files: dict[str, bytes]) -> None:
        """Publish files as the hub does: `/owner/name/resolve/main/FILE` and the listing."""
        self.files.update({f"/{repo}/resolve/main/{name}": data for name, data in files.items()})
        listing = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
        about = {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": listing, "tags": [], "private": False}
        self.files[f"/api/models/{repo}"] = json.dumps(about).encode()


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serving() -> Iterator[Site]:
    """Run a server while the block runs."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_HEAD(self):
            self._answer(body=False)

        def do_GET(self):
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path, span = self.path.split("?")[0], self.headers.get("Range", "")
            site.requests.append((self.command, path, span))
            data = site.files.get(path)
            if body and path in site.redirects:
                self._head(302, 0, {"Location": site.redirects[path]})
                return
            status = site.status.pop(0) if body and site.status else 200 if data is not None else 404
            if status != 200:
                known = any(name.startswith("/".join(path.split("/")[:3]) + "/") for name in site.files)
                self._head(status, 0, {"X-Error-Code": "EntryNotFound" if known else "RepoNotFound"})
                return
            start = int(span.removeprefix("bytes=").rstrip("-")) if span and site.ranges else 0
            if start and start >= len(data):
                self._head(416, 0, {"Content-Range": f"bytes */{len(data)}"})
                return
            headers = {}
            if site.tags:
                headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()}"'
            if "/resolve/" in path:
                headers["X-Repo-Commit"] = COMMIT
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self._head(206 if start else 200, len(data) - start, headers)
            if not body:
                return
            rest = data[start:]
            if site.break_after:
                self.wfile.write(rest[: site.break_after.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            if site.hold is not None:
                site.hold.wait(10)
            self.wfile.write(rest[len(rest) // 2 :])

        def _head(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(length), **(headers or {}), **site.stated}.items():
                self.send_header(name, value)
            self.end_headers()

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass  # clients that go away in the middle are what these tests are about

    server = Server(("127.0.0.1", 0), Handler)
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
