"""A long run with everything at work and everything failing: `make soak`.

Clients leave, the broker fails in every way that the tests know, and the memory of Envoy's process
and of the module's VMs is looked at all the while. It ends with 1 when the books do not balance, a
VM has failed, or memory has grown after the first quarter.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from configuration import chaos
from configuration.gateway import GatewayConfiguration
from configuration.routes import entities
from narration import tell
from processes.emulator import Emulator
from processes.envoy import Envoy, version
from processes.load_generator import run_load
from processes.memory import Memory, memory
from processes.program import ROOT, ProgramFailed

MODULE = Path("wasm32-wasip1/release/envoy_service_bus.wasm")
ROWS = 12
# What a part may be larger at the end than it was at most in the first quarter.
SLACK_BYTES = {"process": 4 << 20, "vms": 1 << 20}


@dataclass(frozen=True)
class Sample:
    seconds: float
    requests: int
    memory: Memory


class Watch(threading.Thread):
    """Looks at a gateway every second until it is told to stop."""

    def __init__(self, gateway: Envoy):
        super().__init__(daemon=True)
        self.samples: list[Sample] = []
        self._gateway = gateway
        self._ended = threading.Event()
        self._start = time.monotonic()

    def run(self) -> None:
        while not self._ended.wait(1):
            self.look()

    def look(self) -> None:
        counter = "http.gateway.downstream_rq_total"
        requests = self._gateway.stats(f"^{counter}$")[counter]
        seconds = time.monotonic() - self._start
        self.samples.append(Sample(seconds, requests, memory(self._gateway.pid)))

    def stop(self) -> None:
        self._ended.set()
        self.join()
        self.look()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--envoy", type=Path, required=True, help="the Envoy binary")
    parser.add_argument("--target-dir", default="target", help="where cargo has put what it built")
    parser.add_argument("--requests", type=int, default=1_000_000, help="how many")
    options = parser.parse_args()
    results: list[bool] = []

    def story() -> None:
        with tempfile.TemporaryDirectory(prefix="envoy-service-bus-") as folder:
            results.append(soak(options, Path(folder)))

    return tell(story) or int(not results[0])


def soak(options: argparse.Namespace, folder: Path) -> bool:
    """Runs it and prints what it has measured; whether memory stayed flat."""
    target = ROOT / options.target_dir
    configuration = chaos.with_everything(GatewayConfiguration(target / MODULE))
    # A line for each request and each failure would fill the disk.
    configuration.connection_manager.pop("access_log")
    emulator = Emulator(target, short_lived(entities()), folder)
    try:
        chaos.arm(emulator, probability=0.01)
        configuration.send_to(emulator.port)
        gateway = Envoy(options.envoy, configuration, folder, level="error")
        try:
            print(f"Envoy {version(options.envoy)}, 2 workers, {options.requests} requests")
            watch = Watch(gateway)
            watch.start()
            summary = run_load(
                target,
                gateway,
                chaos.PATH,
                emulator,
                *("--entity", chaos.FIRST, "--entity", chaos.SECOND),
                *("--requests", str(options.requests)),
                *("--abort-percent", "5", "--abort-within", "10ms"),
                *("--chunked-percent", "10"),
                *("--backoff", "5ms"),
            )
            watch.stop()
            gateway.check_vms()
            print(json.dumps(summary))
            return report(watch.samples)
        finally:
            gateway.stop()
    finally:
        emulator.stop()


def short_lived(document: dict) -> dict:
    """Entities that keep a message for seconds: it is Envoy's memory that counts."""
    for queue in document["UserConfig"]["Namespaces"][0]["Queues"]:
        queue["Properties"] = queue["Properties"] | {"DefaultMessageTimeToLive": "PT5S"}
    return document


def report(samples: list[Sample]) -> bool:
    """Prints some of the samples, and whether memory stayed flat."""
    print(f"{'seconds':>8} {'requests':>9} {'process MiB':>12} {'VMs MiB':>8}")
    step = max(1, len(samples) // ROWS)
    shown = [*samples[::step], samples[-1]]
    for sample in shown:
        process, vms = sample.memory.process / (1 << 20), sample.memory.vms / (1 << 20)
        print(f"{sample.seconds:8.0f} {sample.requests:9} {process:12.1f} {vms:8.2f}")
    if not samples[-1].memory.vms:
        raise ProgramFailed("the memory of the VMs was not found")
    first = [sample for sample in samples if sample.requests <= samples[-1].requests / 4]
    flat = True
    for part, slack in SLACK_BYTES.items():
        before = max(getattr(sample.memory, part) for sample in first or samples[:1])
        grown = getattr(samples[-1].memory, part) - before
        print(f"{part}: {grown / 1024:+.0f} KiB since the first quarter")
        flat &= grown <= slack
    return flat


if __name__ == "__main__":
    sys.exit(main())
