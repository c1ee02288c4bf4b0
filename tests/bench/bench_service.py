"""The service that one would write instead of the filter: `tests/bench/service`."""

from __future__ import annotations

import contextlib
from pathlib import Path

from clients import http1
from processes.program import Program, ProgramFailed, on_free_port


class Service:
    """`bench-service` on a free port of the loopback interface."""

    def __init__(self, target_dir: Path, upstream: int, folder: Path):
        self._binary = target_dir / "release" / "bench-service"
        if not self._binary.exists():
            raise ProgramFailed(f"{self._binary} is not there: `make bench` builds it")
        self._upstream, self._folder = upstream, folder
        on_free_port(self._start)

    @property
    def pid(self) -> int:
        return self._program.pid

    def stop(self) -> None:
        self._program.stop()

    def _start(self, port: int) -> None:
        self.port = port
        command = [str(self._binary), f"127.0.0.1:{port}", f"127.0.0.1:{self._upstream}"]
        self._program = Program("service", command, self._folder)
        try:
            self._program.wait_until(self._is_ready, "answer 202")
        except BaseException:
            self._program.stop()
            raise

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, AssertionError):
            return http1.request(self.port, "POST", "/orders", [], b"x").status == 202
        return False
