"""How much the module works for a request, counted in an interpreter: no clock is involved."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from processes.program import ROOT

EXPECTED = ROOT / "tests" / "fuel" / "expected.json"


def count(target_dir: Path, module: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(target_dir / "tools" / "service-bus-fuel"), "--module", str(module), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


def test_a_request_costs_no_more_than_expected(target_dir: Path, module: Path) -> None:
    run = count(target_dir, module, "--expected", str(EXPECTED))
    assert (run.stderr, run.returncode) == ("", 0)


def test_a_request_that_costs_more_is_named(target_dir: Path, module: Path, tmp_path: Path) -> None:
    costs = json.loads(EXPECTED.read_text())
    costs["raw, 50 B"]["host_calls_of_100"] = 100
    path = tmp_path / "expected.json"
    path.write_text(json.dumps(costs))
    run = count(target_dir, module, "--expected", str(path))
    assert run.returncode == 1
    line = r"service-bus-fuel: raw, 50 B: host calls of 100: \d+, expected 103 at most\n"
    assert re.fullmatch(line, run.stderr)


def test_work_and_memory_stay_the_same(target_dir: Path, module: Path) -> None:
    run = count(target_dir, module, "--endurance", "100000")
    assert (run.stderr, run.returncode) == ("", 0)


def test_no_host_makes_the_module_fail(target_dir: Path, module: Path) -> None:
    run = count(target_dir, module, "--hostile", "4000")
    assert (run.stderr, run.returncode) == ("", 0)
    happened = {name: int(number) for name, number in re.findall(r"(\w+): (\d+)", run.stdout)}
    # Hosts in which nothing happens prove nothing.
    assert min(happened.values()) > 1000, run.stdout
