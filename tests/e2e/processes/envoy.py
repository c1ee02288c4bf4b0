"""A real Envoy."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path

from configuration.gateway import GatewayConfiguration
from processes.program import ROOT, Program

CONNECTION_STRING = (
    "Endpoint=sb://sbemulatorns.servicebus.windows.net/;"
    "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE"
)


class Envoy:
    """Envoy with the filter: a listener on a free port, and what it says of itself."""

    def __init__(
        self,
        binary: Path,
        configuration: GatewayConfiguration,
        folder: Path,
        *,
        concurrency: int = 2,
        connection_string: str = CONNECTION_STRING,
        variables: dict[str, str] | None = None,
        level: str = "info",
    ):
        folder.mkdir(parents=True, exist_ok=True)
        address_path = folder / "admin-address.txt"
        address_path.unlink(missing_ok=True)
        self.configuration = configuration
        self._program = Program(
            "envoy",
            [
                str(binary.absolute()),
                *("-c", str(configuration.write(folder / "envoy.yaml"))),
                *("--concurrency", str(concurrency)),
                "--use-dynamic-base-id",
                *("--admin-address-path", str(address_path)),
                *("--file-flush-interval-msec", "50"),
                *("--log-level", level),
                *("--component-log-level", f"wasm:{'debug' if level == 'info' else level}"),
            ],
            folder,
            environment=_environment(connection_string) | (variables or {}),
        )
        try:
            address = self._program.wait_until(
                lambda: address_path.exists() and address_path.read_text(), "admin address"
            )
            self.admin_port = int(str(address).rpartition(":")[2])
            self._program.wait_until(self._is_ready, "answer 200 from /ready")
            self.port = self._listener_port()
        except BaseException:
            self._program.stop()
            raise

    @property
    def pid(self) -> int:
        return self._program.pid

    def admin(self, path: str, method: str = "GET") -> str:
        """The admin interface's answer to `path`."""
        url = f"http://127.0.0.1:{self.admin_port}{path}"
        with urllib.request.urlopen(
            urllib.request.Request(url, method=method), timeout=30
        ) as answer:
            return answer.read().decode()

    def stats(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match the regular expression."""
        answer = json.loads(self.admin(f"/stats?format=json&filter={pattern}"))
        return {stat["name"]: stat["value"] for stat in answer["stats"] if "name" in stat}

    def log(self) -> str:
        """Envoy's own log, with the module's lines in it."""
        return self._program.stderr()

    def access_log(self) -> list[dict]:
        """The access log's complete lines so far."""
        lines = self._program.stdout().split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def access_entry(self, **members: object) -> dict:
        """The first access log line with these members; it may still be on its way to the file."""

        def find() -> dict | None:
            return next(
                (line for line in self.access_log() if members.items() <= line.items()), None
            )

        entry = self._program.wait_until(find, f"access log line with {members}")
        assert isinstance(entry, dict)
        return entry

    def wait_until(self, condition, what: str) -> object:
        """Polls `condition` until it is true; fails when Envoy ends before."""
        return self._program.wait_until(condition, what)

    def check_vms(self) -> None:
        """Fails if a VM of the module has failed."""
        reloads = {name: n for name, n in self.stats("vm_reload").items() if n}
        assert not reloads, f"VMs were reloaded: {reloads}\n{self.log()[-4000:]}"
        failed = [line for line in self.log().split("\n") if re.search(_VM_FAILURE, line)]
        assert not failed, "\n".join(failed)
        cut = [line for line in self.access_log() if line["details"] == "wasm_fail_stream"]
        assert not cut, f"requests ended by a failed VM: {cut}"

    def stop(self) -> None:
        self._program.stop()

    def _is_ready(self) -> bool:
        try:
            return self.admin("/ready") == "LIVE\n"
        except OSError:
            # It does not listen yet, or answers late: its first thread compiles the module.
            return False

    def _listener_port(self) -> int:
        listeners = json.loads(self.admin("/listeners?format=json"))["listener_statuses"]
        return listeners[0]["local_address"]["socket_address"]["port_value"]


# What Envoy and the SDK write when the module has failed.
_VM_FAILURE = r"panicked at|Function: proxy_\w+ failed|Wasm VM failed|wasm_fail_stream"


def validate(
    binary: Path, configuration: GatewayConfiguration, folder: Path
) -> subprocess.CompletedProcess[str]:
    """What `envoy --mode validate` says of the configuration."""
    path = configuration.write(folder / "envoy.yaml")
    return subprocess.run(
        [str(binary.absolute()), "--mode", "validate", "-c", str(path)],
        cwd=ROOT,
        env=_environment(CONNECTION_STRING),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@functools.cache
def version(binary: Path) -> str:
    """The version that the binary gives itself, such as `1.40.0`."""
    answer = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"/(\d+\.\d+\.\d+[^/]*)/", answer.stdout)
    assert found, f"no version in {answer.stdout!r}"
    return found[1]


def _environment(connection_string: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "SB_CONNECTION_STRING": connection_string}
