"""HTTP/1.1 over a plain socket: sends exactly the bytes it is told to."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable
from types import TracebackType

from clients.answer import Answer

Header = tuple[str, str | bytes]

# Longer than any answer takes; a test that waits this long has failed.
TIMEOUT_SECONDS = 60


class ConnectionEnded(Exception):
    """The server closed the connection where an answer should have been."""


class Connection:
    """One connection to `port` on the loopback interface."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(
        self, method: str, target: str, headers: Iterable[Header] = (), body: bytes | None = None
    ) -> Answer:
        """Sends a request, its body under a content-length, and reads the answer."""
        fields = list(headers)
        if body is not None:
            fields.append(("content-length", str(len(body))))
        self.send(head(method, target, fields) + (body or b""))
        return self.answer(method)

    def answer(self, method: str = "POST") -> Answer:
        """Reads the final answer; those with a 1xx status go before it."""
        while (answer := self.any_answer(method)).status < 200:
            pass
        return answer

    def any_answer(self, method: str = "POST") -> Answer:
        """Reads the next answer, 1xx included."""
        lines = self._until(b"\r\n\r\n").split(b"\r\n")
        answer = Answer(int(lines[0].split(b" ", 2)[1]), _fields(lines[1:]))
        if answer.status >= 200 and answer.status not in (204, 304) and method != "HEAD":
            self._read_body(answer)
        return answer

    def is_closed(self) -> bool:
        """Waits for the server's next move: True if it closes, False if it writes."""
        with contextlib.suppress(ConnectionResetError):
            self._buffer += self.socket.recv(65536)
        return not self._buffer

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Closes with a TCP reset, as a client does that dies."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _read_body(self, answer: Answer) -> None:
        if answer.header("transfer-encoding") == "chunked":
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                answer.body += self._exactly(size)
                self._exactly(2)
            answer.trailers = _fields(iter(lambda: self._until(b"\r\n"), b""))
        elif (length := answer.header("content-length")) is not None:
            answer.body = self._exactly(int(length))
        else:
            while self._receive():
                pass
            answer.body, self._buffer = self._buffer, b""

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._must_receive()
        taken, _, self._buffer = self._buffer.partition(mark)
        return taken

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._must_receive()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _must_receive(self) -> None:
        if not self._receive():
            raise ConnectionEnded(f"closed after {self._buffer!r}")

    def _receive(self) -> bytes:
        data = self.socket.recv(65536)
        self._buffer += data
        return data


def request(
    port: int,
    method: str,
    target: str,
    headers: Iterable[Header] = (),
    body: bytes | None = None,
) -> Answer:
    """One request on a connection of its own."""
    with Connection(port) as connection:
        return connection.request(method, target, headers, body)


def head(method: str, target: str, headers: Iterable[Header] = ()) -> bytes:
    """A request line and headers; values may be bytes that are no text."""
    fields: list[Header] = list(headers)
    if not any(name == "host" for name, _ in fields):
        fields.insert(0, ("host", "gateway.example"))
    lines = [f"{method} {target} HTTP/1.1".encode()]
    for name, value in fields:
        raw = value if isinstance(value, bytes) else value.encode()
        lines.append(name.encode() + b": " + raw)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def last_chunk(trailers: Iterable[tuple[str, str]] = ()) -> bytes:
    """The end of a chunked body."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in trailers)
    return b"0\r\n" + lines.encode() + b"\r\n"


def _fields(lines: Iterable[bytes]) -> list[tuple[str, str]]:
    fields = []
    for line in lines:
        name, _, value = line.partition(b":")
        fields.append((name.decode().lower(), value.strip().decode()))
    return fields
