"""What Envoy's own log tells of messages that are not stored: one line for each, at its level."""

from __future__ import annotations

import re
from collections.abc import Callable

from clients import http1
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy

LIMIT = 262_144
LINE = re.compile(r"\[(\w+)\]\[wasm\] \[[^\]]*\] (?:\[[^\]]*\] )?wasm log [^:]*: (.*)")


def told(gateway: Envoy) -> list[tuple[str, str]]:
    """Level and text of the filter's lines, but for those that only a developer asks for."""
    found = LINE.findall(gateway.log())
    return [(level, text) for level, text in found if level not in ("debug", "trace")]


def test_each_failure_is_one_line_at_its_level(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    retries = {"retries": {"max": 2, "base": "1ms"}}
    gateway: Envoy = launch(configure().merge_plugin({"delivery": retries}), concurrency=1)
    before = len(told(gateway))
    # Sent three times, and told once.
    emulator.arm({"status": 503, "detail": "busy\nforged: line"}, entity="raw", count=3)

    def post(key: str, body: bytes = b"x"):
        return http1.request(gateway.port, "POST", "/raw", [("idempotency-key", key)], body=body)

    assert_refused(post("k-1"), "throttled", key="k-1")
    assert post("k-2", bytes(LIMIT + 1)).status == 413
    assert post("k é").status == 400
    # One that succeeds in the end is no failure.
    emulator.arm({"status": 503, "detail": "busy"}, entity="raw", count=1)
    assert_accepted(post("k-3"), key="k-3")
    assert_refused(http1.request(gateway.port, "POST", "/missing", body=b"x"), "entity_not_found")

    gateway.wait_until(lambda: len(told(gateway)) >= before + 4, "four lines")
    lines = [(level, text.split(" tracking_id=")[0]) for level, text in told(gateway)[before:]]
    assert lines == [
        ("warning", "throttled: route=raw entity=raw"),
        ("info", "payload_too_large: route=raw entity=-"),
        ("info", "invalid_message: route=raw entity=-"),
        ("warning", "entity_not_found: route=missing entity=no-such-queue"),
    ]
    assert told(gateway)[before][1].startswith("throttled: route=raw entity=raw tracking_id=k-1 ")
    # What Service Bus says stands in the line, and begins none.
    assert "\nforged" not in gateway.log()
