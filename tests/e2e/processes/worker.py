"""The worker of the order scenario."""

from __future__ import annotations

import os
import re
from pathlib import Path

from processes.envoy import CONNECTION_STRING
from processes.program import Program


class Worker:
    """`order-worker` at the other end of a queue; it tells statuses on a free port."""

    def __init__(
        self, target_dir: Path, service_bus: str, redis: str, folder: Path, *, work_time: str = "0s"
    ):
        self._program = Program(
            "worker",
            [
                str(target_dir / "tools" / "order-worker"),
                *("--service-bus", service_bus, "--redis", redis),
                *("--listen", "127.0.0.1:0", "--work-time", work_time),
            ],
            folder,
            environment={"PATH": os.environ["PATH"], "SB_CONNECTION_STRING": CONNECTION_STRING},
        )
        try:
            found = self._program.wait_until(self._listening, "line that says where it listens")
        except BaseException:
            self._program.stop()
            raise
        assert isinstance(found, re.Match)
        self.port = int(found[1])

    def stop(self) -> None:
        self._program.stop()

    def _listening(self) -> re.Match | None:
        return re.search(r"^listening on http://127\.0\.0\.1:(\d+)$", self._program.stdout(), re.M)
