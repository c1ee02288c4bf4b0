"""Measures the filter against Envoy's router, a service behind it, and Lua: `make bench`.

Each contender is an Envoy with one worker. They take turns, round after round, so that whatever
else the machine does meets them all alike. Shown are medians over the rounds, and ratios to the
router of the same round with their smallest and largest.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from bench_service import Service

import script
from contenders import CONTENDERS, MODULE, SERVICE
from measure import Load, Sample, check, measure, order
from processes.envoy import Envoy, version
from processes.program import ROOT
from upstream import Nginx, found

REFERENCE = next(iter(CONTENDERS))


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("--module", type=Path, help="another build of the filter")
    parser.add_argument("--connections", type=numbers, default=[16, 64, 256], metavar="N,…")
    parser.add_argument("--bodies", type=numbers, default=[50, 4096, 65536], metavar="BYTES,…")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--only", type=names, default=list(CONTENDERS), metavar="NAME,…")
    options = parser.parse_args()
    if min(options.bodies) < 50:
        parser.error("a body has 50 bytes at least")
    return script.run("bench", lambda folder: bench(options, folder))


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def names(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - set(CONTENDERS):
        raise argparse.ArgumentTypeError(f"no such contender: {', '.join(sorted(unknown))}")
    # The others are compared with it.
    return [name for name in CONTENDERS if name == REFERENCE or name in chosen]


def bench(options: argparse.Namespace, folder: Path) -> None:
    wrk = found("wrk")
    module = options.module or ROOT / options.target_dir / MODULE
    with contextlib.ExitStack() as stack:
        upstream = Nginx(folder / "nginx")
        stack.callback(upstream.stop)
        envoys: dict[str, Envoy] = {}
        behind: dict[str, tuple[int, ...]] = {}
        for name in options.only:
            port = upstream.port
            if name == SERVICE:
                service = Service(ROOT / options.target_dir, upstream.port, folder)
                stack.callback(service.stop)
                port, behind[name] = service.port, (service.pid,)
            configuration = CONTENDERS[name][0](module.absolute(), port)
            envoys[name] = Envoy(
                options.envoy, configuration, folder / name, concurrency=1, level="warning"
            )
            stack.callback(envoys[name].stop)
        print(
            f"Envoy {version(options.envoy)}, {os.cpu_count()} cores of {platform.machine()}, "
            f"{options.rounds} rounds of {options.seconds} s"
        )
        for size in options.bodies:
            for connections in options.connections:
                load = Load(connections, order(size))
                for name, envoy in envoys.items():
                    check(envoy, CONTENDERS[name][1], load.body)
                rounds = [
                    {
                        name: measure(
                            envoy, wrk, load, options.seconds, folder, behind.get(name, ())
                        )
                        for name, envoy in turned(envoys, turn).items()
                    }
                    for turn in range(options.rounds)
                ]
                print(f"\n{size} bytes, {connections} connections\n")
                show(rounds, list(envoys))


def turned(envoys: dict[str, Envoy], turn: int) -> dict[str, Envoy]:
    """Who begins changes with each round."""
    order = list(envoys)
    start = turn % len(order)
    return {name: envoys[name] for name in order[start:] + order[:start]}


def show(rounds: list[dict[str, Sample]], contenders: list[str]) -> None:
    print("| | CPU µs/request | ratio | requests/s | ratio | p50 ms | p99 ms | in a callout |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in contenders:
        samples = [turn[name] for turn in rounds]
        cells = [
            f"{median(samples, lambda sample: sample.cpu):.1f}",
            ratio(rounds, name, lambda sample: sample.cpu),
            f"{median(samples, lambda sample: sample.throughput):.0f}",
            ratio(rounds, name, lambda sample: sample.throughput),
            f"{median(samples, lambda sample: sample.p50):.2f}",
            f"{median(samples, lambda sample: sample.p99):.2f}",
            f"{median(samples, lambda sample: sample.batch):.1f}",
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def median(samples: list[Sample], part: Callable[[Sample], float]) -> float:
    return statistics.median(part(sample) for sample in samples)


def ratio(rounds: list[dict[str, Sample]], name: str, part: Callable[[Sample], float]) -> str:
    """To the reference of the same round: the median, the smallest and the largest."""
    if name == REFERENCE:
        return "1"
    ratios = [part(turn[name]) / part(turn[REFERENCE]) for turn in rounds]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    sys.exit(main())
