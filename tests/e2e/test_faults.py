"""The emulator fails on demand: what the client is told must agree with what was stored."""

from __future__ import annotations

import pytest

from clients import http1
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy


@pytest.mark.parametrize(
    ("fault", "reason", "stored"),
    [
        ({"reset": "before_reading"}, "outcome_unknown", 0),
        ({"reset": "after_reading"}, "outcome_unknown", 0),
        ({"reset": "after_storing"}, "outcome_unknown", 1),
        ({"reset": "after_headers"}, "outcome_unknown", 1),
        ({"status": 400}, "message_rejected", 0),
        ({"status": 401}, "broker_unauthorized", 0),
        ({"status": 403}, "quota_exceeded", 0),
        ({"status": 404}, "entity_not_found", 0),
        ({"status": 408}, "outcome_unknown", 0),
        ({"status": 410}, "entity_not_found", 0),
        ({"status": 429}, "throttled", 0),
        ({"status": 500}, "broker_error", 0),
        # Stored all the same: the reason must leave room for it.
        ({"status": 500, "store": True}, "broker_error", 1),
        ({"status": 503}, "throttled", 0),
        ({"status": 504, "store": True}, "broker_error", 1),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
)
def test_the_client_is_told_what_is_known(
    gateway: Envoy, emulator: Emulator, fault: dict, reason: str, stored: int
) -> None:
    # A refused token is given a second chance.
    hits = 2 if fault.get("status") == 401 else 1
    emulator.arm(fault, entity="orders", operation="send", count=hits)
    fields = [("idempotency-key", "k-1")]

    answer = http1.request(gateway.port, "POST", "/orders", fields, b"x" * 5_000)
    # The emulator's text asks for two seconds, as Service Bus's does.
    wait = "2" if reason == "throttled" else None
    assert_refused(answer, reason, key="k-1", retry_after=wait)
    assert emulator.faults_fired() == hits
    assert emulator.stored("orders").stored == stored

    # The client tries again with its key: in the end there is one message.
    assert_accepted(http1.request(gateway.port, "POST", "/orders", fields, b"x" * 5_000), key="k-1")
    assert emulator.stored("orders").messages == {"k-1": 1}


def test_a_delay_within_the_timeout_only_takes_longer(gateway: Envoy, emulator: Emulator) -> None:
    emulator.arm({"delay": "500ms"}, entity="orders", operation="send")

    assert_accepted(http1.request(gateway.port, "POST", "/orders", body=b"x"))
