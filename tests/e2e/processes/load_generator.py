"""`service-bus-load`: seeded load, a book of what became of each request, and its settlement."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from processes.emulator import Emulator
from processes.envoy import Envoy


class BooksDiffer(Exception):
    """A wrong answer, or books that do not balance, as the load generator has put it."""


def run_load(
    target_dir: Path, gateway: Envoy, path: str, emulator: Emulator, *options: str
) -> dict:
    """Sends load to a path of a gateway, settles with the emulator, and returns the summary."""
    done = subprocess.run(
        [
            str(target_dir / "tools" / "service-bus-load"),
            *("--url", f"http://127.0.0.1:{gateway.port}{path}"),
            *("--settle", emulator.url),
            *options,
        ],
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    if done.returncode != 0:
        raise BooksDiffer(done.stdout + done.stderr)
    return json.loads(done.stdout)
