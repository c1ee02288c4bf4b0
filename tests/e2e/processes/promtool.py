"""Prometheus's own tool, which knows its language and its rules."""

from __future__ import annotations

import os
import shutil
import subprocess

from processes.program import PATIENCE_SECONDS, ProgramFailed

MISSING = """\
{} is not there, and what is shipped for Prometheus is tested with it. Install Prometheus
(Debian, Ubuntu: apt-get install prometheus; Fedora: dnf install golang-github-prometheus; macOS:
brew install prometheus) or name it and its tool with PROMETHEUS=/path and PROMTOOL=/path."""


def promtool(*arguments: str) -> None:
    """Runs the tool, which must find nothing wrong."""
    name = os.environ.get("PROMTOOL", "promtool")
    tool = shutil.which(name)
    if tool is None:
        raise ProgramFailed(MISSING.format(name))
    done = subprocess.run(
        [tool, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
