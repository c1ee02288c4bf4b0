"""Which requests the filter takes."""

from __future__ import annotations

import pytest

from clients import http1
from clients.http2 import Http2Connection
from contract import assert_accepted
from processes.envoy import Envoy
from servers.upstream import Upstream


@pytest.mark.parametrize(
    ("method", "target", "headers", "queue"),
    [
        ("POST", "/raw", [], "raw"),
        ("POST", "/raw?a=b", [], "raw"),
        # Envoy gives a path one spelling before the filter sees it.
        ("POST", "//raw", [], "raw"),
        ("POST", "/other/../raw", [], "raw"),
        ("POST", "/r%61w", [], "raw"),
        ("POST", "/events/", [], "events"),
        ("PUT", "/events/a/b/c", [], "events"),
        ("PUT", "/shops/7/carts/a%20b", [], "raw"),
        ("GET", "/own-reply", [], "raw"),
        ("PATCH", "/own-reply", [], "raw"),
        ("POST", "/by-host", [("host", "api.example")], "raw"),
        ("POST", "/by-host", [("host", "API.example:8443")], "raw"),
        ("POST", "/by-host", [("host", "a.b.shop.example")], "raw"),
        ("POST", "/by-host", [("host", "api.example.")], "raw"),
        ("POST", "/by-host", [("host", "A.shop.example.:80")], "raw"),
        ("POST", "/by-header", [("X-Mode", "queue")], "raw"),
    ],
)
def test_a_request_that_matches_is_sent(
    broker_gateway: Envoy,
    broker: Upstream,
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    queue: str,
) -> None:
    answer = http1.request(broker_gateway.port, method, target, headers)

    assert answer.status in (200, 202), answer
    [message] = broker.requests
    assert message.target == f"/{queue}/messages"
    assert message.method == "POST"


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/raw", []),
        # A route that names no methods takes POST alone.
        ("GET", "/fixed", []),
        ("HEAD", "/fixed", []),
        ("PUT", "/fixed", []),
        ("OPTIONS", "/fixed", [("origin", "https://a"), ("access-control-request-method", "POST")]),
        ("POST", "/raw/", []),
        ("POST", "/eventsmore", []),
        ("PUT", "/shops//carts/1", []),
        ("POST", "/by-host", [("host", "shop.example")]),
        ("POST", "/by-host", [("host", "api.example.evil")]),
        ("POST", "/by-host", [("host", "api.example..")]),
        ("POST", "/by-header", [("x-mode", "queue"), ("x-mode", "queue")]),
    ],
)
def test_a_request_that_does_not_match_is_not(
    broker_gateway: Envoy,
    broker: Upstream,
    method: str,
    target: str,
    headers: list[tuple[str, str]],
) -> None:
    answer = http1.request(broker_gateway.port, method, target, headers)

    assert answer.status == 404, answer
    assert not broker.requests


def test_the_authority_of_http2_is_the_host(broker_gateway: Envoy, broker: Upstream) -> None:
    with Http2Connection(broker_gateway.port, authority="api.example") as connection:
        assert_accepted(connection.request("POST", "/by-host"))

    assert len(broker.requests) == 1


@pytest.mark.parametrize("target", ["/orders%2fx", "/events/..%2f..%5corders"])
def test_a_path_with_hidden_slashes_is_refused(
    broker_gateway: Envoy, broker: Upstream, target
) -> None:
    answer = http1.request(broker_gateway.port, "POST", target, body=b"x")

    assert answer.status == 400
    assert not broker.requests


def test_a_header_with_an_underscore_is_refused(broker_gateway: Envoy, broker: Upstream) -> None:
    answer = http1.request(broker_gateway.port, "POST", "/raw", [("x_tenant_id", "a")], b"x")

    assert answer.status == 400
    assert not broker.requests
