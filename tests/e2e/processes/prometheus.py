"""A real Prometheus, which scrapes Envoys as the shipped configuration says."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import yaml

import needs
from processes.envoy import Envoy
from processes.program import ROOT, Program, on_free_port

SHIPPED = ROOT / "envoy" / "observability" / "prometheus.yaml"


class Prometheus:
    """Prometheus on a free port of the loopback interface."""

    def __init__(self, gateways: dict[str, Envoy], folder: Path):
        binary = needs.program("prometheus", "PROMETHEUS")
        document = yaml.safe_load(SHIPPED.read_text())
        document["global"]["scrape_interval"] = "1s"
        document["rule_files"] = [str(SHIPPED.parent / name) for name in document["rule_files"]]
        document["scrape_configs"][0]["static_configs"] = [
            {"targets": [f"127.0.0.1:{gateway.admin_port}"], "labels": {"gateway": name}}
            for name, gateway in gateways.items()
        ]
        self._config = folder / "prometheus.yaml"
        self._config.write_text(yaml.safe_dump(document))
        on_free_port(lambda port: self._start(port, binary, folder))

    def series(self, metric: str, gateway: str) -> list[dict[str, str]]:
        """The labels of all series of a metric, without those of the scrape."""
        answer = self._ask("query", query=f'{metric}{{gateway="{gateway}"}}')
        found = [sample["metric"] for sample in answer["result"]]
        own = ("__name__", "gateway", "instance", "job")
        return [{name: labels[name] for name in labels if name not in own} for labels in found]

    def rules(self) -> list[dict]:
        """The alerts that it has loaded."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def wait_until(self, condition, what: str) -> object:
        """Polls `condition` until it is true; fails when Prometheus ends before."""
        return self._program.wait_until(condition, what)

    def stop(self) -> None:
        self._program.stop()

    def _start(self, port: int, binary: str, folder: Path) -> None:
        self._port = port
        self._program = Program(
            "prometheus",
            [
                *(binary, f"--config.file={self._config}"),
                f"--web.listen-address=127.0.0.1:{self._port}",
                f"--storage.tsdb.path={folder / 'data'}",
            ],
            folder,
        )
        try:
            self._program.wait_until(self._is_ready, "answer 200 from /-/ready")
        except BaseException:
            self._program.stop()
            raise

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._port}/-/ready", timeout=10
            ) as ready:
                return ready.status == 200
        except OSError:
            return False

    def _ask(self, what: str, **parameters: str) -> dict:
        url = f"http://127.0.0.1:{self._port}/api/v1/{what}?{urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]
