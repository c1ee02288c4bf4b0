"""What the filter sends over HTTP is received over AMQP, by each of Microsoft's SDKs.

The four patterns are those of "Message routing and correlation" in Microsoft's documentation.
"""

from __future__ import annotations

import random
import time

from clients import http1
from configuration.routes import BROKER_PROPERTIES, EXACT_PROPERTIES, PROPERTIES
from contract import assert_accepted
from processes.envoy import Envoy
from processes.sdk import Bus, Received

# Broker properties by their names in the SDKs.
FIELDS = {
    "CorrelationId": "correlation_id",
    "Label": "subject",
    "PartitionKey": "partition_key",
    "ReplyTo": "reply_to",
    "ReplyToSessionId": "reply_to_session_id",
    "SessionId": "session_id",
    "To": "to",
}


def typed(bus: Bus, value: object) -> list:
    """A property as an SDK tells it. Whole numbers are long; JavaScript has one type of number."""
    match value:
        case bool():
            return ["boolean", value]
        case str():
            return ["string", value]
        case _ if bus.sdk.name == "javascript":
            return ["number", value]
        case int():
            return ["integer", value]
        case _:
            return ["float", value]


def assert_broker_properties(message: Received, key: str) -> None:
    assert message.message_id == key
    assert message.time_to_live == 90_000
    received = {name: message.fields[field] for name, field in FIELDS.items()}
    assert received == {name: BROKER_PROPERTIES[name] for name in FIELDS}


def test_every_property_of_a_message_arrives(amqp_gateway: Envoy, bus: Bus) -> None:
    fields = [("content-type", "text/plain"), ("x-tenant-id", "acme")]
    key = assert_accepted(http1.request(amqp_gateway.port, "POST", "/typed", fields, b"body"))

    message = bus.receiver("typed").one()
    assert message.body == b"body"
    assert message.content_type == "application/vnd.example+json"
    assert_broker_properties(message, key)
    expected = {name: typed(bus, value) for name, value in PROPERTIES.items()}
    assert message.properties == expected | {"x-tenant-id": ["string", "acme"]}
    message.complete()


def test_every_property_of_a_batch_of_one_arrives(amqp_gateway: Envoy, bus: Bus) -> None:
    body = 'say "hi", \\ \n\t 日本 \U0001f600'.encode()
    fields = [("content-type", "text/plain; charset=utf-8")]
    key = assert_accepted(http1.request(amqp_gateway.port, "POST", "/exact", fields, body))

    message = bus.receiver("exact").one()
    assert message.body == body
    assert message.content_type == "text/plain; charset=utf-8"
    assert_broker_properties(message, key)
    expected = {name: typed(bus, value) for name, value in EXACT_PROPERTIES.items()}
    assert message.properties == expected
    message.complete()


def test_bytes_arrive_as_they_are(amqp_gateway: Envoy, bus: Bus) -> None:
    body = bytes(range(256)) + random.Random(7).randbytes(200_000)
    fields = [("content-type", "application/octet-stream")]
    for sent in (body, b""):
        assert_accepted(http1.request(amqp_gateway.port, "POST", "/raw", fields, sent))
    first, second = bus.receiver("raw").receive_all(2)
    assert (first.body, second.body) == (body, b"")
    assert first.content_type == "application/octet-stream"


def test_a_message_scheduled_by_the_filter_is_scheduled(amqp_gateway: Envoy, bus: Bus) -> None:
    assert_accepted(http1.request(amqp_gateway.port, "POST", "/later", body=b"later"))
    receiver = bus.receiver("raw")
    (message,) = receiver.peek()
    assert (message.body, message.state) == (b"later", "scheduled")
    # To the second, as HTTP dates are; within the patience of a loaded machine.
    ahead = message.scheduled_enqueue_time / 1000 - time.time()
    assert 3600 - 120 < ahead < 3600 + 2
    bus.cancel("raw", message.sequence_number)
    assert receiver.peek() == []


def reply(bus: Bus, request: Received, body: bytes) -> None:
    """Answers as the document says: to `ReplyTo`, with the request's id as correlation."""
    fields = {"correlation_id": request.message_id}
    if request.reply_to_session_id:
        fields["session_id"] = request.reply_to_session_id
    bus.send(request.reply_to, body, **fields)


def test_simple_request_and_reply(amqp_gateway: Envoy, bus: Bus) -> None:
    fields = [("x-reply-to", "replies"), ("idempotency-key", "ask-1")]
    assert_accepted(
        http1.request(amqp_gateway.port, "POST", "/ask", fields, b"how many?"), key="ask-1"
    )
    request = bus.receiver("raw").one()
    assert request.body == b"how many?"
    reply(bus, request, b"three")
    request.complete()
    answer = bus.receiver("replies").one()
    assert (answer.body, answer.correlation_id) == (b"three", "ask-1")


def test_multicast_request_and_reply(amqp_gateway: Envoy, bus: Bus) -> None:
    fields = [("idempotency-key", "ask-2")]
    assert_accepted(
        http1.request(amqp_gateway.port, "POST", "/announce", fields, b"who?"), key="ask-2"
    )
    for subscription in ("all", "changing"):
        request = bus.receiver("topic", subscription).one()
        assert request.body == b"who?"
        reply(bus, request, subscription.encode())
        request.complete()
    answers = bus.receiver("replies").receive_all(2)
    assert [answer.body for answer in answers] == [b"all", b"changing"]
    assert {answer.correlation_id for answer in answers} == {"ask-2"}


def test_streams_are_multiplexed_by_session(amqp_gateway: Envoy, bus: Bus) -> None:
    streams = ("A", "B", "C")
    for number in range(4):
        for stream in streams:
            body = f"{stream}{number}".encode()
            path = f"/streams/{stream}"
            assert_accepted(http1.request(amqp_gateway.port, "POST", path, body=body))
    receivers = [bus.receiver("sessions", next_session=True, wait=5) for _ in streams]
    assert {receiver.session_id for receiver in receivers} == set(streams)
    for receiver in receivers:
        received = receiver.receive_all(4)
        expected = [f"{receiver.session_id}{number}".encode() for number in range(4)]
        assert [message.body for message in received] == expected
        for message in received:
            message.complete()


def test_replies_are_multiplexed_by_session(amqp_gateway: Envoy, bus: Bus) -> None:
    publishers = ("publisher-1", "publisher-2")
    for publisher in publishers:
        fields = [("x-publisher", publisher)]
        assert_accepted(http1.request(amqp_gateway.port, "POST", "/shared", fields, b"?"))
    for request in bus.receiver("raw").receive_all(2):
        reply(bus, request, b"for " + request.reply_to_session_id.encode())
        request.complete()
    # Each waits for its own session, and sees its own replies alone.
    for publisher in reversed(publishers):
        receiver = bus.receiver("sessions", session=publisher)
        (mine,) = receiver.receive(10)
        assert mine.body == f"for {publisher}".encode()
        mine.complete()
