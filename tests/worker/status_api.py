"""The status of orders over HTTP: `GET /order:status:{trackingId}`."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote_to_bytes

import redis

from store import STATUS_PREFIX


class StatusServer(ThreadingHTTPServer):
    """Answers with what Redis holds."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], store: redis.Redis):
        super().__init__(address, StatusRequest)
        self.store = store


class StatusRequest(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    server: StatusServer

    def do_GET(self) -> None:
        key = status_key(self.path)
        if key is None:
            return self._answer(404, {"error": "there is nothing here"})
        try:
            found = self.server.store.get(key)
        except redis.RedisError as error:
            print(f"cannot read a status: {error}", file=sys.stderr)
            return self._answer(503, {"error": "the status store is away"})
        if found is None:
            return self._answer(404, {"error": "no order is known by this id"})
        return self._answer(200, json.loads(found))

    def log_message(self, *_: object) -> None:
        """Says nothing of each request."""

    def _answer(self, code: int, body: dict) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def status_key(path: str) -> str | None:
    """The key that a path names: that of a status, and no other."""
    try:
        key = unquote_to_bytes(path.removeprefix("/")).decode()
    except UnicodeDecodeError:
        return None
    return key if key.startswith(STATUS_PREFIX) and key != STATUS_PREFIX else None
