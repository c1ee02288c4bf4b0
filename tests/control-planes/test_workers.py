"""The cluster's limits let through what the filter lets every worker have in flight."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from clients.http2 import Http2Connection
from contract import assert_accepted
from processes.emulator import Emulator
from shipped import Resources, plugins

WORKERS = 8
# More than Envoy lets a cluster have unless it is told otherwise.
AT_ONCE = 1120
CONNECTIONS = 32


def patient(found: Resources) -> None:
    """Time for so many to come together."""
    for plugin in plugins(found):
        if plugin.get("role") != "gate":
            plugin["delivery"] = {"timeout": "5m", "attempt_timeout": "5m"}


@pytest.mark.parametrize("way", ["istio-plugins", "higress", "envoy-gateway"], scope="session")
def test_all_workers_send_at_once(
    gateways, way: str, envoy_binary, emulator: Emulator, registry, relay
) -> None:
    gateways.stop()
    gateway = gateways.get(way, envoy_binary, patient, workers=WORKERS, service_bus=emulator.port)
    emulator.arm({"delay": "30s"}, entity="orders", operation="send")

    cluster = gateway.plugins()[0]["cluster"]

    def in_flight() -> int:
        # Istio leaves most statistics of clusters out; those of their endpoints are always there.
        clusters = json.loads(gateway.admin("/clusters?format=json"))["cluster_statuses"]
        [found] = [each for each in clusters if each["name"] == cluster]
        gauges = [each for host in found["host_statuses"] for each in host["stats"]]
        return sum(int(each.get("value", 0)) for each in gauges if each["name"] == "rq_active")

    with ExitStack() as connections:
        sent = []
        for _ in range(CONNECTIONS):
            connection = connections.enter_context(Http2Connection(gateway.port))
            for _ in range(AT_ONCE // CONNECTIONS):
                stream = connection.start("POST", "/orders")
                connection.send_data(stream, b"{}", end=True)
                sent.append((connection, stream))
        gateway.wait_until(lambda: in_flight() == AT_ONCE, "so many in flight")
        emulator.disarm()
        for connection, stream in sent:
            assert_accepted(connection.answer(stream))
    assert emulator.stored("orders").stored == AT_ONCE
    gateway.check_vms()
    gateways.stop()
