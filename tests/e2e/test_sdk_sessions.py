"""Microsoft's SDKs with sessions, and locks that end."""

from __future__ import annotations

import base64
import time

import pytest

from conftest import SdkConnect
from processes.emulator import Emulator
from processes.sdk import Bus, SdkError

# Longer than a lock of a brief queue.
LOCK_SECONDS = 5.5


def test_a_named_session_is_received_in_order(bus: Bus) -> None:
    for number in range(5):
        bus.send("sessions", b"a%d" % number, session_id="A")
        bus.send("sessions", b"b%d" % number, session_id="B")
    receiver = bus.receiver("sessions", session="B")
    assert receiver.session_id == "B"
    received = receiver.receive_all(5)
    assert [message.body for message in received] == [b"b0", b"b1", b"b2", b"b3", b"b4"]
    assert {message.session_id for message in received} == {"B"}
    for message in received:
        message.complete()
    assert receiver.receive(wait=0.3) == []


def test_the_next_session_is_one_that_has_messages_and_is_free(bus: Bus) -> None:
    bus.send("sessions", b"a", session_id="A")
    bus.send("sessions", b"b", session_id="B")
    first = bus.receiver("sessions", next_session=True, wait=5)
    second = bus.receiver("sessions", next_session=True, wait=5)
    assert [first.session_id, second.session_id] == ["A", "B"]
    assert [first.one().body, second.one().body] == [b"a", b"b"]


def test_no_session_comes_where_none_has_messages(
    connect: SdkConnect, amqp_emulator: Emulator
) -> None:
    bus = connect(amqp_emulator.connection_string(), timeout=3)
    with pytest.raises(SdkError) as refused:
        bus.receiver("sessions", next_session=True, wait=1)
    assert refused.value.code == "timeout"


def test_a_session_is_held_by_one_until_it_is_given_up(bus: Bus) -> None:
    bus.send("sessions", b"one", session_id="A")
    holder = bus.receiver("sessions", session="A")
    with pytest.raises(SdkError) as refused:
        bus.receiver("sessions", session="A", wait=2)
    assert refused.value.code == "session held"
    bus.leave(holder)
    assert bus.receiver("sessions", session="A").one().body == b"one"


def test_a_session_has_a_state(bus: Bus) -> None:
    receiver = bus.receiver("sessions", session="A")
    assert receiver.ask("get_state") is None
    state = base64.b64encode(b'{"step": 1}\x00').decode()
    receiver.ask("set_state", state=state)
    bus.leave(receiver)
    again = bus.receiver("sessions", session="A")
    assert again.ask("get_state") == state
    again.ask("set_state", state=None)
    # Go sends an empty one.
    assert again.ask("get_state") in (None, "")


def test_a_deferred_message_of_a_session_is_received_by_its_number(bus: Bus) -> None:
    bus.send("sessions", b"one", b"two", session_id="A")
    receiver = bus.receiver("sessions", session="A")
    first, second = receiver.receive_all(2)
    first.defer()
    second.complete()
    (deferred,) = receiver.receive_deferred(first.sequence_number)
    assert deferred.body == b"one"
    deferred.complete()
    assert receiver.peek() == []


def test_a_subscription_has_sessions(bus: Bus) -> None:
    bus.send("topic", b"one", session_id="A")
    receiver = bus.receiver("topic", "sessions", session="A")
    assert receiver.one().body == b"one"


def test_locks_end_unless_they_are_renewed(bus: Bus, amqp_emulator: Emulator) -> None:
    bus.send("brief", b"lost", b"renewed")
    bus.send("brief-sessions", b"lost", session_id="lost")
    bus.send("brief-sessions", b"renewed", session_id="renewed")
    messages = bus.receiver("brief").receive_all(2)
    sessions = [bus.receiver("brief-sessions", session=name) for name in ("lost", "renewed")]
    in_sessions = [session.one() for session in sessions]
    until = messages[1].locked_until

    time.sleep(LOCK_SECONDS / 2)
    assert messages[1].renew() > until
    assert sessions[1].ask("renew_session") > until
    time.sleep(LOCK_SECONDS / 2)

    messages[1].complete()
    in_sessions[1].complete()
    with pytest.raises(SdkError) as lost:
        messages[0].complete()
    assert lost.value.code == "lock lost"
    with pytest.raises(SdkError) as lost:
        in_sessions[0].complete()
    # Go takes the session again and tries until its time is over.
    assert lost.value.code in ("session lock lost", "lock lost", "timeout")
    assert amqp_emulator.message("brief")["body"] == "lost"
    assert amqp_emulator.message("brief-sessions")["body"] == "lost"
