"""A route's own reply, and what answers do not tell."""

from __future__ import annotations

import pytest

from clients import http1
from clients.http2 import Http2Connection
from contract import UUID, assert_accepted, assert_refused
from processes.envoy import Envoy
from servers.upstream import Upstream, answers


def test_a_route_may_reply_in_its_own_words(broker_gateway: Envoy, broker: Upstream) -> None:
    answer = http1.request(broker_gateway.port, "POST", "/own-reply", body=b"x")

    assert answer.status == 200
    assert answer.header("location") == "/status"
    assert answer.header("content-type") == "application/hal+json"
    assert UUID.fullmatch(answer.header("x-tracking-id") or "")
    assert answer.body == b'{"state":"processing","tries":0,"links":["/status"]}'


def test_a_failure_is_never_the_routes_own_reply(broker_gateway: Envoy, broker: Upstream) -> None:
    broker.script = answers("429 Too Many Requests")

    answer = http1.request(broker_gateway.port, "POST", "/own-reply", body=b"x")

    assert_refused(answer, "throttled")
    assert answer.header("location") is None


@pytest.mark.parametrize("status_line", ["201 Created", "500 Internal Server Error"])
def test_nothing_of_the_broker_or_of_envoy_shows(
    broker_gateway: Envoy, broker: Upstream, status_line: str
) -> None:
    broker.script = answers(
        status_line,
        [
            ("server", "Microsoft-HTTPAPI/2.0"),
            ("strict-transport-security", "max-age=31536000"),
            ("x-inner", "1"),
        ],
        b"inner words",
    )

    answer = http1.request(broker_gateway.port, "POST", "/raw", body=b"x")

    names = {name for name, _ in answer.headers}
    assert names <= {
        "cache-control",
        "content-length",
        "content-type",
        "date",
        "retry-after",
        "x-tracking-id",
    }
    assert b"inner" not in answer.body


def test_http2_gets_the_same_answers(broker_gateway: Envoy, broker: Upstream) -> None:
    with Http2Connection(broker_gateway.port) as connection:
        assert_accepted(connection.request("POST", "/raw", (), [b"x"]))
        broker.script = answers("404 Not Found")
        assert_refused(connection.request("POST", "/raw", (), [b"x"]), "entity_not_found")


def test_head_is_answered_without_a_body(broker_gateway: Envoy, broker: Upstream) -> None:
    with http1.Connection(broker_gateway.port) as connection:
        answer = connection.request("HEAD", "/own-reply")
        assert (answer.status, answer.body) == (200, b"")
        # Nothing of a body is left on the connection.
        assert_accepted(connection.request("POST", "/raw", body=b"x"))
