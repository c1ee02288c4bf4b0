"""Tracking ids: the client's Idempotency-Key, or a fresh UUID. Never Envoy's x-request-id."""

from __future__ import annotations

import json

import pytest

from clients import http1
from clients.http2 import Http2Connection
from contract import UUID, assert_accepted, assert_refused, tracking_id
from processes.envoy import Envoy
from servers.upstream import Upstream

BAD_KEY = "Idempotency-Key must be 1 to 128 visible ASCII characters"


def message_id(broker: Upstream) -> str:
    """The MessageId of the only message."""
    [message] = broker.requests
    return json.loads(message.header("brokerproperties") or "")["MessageId"]


@pytest.mark.parametrize("key", ["k", "order-4711", "!~\"'\\{}%", "x" * 128])
def test_the_key_is_the_message_id(broker_gateway: Envoy, broker: Upstream, key: str) -> None:
    answer = http1.request(broker_gateway.port, "POST", "/raw", [("Idempotency-Key", key)], b"body")

    assert_accepted(answer, key=key)
    assert message_id(broker) == key


def test_without_a_key_each_message_has_an_id_of_its_own(
    broker_gateway: Envoy, broker: Upstream
) -> None:
    request_id = ("x-request-id", "client-chosen")
    ids = set()
    for _ in range(20):
        broker.requests.clear()
        answer = http1.request(broker_gateway.port, "POST", "/raw", [request_id], b"")
        ids.add(assert_accepted(answer))
        assert message_id(broker) == tracking_id(answer)

    assert len(ids) == 20


@pytest.mark.parametrize(
    "value",
    [b"", b"x" * 129, b"two words", b"tab\tbed", "schlüssel".encode(), b"\xff\xfe"],
    ids=["empty", "129", "space", "tab", "not ASCII", "not UTF-8"],
)
def test_a_bad_key_is_refused_before_the_body(
    broker_gateway: Envoy, broker: Upstream, value: bytes
) -> None:
    with http1.Connection(broker_gateway.port) as connection:
        fields: list[http1.Header] = [("idempotency-key", value), ("content-length", "5")]
        connection.send(http1.head("POST", "/raw", fields))
        answer = connection.answer()

    identifier = assert_refused(answer, "invalid_message", detail=BAD_KEY)
    assert UUID.fullmatch(identifier)
    entry = broker_gateway.access_entry(tracking_id=identifier)
    assert entry["details"] == "service_bus_invalid_message"
    assert not broker.requests


@pytest.mark.parametrize("second", ["a", "b"])
def test_two_keys_are_refused(broker_gateway: Envoy, broker: Upstream, second: str) -> None:
    fields = [("idempotency-key", "a"), ("idempotency-key", second)]
    detail = "Idempotency-Key stands more than once"

    answer = http1.request(broker_gateway.port, "POST", "/raw", fields, b"x")
    assert_refused(answer, "invalid_message", detail=detail)

    with Http2Connection(broker_gateway.port) as connection:
        answer = connection.request("POST", "/raw", fields, [b"x"])
    assert_refused(answer, "invalid_message", detail=detail)

    assert not broker.requests


def test_a_failure_carries_the_key(broker_gateway: Envoy, broker: Upstream) -> None:
    fields: list[http1.Header] = [("idempotency-key", "mine"), ("content-type", b"text/\xff")]

    answer = http1.request(broker_gateway.port, "POST", "/raw", fields, b"x")

    detail = "content-type is not one value of visible ASCII characters"
    assert_refused(answer, "invalid_message", detail=detail, key="mine")
    assert not broker.requests
