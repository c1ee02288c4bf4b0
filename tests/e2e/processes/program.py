"""One program run by the tests: its output in files, and always ended."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# A loaded machine may be slow; a program that is not there after this is broken.
PATIENCE_SECONDS = 60
# How often a program is started that has found its port taken.
ATTEMPTS = 5


class ProgramFailed(Exception):
    """The program ended, or did not become ready; holds the end of what it wrote."""


class Program:
    """A running program with its standard output and error in files of `folder`.

    It runs at the repository's root, as the shipped configuration names its module from there,
    unless `cwd` says where.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        environment: dict[str, str] | None = None,
        *,
        cwd: Path = ROOT,
    ):
        self.name = name
        self.stdout_path = folder / f"{name}.stdout.log"
        self.stderr_path = folder / f"{name}.stderr.log"
        with self.stdout_path.open("wb") as out, self.stderr_path.open("wb") as err:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env=environment,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def stdout(self) -> str:
        return self.stdout_path.read_text(errors="replace")

    def stderr(self) -> str:
        return self.stderr_path.read_text(errors="replace")

    def wait_until(self, ready: Callable[[], object], what: str) -> object:
        """Polls `ready` until it returns something true, and returns that."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (result := ready()):
            if self._process.poll() is not None:
                raise ProgramFailed(
                    f"{self.name} ended with {self._process.returncode}:\n{self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise ProgramFailed(f"{self.name}: no {what}:\n{self._last_words()}")
            time.sleep(0.02)
        return result

    def stop(self) -> None:
        """Ends the program, by force if it does not end when asked."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def end(self) -> int:
        """Asks the program to end, waits until it has, and returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_SECONDS)

    def _last_words(self) -> str:
        return (self.stdout() + self.stderr())[-4000:]


def patiently(ready: Callable[[], object], what: str) -> None:
    """Waits until something is so that no program tells by itself."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ready():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.05)


def on_free_port(start: Callable[[int], None]) -> None:
    """Starts a program that takes no port 0: on another port when somebody else was faster."""
    for attempt in range(ATTEMPTS):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        try:
            return start(port)
        except ProgramFailed:
            if attempt == ATTEMPTS - 1:
                raise


def _die_with_parent() -> None:
    """Linux ends the program even when the tests are killed outright."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
