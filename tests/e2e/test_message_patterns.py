"""The four patterns of "Message routing and correlation", with Microsoft's client as receiver."""

from __future__ import annotations

import pytest
from azure.servicebus import Message, ServiceBusService

from clients import http1
from clients.service_bus import service_bus
from conftest import Launch
from processes.emulator import Emulator
from processes.envoy import Envoy

ROUTES = [
    {
        "name": "ask",
        "match": {"path": "/ask"},
        "send": {
            "queue": "raw",
            "broker_properties": {"ReplyTo": "${request.headers['x-reply-to']}"},
        },
    },
    {
        "name": "announce",
        "match": {"path": "/announce"},
        "send": {
            "topic": "notifications",
            "broker_properties": {"ReplyTo": "typed", "Label": "notification"},
        },
    },
    {
        "name": "stream",
        "match": {"path_template": "/streams/{stream}"},
        "send": {"queue": "raw", "broker_properties": {"SessionId": "${path.stream}"}},
    },
    {
        "name": "shared-replies",
        "match": {"path": "/shared"},
        "send": {
            "queue": "raw",
            "broker_properties": {
                "ReplyTo": "typed",
                "ReplyToSessionId": "${request.headers['x-publisher']}",
                "CorrelationId": "${request.json.parent}",
            },
        },
    },
]


@pytest.fixture
def patterns(configure, launch: Launch, emulator: Emulator) -> Envoy:
    """A gateway with a route for each pattern."""
    return launch(configure().add_plugin_routes(ROUTES))


@pytest.fixture
def client(emulator: Emulator) -> ServiceBusService:
    """Microsoft's client, which no one here has written."""
    return service_bus(emulator.port)


def reply_to(client: ServiceBusService, request: Message, body: bytes) -> None:
    """Answers as the document says: to `ReplyTo`, with the request's id as correlation."""
    broker = {"CorrelationId": request.broker_properties["MessageId"]}
    if session := request.broker_properties.get("ReplyToSessionId"):
        broker["SessionId"] = session
    client.send_queue_message(
        request.broker_properties["ReplyTo"], Message(body, broker_properties=broker)
    )


def test_simple_request_and_reply(patterns: Envoy, client: ServiceBusService) -> None:
    fields = [("x-reply-to", "typed"), ("idempotency-key", "ask-1")]
    assert http1.request(patterns.port, "POST", "/ask", fields, b"how many?").status == 202

    request = client.receive_queue_message("raw", peek_lock=False, timeout=1)
    assert request.body == b"how many?"
    reply_to(client, request, b"three")

    reply = client.receive_queue_message("typed", peek_lock=False, timeout=1)
    assert (reply.body, reply.broker_properties["CorrelationId"]) == (b"three", "ask-1")


def test_multicast_request_and_reply(patterns: Envoy, client: ServiceBusService) -> None:
    fields = [("idempotency-key", "ask-2")]
    assert http1.request(patterns.port, "POST", "/announce", fields, b"who is there?").status == 202

    for subscription in ("all", "labelled"):
        request = client.receive_subscription_message(
            "notifications", subscription, peek_lock=False, timeout=1
        )
        assert request.body == b"who is there?"
        reply_to(client, request, subscription.encode())

    replies = [client.receive_queue_message("typed", peek_lock=False, timeout=1) for _ in range(2)]
    assert [reply.body for reply in replies] == [b"all", b"labelled"]
    assert {reply.broker_properties["CorrelationId"] for reply in replies} == {"ask-2"}


def test_multiplexing(patterns: Envoy, client: ServiceBusService) -> None:
    for stream, body in [("a", b"1"), ("b", b"2"), ("a", b"3")]:
        assert http1.request(patterns.port, "POST", f"/streams/{stream}", body=body).status == 202

    received = [client.receive_queue_message("raw", peek_lock=False, timeout=1) for _ in range(3)]
    sessions = [(m.broker_properties["SessionId"], m.body) for m in received]
    assert sessions == [("a", b"1"), ("b", b"2"), ("a", b"3")]


def test_multiplexed_request_and_reply(patterns: Envoy, client: ServiceBusService) -> None:
    for publisher in ("p1", "p2"):
        fields = [("x-publisher", publisher), ("idempotency-key", f"of-{publisher}")]
        body = b'{"parent": "case-9"}'
        assert http1.request(patterns.port, "POST", "/shared", fields, body).status == 202

    for _ in range(2):
        request = client.receive_queue_message("raw", peek_lock=False, timeout=1)
        assert request.broker_properties["CorrelationId"] == "case-9"
        reply_to(client, request, b"done")

    replies = [client.receive_queue_message("typed", peek_lock=False, timeout=1) for _ in range(2)]
    found = {
        r.broker_properties["SessionId"]: r.broker_properties["CorrelationId"] for r in replies
    }
    assert found == {"p1": "of-p1", "p2": "of-p2"}
