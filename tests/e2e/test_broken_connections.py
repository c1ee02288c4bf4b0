"""A connection to Service Bus that cannot be made, breaks, or falls silent."""

from __future__ import annotations

import socket

import pytest

from clients import http1
from configuration.gateway import GatewayConfiguration
from configuration.routes import ROUTES
from contract import assert_accepted, assert_refused
from processes.envoy import Envoy
from servers.incoming import Incoming, Reader
from servers.upstream import Script, Upstream, answers, reset


@pytest.fixture
def to_broker(module, broker: Upstream) -> GatewayConfiguration:
    """The shipped configuration, in front of the scripted broker."""
    configuration = GatewayConfiguration(module).add_plugin_routes(ROUTES).try_once()
    return configuration.send_to(broker.port)


def read_nothing(connection: socket.socket, request: Incoming, reader: Reader) -> bool:
    reset(connection)
    return False


def read_all(connection: socket.socket, request: Incoming, reader: Reader) -> bool:
    assert reader.body(request)
    reset(connection)
    return False


def close_after_all(connection: socket.socket, request: Incoming, reader: Reader) -> bool:
    assert reader.body(request)
    return False


def half_a_head(connection: socket.socket, request: Incoming, reader: Reader) -> bool:
    assert reader.body(request)
    connection.sendall(b"HTTP/1.1 201 Crea")
    reset(connection)
    return False


def only_a_head(connection: socket.socket, request: Incoming, reader: Reader) -> bool:
    assert reader.body(request)
    connection.sendall(b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n")
    # Half of the answer first: a reset alone could overtake the head.
    connection.sendall(b"4\r\nhalf\r\n")
    reset(connection)
    return False


@pytest.mark.parametrize(
    "script", [read_nothing, read_all, close_after_all, half_a_head, only_a_head]
)
def test_a_broken_connection_leaves_the_outcome_unknown(
    broker_gateway: Envoy, broker: Upstream, script: Script
) -> None:
    broker.script = script

    answer = http1.request(broker_gateway.port, "POST", "/raw", body=b"x" * 1000)

    tracking_id = assert_refused(answer, "outcome_unknown")
    # Sent once: a second attempt could store the message twice.
    assert len(broker.requests) == 1
    entry = broker_gateway.access_entry(tracking_id=tracking_id)
    assert entry["details"] == "service_bus_outcome_unknown"

    broker.script = answers("201 Created")
    assert_accepted(http1.request(broker_gateway.port, "POST", "/raw", body=b"y"))


def test_silence_beyond_the_attempt_timeout_leaves_the_outcome_unknown(
    launch, to_broker: GatewayConfiguration, broker: Upstream
) -> None:
    to_broker.merge_plugin({"delivery": {"attempt_timeout": "300ms"}})
    gateway = launch(to_broker)
    broker.script = silent_until_closed

    answer = http1.request(gateway.port, "POST", "/raw", body=b"x")

    assert_refused(answer, "outcome_unknown")
    assert len(broker.requests) == 1


def test_the_whole_timeout_bounds_the_attempt(
    launch, to_broker: GatewayConfiguration, broker: Upstream
) -> None:
    to_broker.merge_plugin({"delivery": {"timeout": "300ms", "attempt_timeout": "1h"}})
    gateway = launch(to_broker)
    broker.script = silent_until_closed

    answer = http1.request(gateway.port, "POST", "/raw", body=b"x")

    assert_refused(answer, "outcome_unknown")


def test_a_refused_connection_means_that_nothing_was_sent(launch, module, closed_port: int) -> None:
    gateway = launch(GatewayConfiguration(module).send_to(closed_port))

    answer = http1.request(gateway.port, "POST", "/orders", body=b"x")

    tracking_id = assert_refused(answer, "broker_unreachable")
    entry = gateway.access_entry(tracking_id=tracking_id)
    assert entry["details"] == "service_bus_broker_unreachable"


def test_a_connection_that_is_not_answered_means_that_nothing_was_sent(launch, module) -> None:
    # Its queue of one connection is taken: the kernel drops what else wants to connect.
    with socket.socket() as deaf, socket.socket() as first:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        first.connect(("127.0.0.1", port))
        configuration = GatewayConfiguration(module).send_to(port)
        configuration.service_bus["connect_timeout"] = "0.3s"
        gateway = launch(configuration)

        answer = http1.request(gateway.port, "POST", "/orders", body=b"x")

    assert_refused(answer, "broker_unreachable")


def test_a_cluster_without_hosts_means_that_nothing_was_sent(launch, module) -> None:
    configuration = GatewayConfiguration(module).merge_plugin({"cluster": "nowhere"})
    gateway = launch(configuration)

    answer = http1.request(gateway.port, "POST", "/orders", body=b"x")

    assert_refused(answer, "broker_unreachable")


def test_an_exhausted_cluster_means_that_nothing_was_sent(
    launch, to_broker: GatewayConfiguration, broker: Upstream
) -> None:
    limits = {"max_connections": 1, "max_pending_requests": 0, "max_requests": 0}
    to_broker.service_bus["circuit_breakers"] = {"thresholds": [limits]}
    gateway = launch(to_broker)

    answer = http1.request(gateway.port, "POST", "/raw", body=b"x")

    assert_refused(answer, "broker_unreachable")
    assert not broker.requests


def test_an_unknown_cluster_is_a_misconfiguration(launch, module) -> None:
    configuration = GatewayConfiguration(module).merge_plugin({"cluster": "no-such-cluster"})
    gateway = launch(configuration)

    answer = http1.request(gateway.port, "POST", "/orders", body=b"x")

    tracking_id = assert_refused(answer, "misconfigured")
    entry = gateway.access_entry(tracking_id=tracking_id)
    assert entry["details"] == "service_bus_misconfigured"
    # Operators learn which name was wrong.
    gateway.wait_until(lambda: "no-such-cluster" in gateway.log(), "line with the wrong name")


def silent_until_closed(connection: socket.socket, request: Incoming, reader: Reader) -> bool:
    """Takes the request and says nothing until the gateway gives up."""
    assert reader.body(request)
    assert reader.head() is None
    return False
