"""The message as it lies in the queue of a strict broker."""

from __future__ import annotations

import base64
import random
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from clients import http1
from clients.http2 import Http2Connection
from configuration.routes import BROKER_PROPERTIES
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_shipped_routes_work(gateway: Envoy, emulator: Emulator) -> None:
    fields = [
        ("content-type", "application/json"),
        ("idempotency-key", "order-1"),
        ("x-tenant-id", "acme"),
    ]
    order = http1.request(gateway.port, "POST", "/orders", fields, b'{"item":1}')

    assert_accepted(order, key="order-1")
    assert order.header("cache-control") == "no-store"
    message = emulator.message("orders")
    assert message["body"] == '{"item":1}'
    assert message["content_type"] == "application/json"
    assert message["broker_properties"]["MessageId"] == "order-1"
    assert message["broker_properties"]["Label"] == "order"
    assert message["broker_properties"]["TimeToLive"] == 3600
    assert message["properties"] == {
        "source": "gateway",
        "priority": 5,
        "express": False,
        "x-tenant-id": "acme",
    }

    assert_accepted(http1.request(gateway.port, "PUT", "/events/a/b?c", body=b"raw"))
    message = emulator.message("events")
    assert (message["body"], message["content_type"]) == ("raw", None)
    assert message["properties"] == {}

    assert_accepted(http1.request(gateway.port, "POST", "/tenants/7/notify", body=b"{}"))
    for subscription in ("all", "labelled"):
        message = emulator.message(f"notifications/subscriptions/{subscription}")
        assert message["broker_properties"]["Label"] == "notification"
        assert message["content_type"] == "application/json"
        assert message["properties"] == {"channel": "web", "urgent": True}


def test_every_property_survives(gateway: Envoy, emulator: Emulator) -> None:
    fields = [("x-tenant-id", "acme"), ("traceparent", TRACE), ("tracestate", "vendor=1")]

    key = assert_accepted(http1.request(gateway.port, "POST", "/typed", fields, b"{}"))

    message = emulator.message("typed")
    assert message["form"] == "single"
    assert message["content_type"] == "application/vnd.example+json"
    broker = message["broker_properties"]
    assert broker["MessageId"] == key
    assert broker["TimeToLive"] == 90
    for name, value in BROKER_PROPERTIES.items():
        assert name == "TimeToLive" or broker[name] == value
    assert message["properties"] == {
        "text": "plain",
        "quoted": 'say "hi"',
        "digits": "12345",
        "truth": "true",
        "whole": 42,
        "negative": -7,
        "fraction": 2.5,
        "yes": True,
        "no": False,
        "x-tenant-id": "acme",
        "traceparent": TRACE,
        "diagnostic-id": TRACE,
        "tracestate": "vendor=1",
    }


def test_a_batch_of_one_keeps_names_and_text_exactly(gateway: Envoy, emulator: Emulator) -> None:
    fields = [("content-type", "text/plain"), ("traceparent", TRACE)]

    body = 'say "hi", \\ \n\t 日本 \U0001f600'
    key = assert_accepted(http1.request(gateway.port, "POST", "/exact", fields, body.encode()))

    message = emulator.message("exact")
    assert message["form"] == "batch"
    assert message["body"] == body
    assert message["content_type"] == "text/plain"
    broker = message["broker_properties"]
    assert broker["MessageId"] == key
    assert broker["TimeToLive"] == 90
    for name, value in BROKER_PROPERTIES.items():
        assert name == "TimeToLive" or broker[name] == value
    assert message["properties"] == {
        "Priority": "high",
        "cloudEvents:id": "A-1",
        "stadt": "Zürich",
        "count": 3,
        "traceparent": TRACE,
        "Diagnostic-Id": TRACE,
    }


def test_binary_bodies_are_kept_byte_for_byte(gateway: Envoy, emulator: Emulator) -> None:
    body = bytes(range(256)) + random.Random(7).randbytes(200_000)

    assert_accepted(http1.request(gateway.port, "POST", "/raw", body=body))
    with Http2Connection(gateway.port) as connection:
        assert_accepted(connection.request("POST", "/raw", (), [body[:99], body[99:]]))

    first, second = emulator.messages("raw")
    assert base64.b64decode(first["body_base64"]) == body
    assert base64.b64decode(second["body_base64"]) == body


def test_a_configured_payload_replaces_the_body(gateway: Envoy, emulator: Emulator) -> None:
    assert_accepted(http1.request(gateway.port, "POST", "/fixed", body=b"not this"))

    message = emulator.message("raw")
    assert message["body"] == '{"kind":"ping","parts":[1,null,"x"]}'
    assert message["content_type"] == "application/json"


def test_a_delay_schedules_the_message(gateway: Envoy, emulator: Emulator) -> None:
    before = datetime.now(timezone.utc).replace(microsecond=0)
    assert_accepted(http1.request(gateway.port, "POST", "/later", body=b"x"))

    message = emulator.message("raw")
    assert message["state"] == "scheduled"
    due = parsedate_to_datetime(message["broker_properties"]["ScheduledEnqueueTimeUtc"])
    assert (due - before).total_seconds() >= 3600


def test_the_same_key_is_stored_once(gateway: Envoy, emulator: Emulator) -> None:
    fields = [("idempotency-key", "twice")]
    for _ in range(2):
        # A duplicate is answered like the first: it is in the queue.
        assert_accepted(http1.request(gateway.port, "POST", "/orders", fields, b"x"), key="twice")

    stored = emulator.stored("orders")
    assert (stored.messages, stored.stored, stored.duplicates) == ({"twice": 1}, 1, 1)


def test_the_broker_refuses_an_entity_that_is_not_there(gateway: Envoy, emulator: Emulator) -> None:
    answer = http1.request(gateway.port, "POST", "/missing", body=b"x")

    assert_refused(answer, "entity_not_found")


def test_a_wrong_key_is_the_gateways_fault(launch, configure, emulator: Emulator) -> None:
    gateway = launch(
        configure(),
        connection_string=(
            "Endpoint=sb://sbemulatorns.servicebus.windows.net/;"
            "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=WRONG"
        ),
    )

    answer = http1.request(gateway.port, "POST", "/raw", body=b"x")

    assert_refused(answer, "broker_unauthorized")
    assert emulator.messages("raw") == []


def test_a_policy_with_its_key_signs_as_well(launch, configure, emulator: Emulator) -> None:
    sas = {"key_name": "RootManageSharedAccessKey", "key": {"env": "SB_CONNECTION_STRING"}}
    configuration = configure().merge_plugin(
        {"credentials": {"connection_string": None, "sas": {**sas, "token_ttl": "20m"}}}
    )
    gateway = launch(configuration, connection_string="SAS_KEY_VALUE")

    assert_accepted(http1.request(gateway.port, "POST", "/raw", body=b"x"))

    assert emulator.message("raw")["body"] == "x"


def test_headers_beyond_what_the_broker_takes_go_into_a_batch(
    gateway: Envoy, emulator: Emulator
) -> None:
    tenant = "t" * 20_000

    assert_accepted(
        http1.request(gateway.port, "POST", "/typed", [("x-tenant-id", tenant)], b"text")
    )
    message = emulator.message("typed")
    assert message["form"] == "batch"
    assert message["properties"]["x-tenant-id"] == tenant

    answer = http1.request(gateway.port, "POST", "/typed", [("x-tenant-id", tenant)], b"\xff")
    detail = (
        "the properties have more than 8192 bytes, which only a batch can carry, and that needs "
        "a body in UTF-8"
    )
    assert_refused(answer, "invalid_message", detail=detail)

    answer = http1.request(gateway.port, "POST", "/typed", [("x-tenant-id", "t" * 33_000)], b"text")
    detail = 'property "x-tenant-id" has more than 32768 bytes'
    assert_refused(answer, "invalid_message", detail=detail)
