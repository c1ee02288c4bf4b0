"""Prometheus's own tool, which knows its language and its rules."""

from __future__ import annotations

import subprocess

import needs
from processes.program import PATIENCE_SECONDS


def promtool(*arguments: str) -> None:
    """Runs the tool, which must find nothing wrong."""
    tool = needs.program("prometheus", "PROMTOOL")
    done = subprocess.run(
        [tool, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
