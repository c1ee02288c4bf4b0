"""Prometheus's own tool, which knows its language and its rules."""

from __future__ import annotations

import os
import shutil
import subprocess

from processes.program import PATIENCE_SECONDS, ProgramFailed

MISSING = """\
promtool is not there, and alerts and dashboard are checked by it. Install Prometheus
(Debian, Ubuntu: apt-get install prometheus; Fedora: dnf install golang-github-prometheus;
macOS: brew install prometheus) or name it with PROMTOOL=/path/to/promtool."""


def promtool(*arguments: str) -> None:
    """Runs the tool, which must find nothing wrong."""
    tool = shutil.which(os.environ.get("PROMTOOL", "promtool"))
    if tool is None:
        raise ProgramFailed(MISSING)
    done = subprocess.run(
        [tool, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
