"""A service behind the filter that tells what reached it."""

from __future__ import annotations

import base64
import json
import socket

from clients.answer import Answer
from servers.incoming import Incoming, Reader
from servers.upstream import Upstream


class Echo(Upstream):
    """Answers 200 with the request as JSON."""

    def __init__(self) -> None:
        super().__init__(_echo)


def echoed(answer: Answer) -> Incoming:
    """The request that the echo saw."""
    assert answer.status == 200, answer
    seen = answer.json()
    assert isinstance(seen, dict)
    return Incoming(
        seen["method"],
        seen["target"],
        [(name, value) for name, value in seen["headers"]],
        base64.b64decode(seen["body"]),
        [(name, value) for name, value in seen["trailers"]],
    )


def _echo(connection: socket.socket, request: Incoming, reader: Reader) -> bool:
    if not reader.body(request):
        return False
    seen = {**vars(request), "body": base64.b64encode(request.body).decode()}
    body = json.dumps(seen).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    connection.sendall(f"{head}\r\n".encode() + body)
    return True
