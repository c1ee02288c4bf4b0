"""`envoy/envoy.yaml` as it is shipped: the filter works on those routes that enable it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import http1
from clients.http2 import Http2Connection
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy
from servers.echo import Echo, echoed

TAKEN = [
    ("POST", "/orders", "orders"),
    ("POST", "/orders?a=/other", "orders"),
    ("PUT", "/events/door/opened", "events"),
    ("POST", "/tenants/a/notify", "notifications/subscriptions/all"),
]
OTHERS = [("GET", "/orders"), ("POST", "/orders/1"), ("POST", "/Orders"), ("POST", "/tenants/a")]


@pytest.fixture(scope="module")
def service() -> Iterator[Echo]:
    """The service behind the gateway."""
    with Echo() as echo:
        yield echo


def shipped(
    module: Path, emulator: Emulator, service: Echo, *, per_route: bool = True
) -> GatewayConfiguration:
    configuration = GatewayConfiguration(module, per_route=per_route)
    return configuration.send_to(emulator.port).pass_to(service.port)


@pytest.fixture(scope="module")
def shipped_gateway(
    envoy_binary: Path, module: Path, shared_emulator: Emulator, service: Echo, tmp_path_factory
) -> Iterator[Envoy]:
    """Envoy with the shipped file, and a service for what it does not take."""
    configuration = shipped(module, shared_emulator, service)
    gateway = Envoy(envoy_binary, configuration, tmp_path_factory.mktemp("gateway"))
    yield gateway
    gateway.check_vms()
    gateway.stop()


@pytest.mark.parametrize(("method", "target", "entity"), TAKEN)
def test_routes_that_enable_the_filter_send(
    shipped_gateway: Envoy, emulator: Emulator, method: str, target: str, entity: str
) -> None:
    answer = http1.request(shipped_gateway.port, method, target, [], b'{"orderId":"7"}')

    assert_accepted(answer)
    assert [request["method"] for request in emulator.requests()] == ["POST"]
    assert emulator.message(entity)["body"] == '{"orderId":"7"}'


def test_a_body_in_pieces_is_sent_over_http2_too(
    shipped_gateway: Envoy, emulator: Emulator
) -> None:
    with Http2Connection(shipped_gateway.port) as connection:
        answer = connection.request("POST", "/orders", body=[b"x" * 50_000] * 2)

    assert_accepted(answer)
    assert len(emulator.message("orders")["body"]) == 100_000


@pytest.mark.parametrize(("method", "target"), OTHERS)
def test_other_routes_pass(
    shipped_gateway: Envoy, emulator: Emulator, method: str, target: str
) -> None:
    body = None if method == "GET" else b"body"
    seen = echoed(http1.request(shipped_gateway.port, method, target, [], body))

    assert (seen.method, seen.target, seen.body) == (method, target, body or b"")
    assert not emulator.requests()


@pytest.mark.parametrize("per_route", [True, False])
def test_other_routes_never_enter_the_vm(
    launch, module: Path, emulator: Emulator, service: Echo, per_route: bool
) -> None:
    """A filter that may not read headers refuses what it is asked about."""
    configuration = shipped(module, emulator, service, per_route=per_route)
    allowed = configuration.wasm["capability_restriction_config"]["allowed_capabilities"]
    del allowed["proxy_get_header_map_pairs"]
    gateway = launch(configuration, concurrency=1)

    answer = http1.request(gateway.port, "POST", "/orders", [], b"x")
    assert_refused(answer, "misconfigured")
    for method, target in OTHERS:
        answer = http1.request(gateway.port, method, target, [], None)
        if per_route:
            assert echoed(answer).target == target
        else:
            assert_refused(answer, "misconfigured")
    assert not emulator.requests()


def test_without_the_filter_its_requests_fail(
    launch, module: Path, emulator: Emulator, service: Echo
) -> None:
    configuration = shipped(module, emulator, service)
    configuration.http_filters[:] = configuration.http_filters[-1:]
    gateway = launch(configuration)

    for method, target, _ in TAKEN:
        assert http1.request(gateway.port, method, target, [], b"x").status == 503
    assert http1.request(gateway.port, "POST", "/orders/1", [], b"x").status == 200
    assert not emulator.requests()
