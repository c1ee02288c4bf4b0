"""The cluster's limits let through what the filter lets every worker have in flight."""

from __future__ import annotations

import ssl
from contextlib import ExitStack

import pytest
import trustme
from holding import HoldingBroker

from clients.http2 import Http2Connection
from contract import assert_accepted
from processes.emulator import Emulator
from shipped import NAMESPACE, Resources, plugins

WORKERS = 8
# More than Envoy lets a cluster have unless it is told otherwise.
AT_ONCE = 1280
CONNECTIONS = 32


def patient(found: Resources) -> None:
    """Time for so many to come together."""
    for plugin in plugins(found):
        if plugin.get("role") != "gate":
            plugin["delivery"] = {"timeout": "60s", "attempt_timeout": "60s"}


@pytest.mark.parametrize("way", ["istio-plugins", "higress", "envoy-gateway"], scope="session")
def test_all_workers_send_at_once(
    gateways, way: str, envoy_binary, emulator: Emulator, registry, relay, authority: trustme.CA
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAMESPACE).configure_cert(context)
    with HoldingBroker(AT_ONCE, context) as broker, ExitStack() as open_connections:
        gateway = gateways.get(way, envoy_binary, patient, workers=WORKERS, service_bus=broker.port)
        sent = []
        for _ in range(CONNECTIONS):
            connection = open_connections.enter_context(Http2Connection(gateway.port))
            for _ in range(AT_ONCE // CONNECTIONS):
                stream = connection.start("POST", "/orders")
                connection.send_data(stream, b"{}", end=True)
                sent.append((connection, stream))
        try:
            for connection, stream in sent:
                assert_accepted(connection.answer(stream))
        finally:
            broker.release()
        assert broker.most == AT_ONCE
        gateway.check_vms()
    gateways.stop()
