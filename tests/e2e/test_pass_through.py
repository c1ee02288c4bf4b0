"""Requests that no route of the filter matches reach the service behind it untouched."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from clients import http1
from clients.http2 import Http2Connection
from configuration.gateway import GatewayConfiguration
from configuration.routes import ROUTES
from processes.envoy import Envoy
from servers.echo import Echo, echoed

# Larger than the gateway buffers of a request that the filter takes.
LARGE = random.Random(1).randbytes(1_000_000)


@pytest.fixture(scope="module")
def service() -> Iterator[Echo]:
    """The service behind the gateway."""
    with Echo() as echo:
        yield echo


@pytest.fixture(scope="module", params=["pause", "continue"])
def passing_gateway(
    request: pytest.FixtureRequest, envoy_binary, module, service: Echo, tmp_path_factory
) -> Iterator[Envoy]:
    """A gateway with a service behind it, in both header modes; a gate stands in the second."""
    configuration = GatewayConfiguration(module).add_plugin_routes(ROUTES).pass_to(service.port)
    if request.param == "continue":
        configuration.add_filter(configuration.gate())
        configuration.merge_plugin({"header_mode": "continue"})
    gateway = Envoy(envoy_binary, configuration, tmp_path_factory.mktemp("gateway"))
    yield gateway
    gateway.check_vms()
    gateway.stop()


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/orders", []),
        ("POST", "/orders/1", []),
        ("POST", "/Orders", []),
        ("POST", "/other?next=/orders", []),
        ("PUT", "/shops/1/carts", []),
        ("PUT", "/shops/1/carts/2/3", []),
        ("POST", "/by-host", []),
        ("POST", "/by-header", [("x-mode", "Queue")]),
    ],
)
def test_a_request_that_matches_no_route_passes(
    passing_gateway: Envoy, method: str, target: str, headers: list[http1.Header]
) -> None:
    fields = [*headers, ("x-own", "value"), ("idempotency-key", "no key of ours")]
    answer = http1.request(
        passing_gateway.port, method, target, fields, b"body" if method != "GET" else None
    )

    seen = echoed(answer)
    assert (seen.method, seen.target) == (method, target)
    assert seen.header("host") == "gateway.example"
    assert seen.header("x-own") == "value"
    assert seen.body == (b"body" if method != "GET" else b"")
    # The answer is the service's own as well.
    assert answer.header("x-tracking-id") is None


def test_a_chunked_body_passes_with_its_trailers(passing_gateway: Envoy) -> None:
    with http1.Connection(passing_gateway.port) as connection:
        connection.send(http1.head("POST", "/else", [("transfer-encoding", "chunked")]))
        for start in range(0, len(LARGE), 65_000):
            connection.send(http1.chunk(LARGE[start : start + 65_000]))
        connection.send(http1.last_chunk([("x-checksum", "abc")]))
        seen = echoed(connection.answer())

    assert seen.body == LARGE
    assert seen.trailers == [("x-checksum", "abc")]


def test_http2_data_frames_pass_with_their_trailers(passing_gateway: Envoy) -> None:
    frames = [LARGE[start : start + 997] for start in range(0, 200_000, 997)]
    with Http2Connection(passing_gateway.port) as connection:
        answer = connection.request("POST", "/else", (), frames, [("x-checksum", "abc")])

    seen = echoed(answer)
    assert seen.body == b"".join(frames)
    assert seen.trailers == [("x-checksum", "abc")]


def test_headers_that_are_no_text_pass(passing_gateway: Envoy) -> None:
    answer = http1.request(
        passing_gateway.port,
        "POST",
        "/else",
        [("x-raw", b"\xff\xfe"), ("x-twice", "1"), ("x-twice", "2")],
        b"",
    )

    seen = echoed(answer)
    assert seen.header("x-raw") == "\xff\xfe"
    assert [value for name, value in seen.headers if name == "x-twice"] in (["1", "2"], ["1,2"])


def test_without_a_service_of_your_own_the_shipped_configuration_says_404(
    broker_gateway: Envoy,
) -> None:
    answer = http1.request(broker_gateway.port, "GET", "/")

    assert answer.status == 404
    assert answer.body == b"No route of the Service Bus filter matches this request.\n"


@pytest.mark.parametrize(
    ("method", "target"), [("POST", "/orders"), ("PUT", "/events/1"), ("POST", "/tenants/1/notify")]
)
def test_without_the_filter_the_shipped_routes_fail_closed(
    launch, module, method: str, target: str
) -> None:
    configuration = GatewayConfiguration(module)
    del configuration.http_filters[0]
    gateway = launch(configuration)

    answer = http1.request(gateway.port, method, target, body=b"x")

    assert answer.status == 503
    assert gateway.access_entry(path=target)["details"] == "no_healthy_upstream"
