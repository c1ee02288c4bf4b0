"""Tests whose programs are missing are left out and named; in CI they fail."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from processes.program import ROOT

# Named by the user, so that nothing is installed in its place.
MISSING = {"PROMTOOL": "/nowhere/promtool"}
LINE = "prometheus: metrics, alerts and the dashboard in Prometheus: needs /nowhere/promtool"


def run(*words: str, ci: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **MISSING, "CI": ci}
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(("action", "what"), [("report", "did not run"), ("install", "cannot run")])
def test_a_group_that_cannot_run_is_named_with_what_it_needs(action: str, what: str) -> None:
    told = run("tests/needs.py", action, "prometheus")
    assert told.stderr.startswith(f"{what}: {LINE} (apt-get install prometheus; ")
    assert told.returncode == 0


@pytest.mark.parametrize("action", ["report", "install"])
def test_in_ci_it_is_an_error(action: str) -> None:
    assert run("tests/needs.py", action, "prometheus", ci="true").returncode == 1


def test_what_is_there_is_not_named() -> None:
    told = run("tests/needs.py", "report", "venv", ci="true")
    assert (told.stderr, told.returncode) == ("", 0)
    assert run("tests/needs.py", "has", "venv").returncode == 0
    assert run("tests/needs.py", "has", "prometheus").returncode == 1


def test_an_unknown_group_is_a_mistake() -> None:
    assert run("tests/needs.py", "report", "redisx").returncode == 2


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_pytest_skips_what_cannot_run_and_fails_it_in_ci(ci: str, outcome: str) -> None:
    test = "tests/e2e/test_alerts.py::test_rules_are_well_formed"
    told = run("-m", "pytest", "-p", "no:cacheprovider", test, ci=ci)
    assert LINE in told.stdout
    assert outcome in told.stdout.splitlines()[-1]
