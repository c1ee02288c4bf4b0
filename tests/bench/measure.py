"""One measurement: load on one Envoy for some seconds, and what it cost Envoy."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from clients import http1
from processes.envoy import Envoy
from processes.program import ProgramFailed

SCRIPT = Path(__file__).with_name("load.lua")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What one client does: connections of HTTP/1.1, each with one request at a time."""

    connections: int
    body: bytes


@dataclass(frozen=True)
class Sample:
    """What came of it."""

    # Requests in a second.
    throughput: float
    # Milliseconds from request to answer, the middle and the slowest hundredth.
    p50: float
    p99: float
    # Microseconds of CPU time for a request, of Envoy and what stands behind it, kernel included.
    cpu: float
    # Requests of one callout.
    batch: float


def order(size: int) -> bytes:
    """An order of that many bytes."""
    head = b'{"orderId":"4711","items":["lamp"],"note":"'
    return head + b"x" * (size - len(head) - 2) + b'"}'


def check(envoy: Envoy, status: int, body: bytes) -> None:
    """Fails unless the contender does what is measured."""
    headers = [("content-type", "application/json")]
    answer = http1.request(envoy.port, "POST", "/orders", headers, body)
    if answer.status != status:
        raise ProgramFailed(f"expected {status}, Envoy answered {answer.status}: {answer.body!r}")


def measure(
    envoy: Envoy, wrk: str, load: Load, seconds: int, folder: Path, behind: tuple[int, ...] = ()
) -> Sample:
    """Loads an Envoy. CPU time is that of its whole process, and of those `behind` it."""
    pids = (envoy.pid, *behind)
    path = folder / "body"
    path.write_bytes(load.body)
    command = [
        *(wrk, "--threads", "1", "--connections", str(load.connections)),
        *("--duration", f"{seconds}s", "--timeout", "10s", "--script", str(SCRIPT)),
        *(f"http://127.0.0.1:{envoy.port}/orders", "--", str(path)),
    ]
    called, used = _callouts(envoy), _cpu_seconds(pids)
    run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    used, called = _cpu_seconds(pids) - used, _callouts(envoy) - called
    lines = [line for line in run.stdout.split("\n") if line.startswith("result ")]
    if run.returncode != 0 or not lines:
        raise ProgramFailed(f"wrk ended with {run.returncode}:\n{run.stdout}{run.stderr}")
    result = json.loads(lines[0].removeprefix("result "))
    if result["failed"] or not result["requests"]:
        raise ProgramFailed(f"requests failed: {result}")
    return Sample(
        throughput=result["requests"] / result["microseconds"] * 1e6,
        p50=result["p50"] / 1000,
        p99=result["p99"] / 1000,
        cpu=used / result["requests"] * 1e6,
        batch=result["requests"] / called if called else 0,
    )


def _cpu_seconds(pids: tuple[int, ...]) -> float:
    ticks = 0
    for pid in pids:
        # The name of the program stands in brackets, and may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def _callouts(envoy: Envoy) -> int:
    """What the upstream has answered with 201."""
    return sum(envoy.stats(r"^cluster\.servicebus\.upstream_rq_201$").values())
