"""Reads HTTP/1.1 requests from a socket, as the servers of the tests see them."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field


@dataclass
class Incoming:
    """One request; names of headers in lower case, values as bytes in latin-1."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """All values of a header, joined as HTTP allows."""
        values = [value for other, value in self.headers if other == name]
        return ", ".join(values) if values else None


class Reader:
    """Takes one request after the other off a connection."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._buffer = b""

    def head(self) -> Incoming | None:
        """The next request without its body; None when there are no more."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._receive():
                return None
        raw, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        return Incoming(method, target, [_split(line) for line in lines])

    def body(self, request: Incoming) -> bool:
        """Reads the body and trailers into the request; False when they broke off."""
        try:
            if request.header("transfer-encoding") == "chunked":
                while size := int(self._line(), 16):
                    request.body += self._exactly(size)
                    self._exactly(2)
                request.trailers = [_split(line) for line in iter(self._line, "")]
            elif length := request.header("content-length"):
                request.body = self._exactly(int(length))
        except EOFError:
            return False
        return True

    def _line(self) -> str:
        while b"\r\n" not in self._buffer:
            self._must_receive()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line.decode("latin-1")

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._must_receive()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _must_receive(self) -> None:
        if not self._receive():
            raise EOFError

    def _receive(self) -> bool:
        try:
            data = self._connection.recv(65536)
        except OSError:
            return False
        self._buffer += data
        return bool(data)


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()
