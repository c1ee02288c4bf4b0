"""Microsoft's SDKs send, receive and settle over AMQP."""

from __future__ import annotations

import time

import pytest

from conftest import SdkConnect
from processes.emulator import Emulator
from processes.sdk import Bus, SdkError

HOUR = 3_600_000
FIELDS = {
    "message_id": "m-1",
    "correlation_id": "c-1",
    "subject": "order",
    "to": "somewhere",
    "reply_to": "replies",
    "content_type": "application/json",
}


def in_millis(ahead: int) -> int:
    return round(time.time() * 1000) + ahead


def test_a_message_comes_as_it_was_sent(bus: Bus) -> None:
    properties = {"text": "Zürich", "whole": 42, "fraction": 2.5, "yes": True}
    bus.send("plain", b"\x00\xff body", **FIELDS, time_to_live=90_000, properties=properties)
    message = bus.receiver("plain").one()
    assert message.body == b"\x00\xff body"
    assert {name: message.fields[name] for name in FIELDS} == FIELDS
    assert message.time_to_live == 90_000
    assert message.properties == {name: typed(bus, value) for name, value in properties.items()}
    assert (message.sequence_number, message.state) != (None, None)
    assert message.earlier_deliveries == 0
    message.complete()


def typed(bus: Bus, value: object) -> list:
    """A property as an SDK tells it; JavaScript has one type of number."""
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


def test_a_batch_comes_in_order(bus: Bus, amqp_emulator: Emulator) -> None:
    bodies = [b"%d" % number for number in range(20)]
    bus.send("plain", *bodies, batch=True)
    assert {message["form"] for message in amqp_emulator.messages("plain")} == {"amqp batch"}
    received = bus.receiver("plain").receive_all(20)
    assert [message.body for message in received] == bodies


def test_a_completed_message_is_gone(bus: Bus, amqp_emulator: Emulator) -> None:
    bus.send("plain", b"one")
    receiver = bus.receiver("plain")
    receiver.one().complete()
    assert amqp_emulator.messages("plain") == []
    assert receiver.receive(wait=0.3) == []


def test_an_abandoned_message_comes_again_until_it_is_dead(bus: Bus) -> None:
    bus.send("plain", b"one")
    receiver = bus.receiver("plain")
    for earlier in range(3):
        message = receiver.one()
        assert message.earlier_deliveries == earlier
        message.abandon()
    assert receiver.receive(wait=0.3) == []
    dead = bus.receiver("plain", dead_letters=True).one()
    assert (dead.body, dead.dead_letter_reason) == (b"one", "MaxDeliveryCountExceeded")
    dead.complete()


def test_a_dead_lettered_message_says_why(bus: Bus, amqp_emulator: Emulator) -> None:
    bus.send("plain", b"one", message_id="m-1")
    bus.receiver("plain").one().dead_letter("Unreadable", "It is no JSON.")
    assert amqp_emulator.messages("plain") == []
    dead = bus.receiver("plain", dead_letters=True).one()
    assert (dead.body, dead.message_id) == (b"one", "m-1")
    assert dead.dead_letter_reason == "Unreadable"
    assert dead.dead_letter_description == "It is no JSON."
    dead.complete()
    assert amqp_emulator.messages("plain/$DeadLetterQueue") == []


def test_a_deferred_message_is_received_by_its_number(bus: Bus) -> None:
    bus.send("plain", b"one", b"two")
    receiver = bus.receiver("plain")
    first = receiver.one()
    first.defer()
    receiver.one().complete()
    assert receiver.receive(wait=0.3) == []
    (peeked,) = receiver.peek()
    assert (peeked.state, peeked.sequence_number) == ("deferred", first.sequence_number)
    (deferred,) = receiver.receive_deferred(first.sequence_number)
    assert deferred.body == b"one"
    deferred.complete()
    assert receiver.peek() == []


def test_a_message_received_and_deleted_is_gone(bus: Bus, amqp_emulator: Emulator) -> None:
    bus.send("plain", b"one", b"two")
    received = bus.receiver("plain", delete=True).receive_all(2)
    assert [message.body for message in received] == [b"one", b"two"]
    assert amqp_emulator.messages("plain") == []


def test_a_peek_locks_nothing(bus: Bus) -> None:
    bus.send("plain", b"one", b"two", b"three")
    receiver = bus.receiver("plain")
    peeked = receiver.peek()
    assert [message.body for message in peeked] == [b"one", b"two", b"three"]
    later = receiver.peek(number=peeked[1].sequence_number)
    assert [message.body for message in later] == [b"two", b"three"]
    assert [message.body for message in receiver.receive_all(3)] == [b"one", b"two", b"three"]


def test_a_scheduled_message_waits_and_can_be_canceled(bus: Bus, amqp_emulator: Emulator) -> None:
    later, canceled = bus.schedule("plain", b"later", b"canceled", at=in_millis(HOUR))
    (soon,) = bus.schedule("plain", b"soon", at=in_millis(1500))
    assert len({later, canceled, soon}) == 3
    bus.cancel("plain", canceled)
    receiver = bus.receiver("plain")
    assert [message.state for message in receiver.peek()] == ["scheduled", "scheduled"]
    assert receiver.one().body == b"soon"
    (message,) = [m for m in amqp_emulator.messages("plain") if m["state"] == "scheduled"]
    assert message["body"] == "later"


def test_a_message_may_carry_its_own_schedule(bus: Bus) -> None:
    at = in_millis(HOUR)
    bus.send("plain", b"later", scheduled_enqueue_time=at)
    (message,) = bus.receiver("plain").peek()
    assert (message.state, message.scheduled_enqueue_time) == ("scheduled", at)


def test_an_expired_message_does_not_come(bus: Bus) -> None:
    bus.send("plain", b"gone", time_to_live=50)
    time.sleep(0.1)
    bus.send("plain", b"here")
    assert bus.receiver("plain").one().body == b"here"


def test_a_duplicate_is_dropped(bus: Bus, amqp_emulator: Emulator) -> None:
    bus.send("detecting", b"one", b"again", message_id="m-1")
    assert amqp_emulator.message("detecting")["body"] == "one"


def test_a_message_over_the_limit_is_refused(bus: Bus, amqp_emulator: Emulator) -> None:
    with pytest.raises(SdkError) as refused:
        bus.send("plain", b"x" * 300_000)
    assert refused.value.code == "too large"
    bus.send("plain", b"x" * 200_000)
    assert bus.receiver("plain").one().body == b"x" * 200_000


def test_an_unknown_entity_is_told(bus: Bus) -> None:
    with pytest.raises(SdkError) as refused:
        bus.send("nowhere", b"one")
    assert refused.value.code == "no such entity"


def test_a_thousand_messages_with_prefetch(bus: Bus, amqp_emulator: Emulator) -> None:
    bodies = [b"%d" % number for number in range(1000)]
    for start in range(0, 1000, 100):
        bus.send("plain", *bodies[start : start + 100], batch=True)
    receiver = bus.receiver("plain", prefetch=200)
    received = []
    while len(received) < 1000:
        for message in receiver.receive_all(min(100, 1000 - len(received))):
            message.complete()
            received.append(message.body)
    assert received == bodies
    assert amqp_emulator.messages("plain") == []


def test_a_wrong_key_is_refused(connect: SdkConnect, amqp_emulator: Emulator) -> None:
    bus = connect(amqp_emulator.connection_string("RootManageSharedAccessKey=wrong"))
    with pytest.raises(SdkError) as refused:
        bus.send("plain", b"one")
    assert refused.value.code == "unauthorized"
    assert amqp_emulator.messages("plain") == []


def test_a_right_that_a_key_lacks_is_refused(connect: SdkConnect, amqp_emulator: Emulator) -> None:
    amqp_emulator.trust(keys=["sender=secret;rights=Send"])
    bus = connect(amqp_emulator.connection_string("sender=secret"))
    bus.send("plain", b"one")
    with pytest.raises(SdkError) as refused:
        bus.receiver("plain").peek()
    assert refused.value.code == "unauthorized"


def test_an_expired_token_is_refused(connect: SdkConnect, amqp_emulator: Emulator) -> None:
    bus = connect(amqp_emulator.signed_connection_string(int(time.time()) - 10))
    with pytest.raises(SdkError) as refused:
        bus.send("plain", b"one")
    assert refused.value.code == "unauthorized"
    connect(amqp_emulator.signed_connection_string(int(time.time()) + 60)).send("plain", b"two")
    assert amqp_emulator.message("plain")["body"] == "two"


def test_a_token_that_ends_ends_what_it_granted(
    connect: SdkConnect, amqp_emulator: Emulator
) -> None:
    seconds = 4
    bus = connect(amqp_emulator.signed_connection_string(int(time.time()) + seconds))
    bus.send("plain", b"before")
    time.sleep(seconds + 1)
    with pytest.raises(SdkError):
        bus.send("plain", b"after")
    assert amqp_emulator.message("plain")["body"] == "before"
