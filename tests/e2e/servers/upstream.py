"""A server whose every byte is the test's own choice."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType

from servers.incoming import Incoming, Reader

# Writes the answer to one request; returns whether the connection stays open.
Script = Callable[[socket.socket, Incoming, Reader], bool]


class Upstream:
    """Listens on a free port of the loopback interface and answers by script.

    The script gets the request without its body: it may read the rest or not. With `tls`, the
    connection is TLS from its first byte. Requests are kept for the test to look at.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None):
        self.script = script
        self.requests: list[Incoming] = []
        self.server_names: list[str | None] = []
        self._tls = tls
        if tls:
            tls.sni_callback = lambda _, name, __: self.server_names.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Upstream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the listener and each open connection, and with them their threads."""
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        for end in (self._listener, *connections):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        connection = plain
        try:
            if self._tls:
                connection = self._tls.wrap_socket(plain, server_side=True)
            reader = Reader(connection)
            while request := reader.head():
                self.requests.append(request)
                if not self.script(connection, request, reader):
                    break
        except OSError:
            # A handshake that the peer refused, a peer that went away: for the test to judge.
            pass
        finally:
            with self._lock:
                self._connections.discard(plain)
            connection.close()


def answers(status_line: str, headers: list[tuple[str, str]] | None = None, body: bytes = b""):
    """A script that reads the whole request and gives one fixed answer."""

    def script(connection: socket.socket, request: Incoming, reader: Reader) -> bool:
        if not reader.body(request):
            return False
        fields = [("content-length", str(len(body))), *(headers or [])]
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        connection.sendall(f"HTTP/1.1 {status_line}\r\n{lines}\r\n".encode() + body)
        return True

    return script


def reset(connection: socket.socket) -> None:
    """Ends the connection with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
