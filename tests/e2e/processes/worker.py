"""The worker of the order scenario."""

from __future__ import annotations

import os
import re
from pathlib import Path

from processes.program import ROOT, Program

PYTHON = ROOT / "target" / "worker" / "bin" / "python"


class Worker:
    """A worker on Microsoft's SDK, at the other end of a queue; tells statuses on a free port."""

    def __init__(
        self,
        connection_string: str,
        redis: str,
        folder: Path,
        *,
        queue: str = "orders",
        work_seconds: float = 0,
    ):
        self._program = Program(
            "worker",
            [
                *(str(PYTHON), "tests/worker/worker.py", "--redis", redis, "--queue", queue),
                *("--listen", "127.0.0.1:0", "--work-seconds", str(work_seconds)),
            ],
            folder,
            environment={"PATH": os.environ["PATH"], "SB_CONNECTION_STRING": connection_string},
        )
        try:
            found = self._program.wait_until(self._listening, "line that says where it listens")
        except BaseException:
            self._program.stop()
            raise
        assert isinstance(found, re.Match)
        self.port = int(found[1])

    def end(self) -> int:
        """Asks it to end, and returns its exit status once the orders in hand are finished."""
        return self._program.end()

    def stop(self) -> None:
        self._program.stop()

    def _listening(self) -> re.Match | None:
        return re.search(r"^listening on http://127\.0\.0\.1:(\d+)$", self._program.stdout(), re.M)
