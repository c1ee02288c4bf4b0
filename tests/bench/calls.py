"""What a host call costs in Envoy: `make bench-calls`.

A module that makes one callout for a request is measured beside itself, where it makes one host
call fifty times more. They take turns; shown are medians over the rounds, with their smallest and
largest.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from pathlib import Path

import script
from contenders import MODULE, probe
from measure import Load, check, measure, order
from processes.envoy import Envoy, version
from processes.program import ROOT
from upstream import Nginx, found

# As `Call` of the probe names them, and how often it makes them.
TIMES = 50
CALLS = [
    "time",
    "random",
    "counter",
    "histogram",
    "effective context",
    "shared data",
    "headers",
    "body",
]


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    return script.run("bench-calls", lambda folder: prices(options, folder))


def prices(options: argparse.Namespace, folder: Path) -> None:
    wrk, load = found("wrk"), Load(64, order(50))
    module = (ROOT / options.target_dir / MODULE).absolute()
    with contextlib.ExitStack() as stack:
        upstream = Nginx(folder / "nginx")
        stack.callback(upstream.stop)
        envoys = {}
        for call in ["", *CALLS]:
            configuration = probe(module, upstream.port, call)
            at = folder / f"envoy {call}"
            envoys[call] = Envoy(options.envoy, configuration, at, concurrency=1, level="warning")
            stack.callback(envoys[call].stop)
            check(envoys[call], 202, load.body)
        rounds = [
            {call: measure(envoy, wrk, load, 1, folder).cpu for call, envoy in envoys.items()}
            for _ in range(options.rounds)
        ]
    print(f"Envoy {version(options.envoy)}, {options.rounds} rounds\n")
    print("| host call | CPU ns |\n|---|---:|")
    for call in CALLS:
        each = [(turn[call] - turn[""]) / TIMES * 1000 for turn in rounds]
        spread = f"{min(each):.0f} to {max(each):.0f}"
        print(f"| {call} | {statistics.median(each):.0f} ({spread}) |")


if __name__ == "__main__":
    sys.exit(main())
