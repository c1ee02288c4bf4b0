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


def test_a_reply_need_not_be_json(launch, configure, emulator) -> None:
    def route(name: str, reply: dict) -> dict:
        match = {"path": f"/{name}"}
        return {"name": name, "match": match, "send": {"queue": "raw"}, "reply": reply}

    twiml = '<?xml version="1.0"?><Response/>'
    unavailable = {"headers": {"content-type": "text/plain"}, "body": "later, ${request.method}"}
    routes = [
        route("xml", {"headers": {"Content-Type": "text/xml; charset=utf-8"}, "body": twiml}),
        route("empty", {"status": 200, "body": ""}),
        route("quoted", {"body": "ok"}),
        route("failing", {"failures": {"throttled": unavailable}}),
    ]
    gateway: Envoy = launch(configure().add_plugin_routes(routes), concurrency=1)

    def post(path: str):
        return http1.request(gateway.port, "POST", path, body=b"x")

    xml = post("/xml")
    assert (xml.status, xml.header("content-type")) == (202, "text/xml; charset=utf-8")
    assert xml.body == twiml.encode()
    empty = post("/empty")
    assert (empty.status, empty.body, empty.header("content-length")) == (200, b"", "0")
    assert empty.header("content-type") is None
    quoted = post("/quoted")
    assert (quoted.body, quoted.header("content-type")) == (b'"ok"', "application/json")
    emulator.arm({"status": 503}, entity="raw", count=1)
    failing = post("/failing")
    assert (failing.status, failing.body) == (503, b"later, POST")
    assert failing.header("content-type") == "text/plain"
