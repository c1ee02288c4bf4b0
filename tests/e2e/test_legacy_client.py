"""Microsoft's own client, written by no one here, on the emulator and behind the filter."""

from __future__ import annotations

import json

import pytest
from azure.common import AzureHttpError
from azure.servicebus import Message

from clients import http1
from clients.service_bus import service_bus
from contract import assert_accepted
from processes.emulator import Emulator
from processes.envoy import Envoy


def test_it_sends_and_receives(emulator: Emulator) -> None:
    client = service_bus(emulator.port)
    properties = {"text": "value", "number": 42, "share": 2.5, "flag": True}
    broker = {"MessageId": "m-1", "Label": "greeting"}

    message = Message(
        b"\x00\xffhello",
        type="text/x-own",
        custom_properties=properties,
        broker_properties=broker,
    )
    client.send_queue_message("raw", message)
    received = client.receive_queue_message("raw", peek_lock=False, timeout=1)

    assert received.body == b"\x00\xffhello"
    assert received.type == "text/x-own"
    assert received.broker_properties["MessageId"] == "m-1"
    assert received.broker_properties["Label"] == "greeting"
    assert properties.items() <= received.custom_properties.items()
    assert client.receive_queue_message("raw", peek_lock=False, timeout=0).body is None


def test_it_peeks_renews_unlocks_and_completes(emulator: Emulator) -> None:
    client = service_bus(emulator.port)
    client.send_queue_message("raw", Message(b"work"))

    first = client.receive_queue_message("raw", peek_lock=True, timeout=1)
    assert (first.body, first.broker_properties["DeliveryCount"]) == (b"work", 1)
    assert client.receive_queue_message("raw", peek_lock=True, timeout=0).body is None
    first.renew_lock()
    first.unlock()

    second = client.receive_queue_message("raw", peek_lock=True, timeout=1)
    assert (second.body, second.broker_properties["DeliveryCount"]) == (b"work", 2)
    second.delete()
    assert emulator.messages("raw") == []


def test_it_sends_batches_and_topics(emulator: Emulator) -> None:
    client = service_bus(emulator.port)

    client.send_queue_message_batch("raw", [Message(b"one"), Message(b"two")])
    bodies = [client.receive_queue_message("raw", peek_lock=False).body for _ in range(2)]
    assert bodies == [b"one", b"two"]

    client.send_topic_message("notifications", Message(b"news"))
    received = client.receive_subscription_message("notifications", "all", peek_lock=False)
    assert received.body == b"news"


def test_it_is_refused_with_a_wrong_key(emulator: Emulator) -> None:
    with pytest.raises(AzureHttpError) as refused:
        service_bus(emulator.port, key="WRONG").send_queue_message("raw", Message(b"x"))

    assert refused.value.status_code == 401


def test_it_reads_what_the_filter_sent(gateway: Envoy, emulator: Emulator) -> None:
    fields = [("x-tenant-id", "acme"), ("idempotency-key", "k-1")]
    body = json.dumps({"customer": "Zoë"}).encode()

    assert_accepted(http1.request(gateway.port, "POST", "/typed", fields, body), key="k-1")
    received = service_bus(emulator.port).receive_queue_message("typed", peek_lock=True, timeout=1)

    assert received.body == body
    assert received.type == "application/vnd.example+json"
    broker = received.broker_properties
    assert broker["MessageId"] == "k-1"
    assert broker["Label"] == 'a "label" é'
    assert (broker["SessionId"], broker["PartitionKey"]) == ("session-1", "session-1")
    assert (broker["ReplyTo"], broker["To"]) == ("answers", "somewhere")
    assert broker["TimeToLive"] == 90
    own = {
        "text": "plain",
        "digits": "12345",
        "truth": "true",
        "whole": 42,
        "negative": -7,
        "fraction": 2.5,
        "yes": True,
        "no": False,
        "x-tenant-id": "acme",
    }
    assert own.items() <= received.custom_properties.items()
    received.delete()
    assert emulator.messages("typed") == []


def test_it_reads_what_the_filter_sent_as_a_batch(gateway: Envoy, emulator: Emulator) -> None:
    body = "Grüße".encode()

    assert_accepted(http1.request(gateway.port, "POST", "/exact", body=body))
    received = service_bus(emulator.port).receive_queue_message("exact", peek_lock=False)

    assert received.body == body
    assert received.broker_properties["CorrelationId"] == "correlation-1"
    assert received.custom_properties["count"] == 3
