"""Requests that no message can answer are refused at once, and nothing of them is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clients import http1
from clients.http2 import Http2Connection
from configuration.gateway import GatewayConfiguration
from configuration.header_modes import MODES, hold_by
from contract import UUID, assert_accepted, assert_refused
from processes.envoy import Envoy
from servers.upstream import Upstream

ROUTES = [
    {"name": "call", "match": {"path": "/shop.Orders/Submit"}, "send": {"queue": "raw"}},
    {"name": "chat", "match": {"methods": ["GET"], "path": "/chat"}, "send": {"queue": "raw"}},
]
GRPC_FRAME = b"\0\0\0\0\x05hello"
UPGRADE = "a request to upgrade the connection cannot be sent as a message"
GRPC = "a gRPC request cannot be sent as a message"


@pytest.fixture(scope="module", params=MODES)
def mode(
    request: pytest.FixtureRequest, envoy_binary, module, shared_broker: Upstream, tmp_path_factory
) -> Iterator[Envoy]:
    """A gateway that lets upgrades through to its filters."""
    configuration = GatewayConfiguration(module).add_plugin_routes(ROUTES)
    configuration.send_to(shared_broker.port)
    manager = configuration.connection_manager
    manager["upgrade_configs"] = [{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}]
    manager.setdefault("http2_protocol_options", {})["allow_connect"] = True
    hold_by(request.param, configuration, 100_000)
    gateway = Envoy(envoy_binary, configuration, tmp_path_factory.mktemp(request.param))
    yield gateway
    gateway.check_vms()
    gateway.stop()


def assert_serves(gateway: Envoy, broker: Upstream) -> None:
    """Nothing was sent before, and what is a message still is."""
    assert not broker.requests
    assert_accepted(http1.request(gateway.port, "POST", "/shop.Orders/Submit", body=b"x"))
    assert [message.body for message in broker.requests] == [b"x"]


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto"])
def test_grpc_over_http2(mode: Envoy, broker: Upstream, kind: str) -> None:
    fields = [("content-type", kind), ("te", "trailers")]
    with Http2Connection(mode.port) as connection:
        stream = connection.start("POST", "/shop.Orders/Submit", fields)
        # Nothing of the body has been sent.
        answer = connection.answer(stream)
        whole = connection.request("POST", "/shop.Orders/Submit", fields, [GRPC_FRAME])

    for told in (answer, whole):
        # Trailers alone, which are the headers then.
        assert (told.status, told.body) == (200, b"")
        assert told.header("content-type") == "application/grpc"
        assert told.header("grpc-status") == "12"
        assert UUID.fullmatch(told.header("x-tracking-id") or "")
    entry = mode.access_entry(tracking_id=answer.header("x-tracking-id"))
    assert entry["details"] == "service_bus_invalid_message"
    assert_serves(mode, broker)


def test_grpc_over_http1(mode: Envoy, broker: Upstream) -> None:
    fields = [("content-type", "application/grpc"), ("content-length", "10")]
    with http1.Connection(mode.port) as connection:
        connection.send(http1.head("POST", "/shop.Orders/Submit", fields))
        answer = connection.answer()

    assert (answer.status, answer.header("grpc-status")) == (200, "12")
    assert_serves(mode, broker)


def test_grpc_web_is_answered_as_http(mode: Envoy, broker: Upstream) -> None:
    fields = [("content-type", "application/grpc-web+proto")]

    answer = http1.request(mode.port, "POST", "/shop.Orders/Submit", fields, GRPC_FRAME)

    assert_refused(answer, "invalid_message", detail=GRPC)
    assert_serves(mode, broker)


def test_a_websocket_over_http1(mode: Envoy, broker: Upstream) -> None:
    fields = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    with http1.Connection(mode.port) as connection:
        connection.send(http1.head("GET", "/chat", fields))
        answer = connection.answer()

    assert_refused(answer, "invalid_message", detail=UPGRADE)
    assert_serves(mode, broker)


def test_a_websocket_over_http2(mode: Envoy, broker: Upstream) -> None:
    fields = [(":protocol", "websocket"), ("sec-websocket-version", "13")]
    with Http2Connection(mode.port) as connection:
        stream = connection.start("CONNECT", "/chat", fields)
        answer = connection.answer(stream)

    assert answer.status == 400, answer
    assert answer.json()["reason"] == "invalid_message"
    assert_serves(mode, broker)


def test_connect_is_no_message(mode: Envoy, broker: Upstream) -> None:
    with http1.Connection(mode.port) as connection:
        connection.send(http1.head("CONNECT", "gateway.example:443"))
        # It has no path, so that it is no request of a route's.
        assert connection.answer("CONNECT").status >= 400

    assert_serves(mode, broker)
