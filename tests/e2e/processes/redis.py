"""A real Redis that keeps nothing when it ends."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import needs
from processes.program import Program, on_free_port

TIMEOUT_SECONDS = 10


class Redis:
    """`redis-server` on a free port of the loopback interface."""

    def __init__(self, folder: Path):
        binary = needs.program("redis", "REDIS_SERVER")
        on_free_port(lambda port: self._start(port, binary, folder))

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def ask(self, *words: str) -> int | str | None:
        """The reply to a command: a number, a text, or nothing."""
        parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
        address = ("127.0.0.1", self.port)
        with socket.create_connection(address, TIMEOUT_SECONDS) as connection:
            connection.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
            with connection.makefile("rb") as replies:
                kind, rest = (line := replies.readline())[:1], line[1:].decode().strip()
                if kind == b"$":
                    size = int(rest)
                    return None if size < 0 else replies.read(size).decode()
                assert kind in (b":", b"+"), line
                return int(rest) if kind == b":" else rest

    def stop(self) -> None:
        self._program.stop()

    def _start(self, port: int, binary: str, folder: Path) -> None:
        self.port = port
        self._program = Program(
            "redis",
            [
                *(binary, "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no", "--dir", str(folder)),
            ],
            folder,
        )
        try:
            self._program.wait_until(self._is_ready, "answer to PING")
        except BaseException:
            self._program.stop()
            raise

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, AssertionError):
            return self.ask("PING") == "PONG"
        return False
