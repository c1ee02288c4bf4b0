"""Microsoft's SDKs with topics: subscriptions, rules, and rules that come and go."""

from __future__ import annotations

import pytest

from conftest import sdk_param
from processes.sdk import SDKS, Bus, Received


def received(bus: Bus, subscription: str) -> list[Received]:
    """What a subscription has; the last wait is for what must not come."""
    receiver = bus.receiver("topic", subscription, delete=True)
    messages: list[Received] = []
    while more := receiver.receive(10, wait=0.5):
        messages += more
    return messages


def bodies(messages: list[Received]) -> list[bytes]:
    return [message.body for message in messages]


def test_each_subscription_gets_what_its_rules_select(bus: Bus) -> None:
    bus.send("topic", b"large", properties={"color": "red", "quantity": 11})
    bus.send("topic", b"small", properties={"color": "red", "quantity": 10})
    bus.send("topic", b"plain")
    assert bodies(received(bus, "all")) == [b"large", b"small", b"plain"]
    assert bodies(received(bus, "large")) == [b"large"]


def test_an_action_changes_the_copy_of_a_subscription(bus: Bus) -> None:
    bus.send("topic", b"one", subject="s", properties={"color": "red"})
    (message,) = received(bus, "marked")
    assert message.properties["marked"] == ["string", "yes"]
    assert message.properties["RuleName"] == ["string", "marked"]
    assert message.properties["color"] == ["string", "red"]
    assert message.subject == "s"
    (message,) = received(bus, "all")
    assert set(message.properties) == {"color"}


# The others manage rules over HTTP alone.
WITH_RULES = [sdk_param(sdk) for sdk in SDKS if sdk.manages_rules]


@pytest.mark.parametrize("sdk", WITH_RULES, indirect=True)
def test_rules_come_and_go(bus: Bus) -> None:
    rules = {"topic": "topic", "subscription": "changing"}
    try:
        sql = {"sql": "sys.Label = 'urgent'", "action": "SET seen = TRUE"}
        bus.client.ask("add_rule", **rules, name="sql", **sql)
        wanted = {"subject": "calm", "properties": {"color": "blue"}}
        bus.client.ask("add_rule", **rules, name="correlation", correlation=wanted)
        bus.client.ask("remove_rule", **rules, name="$Default")
        listed = {rule["name"]: rule for rule in bus.client.ask("list_rules", **rules)}
        assert set(listed) == {"sql", "correlation"}
        assert (listed["sql"]["sql"], listed["sql"]["action"]) == tuple(sql.values())
        assert listed["correlation"]["subject"] == "calm"

        bus.send("topic", b"urgent", subject="urgent")
        bus.send("topic", b"blue", subject="calm", properties={"color": "blue"})
        bus.send("topic", b"red", subject="calm", properties={"color": "red"})
        urgent, blue = received(bus, "changing")
        assert (urgent.body, urgent.properties["seen"]) == (b"urgent", ["boolean", True])
        assert blue.body == b"blue"
    finally:
        for rule in bus.client.ask("list_rules", **rules):
            bus.client.ask("remove_rule", **rules, name=rule["name"])
        bus.client.ask("add_rule", **rules, name="$Default", sql="1=1")
