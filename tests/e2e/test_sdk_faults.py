"""What Microsoft's SDKs see of the emulator's faults: locks lost, refusals, connections dropped."""

from __future__ import annotations

import pytest

from conftest import SdkConnect
from processes.emulator import Emulator
from processes.sdk import Bus, SdkError

BUSY = {"condition": "com.microsoft:server-busy"}


def test_a_lock_is_lost_on_demand(bus: Bus, amqp_emulator: Emulator) -> None:
    bus.send("plain", b"one")
    receiver = bus.receiver("plain")
    message = receiver.one()
    amqp_emulator.arm({"lose_lock": True}, operation="complete", count=1)
    with pytest.raises(SdkError) as lost:
        message.complete()
    assert lost.value.code == "lock lost"
    again = receiver.one()
    assert (again.body, again.earlier_deliveries) == (b"one", 1)
    again.complete()
    assert amqp_emulator.messages("plain") == []


def test_a_busy_broker_is_told_and_takes_the_next_message(
    bus: Bus, amqp_emulator: Emulator
) -> None:
    bus.send("plain", b"first")
    amqp_emulator.arm(BUSY, operation="send", count=1)
    with pytest.raises(SdkError):
        bus.send("plain", b"refused")
    bus.send("plain", b"last")
    stored = [message["body"] for message in amqp_emulator.messages("plain")]
    assert stored == ["first", "last"]


def test_a_message_may_be_stored_though_its_sender_is_not_told(
    connect: SdkConnect, bus: Bus, amqp_emulator: Emulator
) -> None:
    # A connection of its own: without retries the SDK for Go makes no other.
    dropped = connect(amqp_emulator.connection_string(), timeout=3)
    dropped.send("plain", b"first")
    amqp_emulator.arm({"reset": "after_storing"}, operation="send", count=1)
    with pytest.raises(SdkError):
        dropped.send("plain", b"stored, and not told so")
    bus.send("plain", b"last")
    received = bus.receiver("plain").receive_all(3)
    assert [message.body for message in received] == [b"first", b"stored, and not told so", b"last"]


def test_a_link_that_is_refused_is_told_and_the_next_is_not(
    bus: Bus, amqp_emulator: Emulator
) -> None:
    bus.send("replies", b"one")
    amqp_emulator.arm(BUSY, operation="attach", entity="replies", count=1)
    with pytest.raises(SdkError):
        bus.receiver("replies").receive(wait=3)
    assert bus.receiver("replies").one().body == b"one"
