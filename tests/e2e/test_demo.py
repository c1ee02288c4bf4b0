"""What a stranger is shown first works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from processes.program import ROOT


def test_the_demo_shows_a_message_and_ends(
    envoy_binary: Path, target_dir: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "tests/demo.py"),
            *("--envoy", str(envoy_binary), "--target-dir", str(target_dir)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "tests/e2e", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("HTTP/1.1 202 Accepted") == 2
    assert done.stdout.count("HTTP/1.1 503 Service Unavailable") == 1
    for shown in ('MessageId                "order-4711"', 'x-tenant-id              "acme"'):
        assert shown in done.stdout
    # Nothing is left behind: no file, and no process that still writes one.
    assert list(tmp_path.iterdir()) == []
    assert not running_from(tmp_path)


def running_from(folder: Path) -> list[str]:
    """The commands of all processes that were started with a path of this folder."""
    commands = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command:
            commands.append(command)
    return commands
