"""What a stranger is shown first works."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import pytest

from clients import http1
from contract import assert_accepted
from processes.program import ROOT, Program


def test_the_demo_shows_a_message_and_ends(
    envoy_binary: Path, target_dir: Path, tmp_path: Path
) -> None:
    shown = told("tests/demo.py", envoy_binary, target_dir, tmp_path)

    assert shown.count("HTTP/1.1 202 Accepted") == 3
    assert shown.count("HTTP/1.1 503 Service Unavailable") == 1
    for line in ('MessageId                "order-4711"', 'x-tenant-id              "acme"'):
        assert line in shown
    assert_nothing_left(tmp_path)


@pytest.mark.needs("redis")
def test_the_order_scenario_is_told_to_its_end(
    envoy_binary: Path, target_dir: Path, tmp_path: Path
) -> None:
    shown = told("tests/demo_orders.py", envoy_binary, target_dir, tmp_path)

    statuses = re.findall(r"^  HTTP/1\.1 (\d+) ", shown, re.M)
    assert statuses == ["401", "403", "202", "202", "400", "202", "429", "503", "503"]
    steps = re.findall(r'^  \{"trackingId": "([^"]+)", "status": "(\w+)"', shown, re.M)
    assert steps == [
        ("order-4711", "processing"),
        ("order-4711", "completed"),
        ("order-0", "failed"),
    ]
    assert_nothing_left(tmp_path)
    for port in re.findall(r"//127\.0\.0\.1:(\d+)$", shown, re.M):
        with socket.socket() as connection:
            assert connection.connect_ex(("127.0.0.1", int(port))) == errno.ECONNREFUSED


def test_what_stays_up_answers_where_it_says_and_ends_when_told(
    envoy_binary: Path, target_dir: Path, tmp_path: Path
) -> None:
    options = ["--envoy", envoy_binary, "--target-dir", target_dir, "--stay", "--free-ports"]
    folder = tmp_path / "run"
    folder.mkdir()
    run = Program(
        "run",
        [sys.executable, "tests/demo.py", *(str(option) for option in options)],
        tmp_path,
        {**os.environ, "PYTHONPATH": "tests/e2e", "TMPDIR": str(folder)},
    )
    try:
        run.wait_until(lambda: "Ctrl-C ends both." in run.stdout(), "its last line")
        shown = run.stdout()
        [gateway] = re.findall(
            r"^Envoy \S+ with the filter  http://127\.0\.0\.1:(\d+)$", shown, re.M
        )
        assert_accepted(http1.request(int(gateway), "POST", "/orders", body=b"{}"))
        assert received(shown) == "{}"
        [page] = re.findall(r"^  (http://\S+/\$emulator/)$", shown, re.M)
        with urllib.request.urlopen(page, timeout=30) as answer:
            assert b"<title>" in answer.read()
        assert run.end() == 143
    finally:
        run.stop()
    assert_nothing_left(folder)


def received(shown: str) -> str:
    """What a worker on Microsoft's SDK prints first, made of the lines that are shown."""
    [lines] = re.findall(r"^  # pip install azure-servicebus\n((?:  .+\n){3})", shown, re.M)
    worker = subprocess.Popen(
        [ROOT / "target/sdk/python/bin/python", "-u", "-c", textwrap.dedent(lines)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert worker.stdout
        return worker.stdout.readline().strip()
    finally:
        worker.kill()
        worker.wait()


def told(demo: str, envoy_binary: Path, target_dir: Path, folder: Path) -> str:
    """What a demo prints, which must end well."""
    done = subprocess.run(
        [
            *(sys.executable, demo),
            *("--envoy", str(envoy_binary), "--target-dir", str(target_dir)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "tests/e2e", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_nothing_left(folder: Path) -> None:
    """No file, and no process that still writes one."""
    assert list(folder.iterdir()) == []
    assert not running_from(folder)


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
