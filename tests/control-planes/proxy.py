"""An Envoy that a control plane has configured, and what it says of itself."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

from processes.program import PATIENCE_SECONDS, Program, ProgramFailed
from shipped import Resources

BUILT = "control-planes"
# What Envoy and the SDK write when the module has failed.
_VM_FAILURE = r"panicked at|Function: proxy_\w+ failed|Wasm VM failed|wasm_fail_stream"


class Proxy(ABC):
    """A control plane with its Envoy: `port` is where clients send requests."""

    port: int
    admin_port: int

    @abstractmethod
    def apply(self, resources: Resources) -> None:
        """Puts other resources in the place of those that the control plane has."""

    @abstractmethod
    def log(self) -> str:
        """What Envoy and the control plane have written so far."""

    @abstractmethod
    def stop(self) -> None:
        """Ends every process, and waits until all have ended."""

    def admin(self, path: str) -> str:
        """The answer of Envoy's admin interface."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.admin_port}{path}", timeout=30
        ) as answer:
            return answer.read().decode()

    def stats(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match the regular expression."""
        answer = json.loads(self.admin(f"/stats?format=json&filter={pattern}"))
        return {stat["name"]: stat["value"] for stat in answer["stats"] if "name" in stat}

    def dump(self, kind: str) -> Iterator[dict]:
        """The entries of a part of Envoy's config dump, such as `ClustersConfigDump`."""
        for part in json.loads(self.admin("/config_dump"))["configs"]:
            if part["@type"].endswith(f".{kind}"):
                for entries in part.values():
                    if isinstance(entries, list):
                        yield from entries

    def cluster(self, name: str) -> dict | None:
        """A cluster as Envoy has it."""
        clusters = [each["cluster"] for each in self.dump("ClustersConfigDump")]
        return next((each for each in clusters if each["name"] == name), None)

    def filters(self) -> list[dict]:
        """The HTTP filters of the listener on `port`, in their order, each with its settings."""
        discovered = {
            each["ecds_filter"]["name"]: each["ecds_filter"]["typed_config"]
            for each in self.dump("EcdsConfigDump")
        }
        for listener in self.dump("ListenersConfigDump"):
            found = listener.get("active_state", {}).get("listener")
            if found and found["address"]["socket_address"]["port_value"] == self.port:
                chain = found.get("filter_chains", [found.get("default_filter_chain")])[0]
                http = chain["filters"][-1]["typed_config"]["http_filters"]
                return [
                    {
                        "name": each["name"],
                        "settings": each.get("typed_config") or discovered.get(each["name"], {}),
                    }
                    for each in http
                ]
        return []

    def plugins(self) -> list[dict]:
        """The filter's own configuration of each of its instances, in their order."""
        configs = [each["settings"].get("config", {}) for each in self.filters()]
        return [json.loads(each["configuration"]["value"]) for each in configs if each]

    def wait_until(self, ready: Callable[[], object], what: str) -> object:
        """Polls `ready` until it returns something true, and returns that."""
        deadline = time.monotonic() + 2 * PATIENCE_SECONDS
        while not (result := ready()):
            if time.monotonic() > deadline:
                raise ProgramFailed(f"no {what}:\n{self.log()[-3000:]}")
            time.sleep(0.05)
        return result

    def check_vms(self) -> None:
        """Fails if a VM of the module has failed."""
        reloads = {name: n for name, n in self.stats("vm_reload").items() if n}
        assert not reloads, f"VMs were reloaded: {reloads}\n{self.log()[-4000:]}"
        failed = [line for line in self.log().split("\n") if re.search(_VM_FAILURE, line)]
        assert not failed, "\n".join(failed)

    def is_listening(self) -> bool:
        """Whether Envoy takes connections on `port`."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            return True
        return False

    def is_live(self) -> bool:
        """Whether Envoy says that it is ready."""
        # Late, too: while it starts, a loaded machine may let it wait longer than one asks.
        with contextlib.suppress(OSError):
            return self.admin("/ready") == "LIVE\n"
        return False


def free_ports(count: int) -> list[int]:
    """Ports that nobody has at the moment."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def children(pid: int) -> list[int]:
    """The processes that this one has started and that still run."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            found += [int(each) for each in (task / "children").read_text().split()]
    return found


def end(program: Program, ports: list[int]) -> None:
    """Ends a program and the Envoy that it has started; waits until their ports are free.

    An agent that is asked to end leaves Envoy alive, draining.
    """
    started = children(program.pid)
    for pid in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    program.stop()
    deadline = time.monotonic() + 10
    while left := [pid for pid in started if _runs(pid)]:
        if time.monotonic() > deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    for port in ports:
        with (
            contextlib.suppress(ConnectionRefusedError),
            socket.create_connection(("127.0.0.1", port), 1),
        ):
            raise AssertionError(f"port {port} is taken after its process has ended")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"
