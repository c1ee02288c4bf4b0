#!/usr/bin/env python3
"""What groups of tests need besides Rust and Python: finds it, installs it, says what is missing.

The one list of it, for make, for .ci/run and for pytest (`@pytest.mark.needs("redis")`). It runs
before there is a virtual environment, so it uses Python's own library alone.

  needs.py install GROUP…   on Debian and Ubuntu as root: installs what is missing
  needs.py report GROUP…    a line for each group that cannot run, and what it needs
  needs.py has GROUP        ends with 0 where the group can run

With CI=true, `install` and `report` end with 1 when anything is missing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class Missing(Exception):
    """A program is not there; says which tests need it, and how one gets it."""


@dataclass(frozen=True)
class Group:
    """Tests, the programs that they need, and how one gets these."""

    tests: str
    # By the environment variable that names another one.
    programs: dict[str, str]
    # What Debian and Ubuntu call the packages; none where theirs are too old.
    packages: tuple[str, ...]
    elsewhere: str
    # Python's modules.
    modules: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """The programs and modules that are not there."""
        programs = [os.environ.get(name) or usual for name, usual in self.programs.items()]
        absent = [program for program in programs if shutil.which(program) is None]
        return absent + [name for name in self.modules if importlib.util.find_spec(name) is None]

    def can_be_installed(self) -> bool:
        """Whether something is missing that a package would bring, and nobody named another."""
        named = any(os.environ.get(variable) for variable in self.programs)
        return bool(self.packages and self.missing() and not named)

    def how(self) -> str:
        """How one gets what is missing, in a sentence."""
        ways = [f"apt-get install {' '.join(self.packages)}"] if self.packages else []
        ways += [self.elsewhere] if self.elsewhere else []
        if self.programs:
            ways.append("or name it: " + " ".join(f"{name}=/path" for name in self.programs))
        return f"needs {', '.join(self.missing())} ({'; '.join(ways)})"


GROUPS = {
    "venv": Group(
        "all tests in Python",
        {},
        ("python3-venv",),
        "",
        modules=("ensurepip", "venv"),
    ),
    "redis": Group(
        "the order scenario and its worker",
        {"REDIS_SERVER": "redis-server"},
        ("redis-server",),
        "Fedora: dnf install redis; macOS: brew install redis",
    ),
    "browser": Group(
        "the emulator's page in Chromium",
        {"CHROMIUM": "chromium", "CHROMEDRIVER": "chromedriver"},
        ("chromium", "chromium-driver"),
        "Fedora: dnf install chromium chromedriver",
    ),
    "prometheus": Group(
        "metrics, alerts and the dashboard in Prometheus",
        {"PROMETHEUS": "prometheus", "PROMTOOL": "promtool"},
        ("prometheus",),
        "Fedora: dnf install golang-github-prometheus; macOS: brew install prometheus",
    ),
    "node": Group(
        "the package, and Microsoft's SDK for JavaScript",
        {"NODE": "node", "NPM": "npm"},
        ("npm",),
        "Node 20 or later: https://nodejs.org",
    ),
    "java": Group(
        "Microsoft's SDK for Java",
        {"JAVA": "java", "MVN": "mvn"},
        ("default-jdk-headless", "maven"),
        "JDK 17 or later, and Maven: https://maven.apache.org",
    ),
    "go": Group(
        "the manifests in Istio and Envoy Gateway, and Microsoft's SDK for Go",
        {"GO": "go"},
        (),
        "Go 1.21 or later, which fetches what tests/control-planes/go.mod names: https://go.dev/dl",
    ),
}


def in_ci() -> bool:
    """Whether nothing may be left out."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def refusal(name: str) -> str | None:
    """Why the tests of a group cannot run here; None where they can."""
    group = GROUPS[name]
    return f"{name}: {group.tests}: {group.how()}" if group.missing() else None


def program(name: str, variable: str) -> str:
    """The path of a group's program, which the environment variable may name."""
    path = shutil.which(os.environ.get(variable) or GROUPS[name].programs[variable])
    if path is None:
        raise Missing(refusal(name))
    return path


def install(names: list[str]) -> int:
    """Installs what is missing where that is possible, and says what is still missing."""
    absent = [name for name in names if GROUPS[name].can_be_installed()]
    if absent and shutil.which("apt-get") and os.geteuid() == 0:
        with _no_services():
            _run("apt-get", "update", "-qq")
            # One by one: a package that this system does not have takes no other with it.
            for name in absent:
                packages = GROUPS[name].packages
                print(f"needs: installing {' '.join(packages)}", file=sys.stderr, flush=True)
                _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)
        importlib.invalidate_caches()
    return report(names, "cannot run")


def report(names: list[str], what: str = "did not run") -> int:
    """Prints a line for each group that cannot run here."""
    refusals = [text for name in names if (text := refusal(name))]
    for text in refusals:
        print(f"{what}: {text}", file=sys.stderr)
    if refusals and in_ci():
        print("needs: with CI=true nothing may be left out", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Some packages start a service when they are installed; this is how Debian is told not to."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def _run(*command: str) -> None:
    """Runs a command; what it did not do is found out by looking for the programs."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # What apt prints without fail is of no use to whoever runs the tests.
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        print(done.stdout, f"needs: {' '.join(command)}: failed", file=sys.stderr)


def main() -> int:
    action, *names = sys.argv[1:] or [""]
    unknown = [name for name in names if name not in GROUPS]
    if action not in ("install", "report", "has") or not names or unknown:
        print(__doc__, f"Groups: {', '.join(GROUPS)}", sep="\n", file=sys.stderr)
        return 2
    if action == "has":
        return int(any(GROUPS[name].missing() for name in names))
    return install(names) if action == "install" else report(names)


if __name__ == "__main__":
    sys.exit(main())
