"""What each further worker costs in memory: `make bench-memory`.

The memory of an Envoy is read after its workers have served some requests, with the filter and
with Envoy's router alone, so that what Envoy itself needs for a worker can be told apart.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

import script
from contenders import CONTENDERS, MODULE
from measure import Load, check, measure, order
from processes.envoy import Envoy, version
from processes.memory import memory
from processes.program import ROOT
from upstream import Nginx, found

WORKERS = [1, 2, 4, 8]
MIB = 1 << 20


def main() -> int:
    options = script.parser(__doc__).parse_args()
    return script.run("bench-memory", lambda folder: sizes(options, folder))


def sizes(options: argparse.Namespace, folder: Path) -> None:
    print(f"Envoy {version(options.envoy)}, MiB of its process and of the module's VMs\n")
    print(f"| | {' | '.join(f'{number} workers' for number in WORKERS)} | one more |")
    print(f"|---|{'---:|' * (len(WORKERS) + 1)}")
    for name in ("router", "raw"):
        show(name, options, folder)


def show(name: str, options: argparse.Namespace, folder: Path) -> None:
    each = [used(name, number, options, folder / f"{name}-{number}") for number in WORKERS]
    cells = [f"{process / MIB:.1f}, {vms / MIB:.1f}" for process, vms in each]
    grown = (each[-1][0] - each[0][0]) / (WORKERS[-1] - WORKERS[0]) / MIB
    print(f"| {name} | {' | '.join(cells)} | {grown:.2f} |", flush=True)


def used(name: str, workers: int, options: argparse.Namespace, folder: Path) -> tuple[int, int]:
    """Bytes of the process and of the VMs, once all workers have been at work."""
    configure, status = CONTENDERS[name]
    module = ROOT / options.target_dir / MODULE
    with contextlib.ExitStack() as stack:
        upstream = Nginx(folder / "nginx")
        stack.callback(upstream.stop)
        configuration = configure(module.absolute(), upstream.port)
        envoy = Envoy(options.envoy, configuration, folder, concurrency=workers, level="warning")
        stack.callback(envoy.stop)
        load = Load(64, order(50))
        check(envoy, status, load.body)
        measure(envoy, found("wrk"), load, 2, folder)
        found_memory = memory(envoy.pid)
        return found_memory.process, found_memory.vms


if __name__ == "__main__":
    sys.exit(main())
