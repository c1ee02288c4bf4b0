"""Envoy's own timeouts, which may end a request while its message is on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clients import http1
from clients.answer import Answer
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted
from processes.emulator import Emulator
from processes.envoy import Envoy

REQUEST = {"request_timeout": "1s"}
# The setting, a request's body, and what the access log calls the end of the request.
ENDS = {
    "whole request, no body": (REQUEST, b"", "request_overall_timeout"),
    "idle": ({"stream_idle_timeout": "1s"}, b"x", "stream_idle_timeout"),
    "longest": (
        {"common_http_protocol_options": {"max_stream_duration": "1s"}},
        b"x",
        "max_duration_timeout",
    ),
}


@pytest.fixture
def slow(emulator: Emulator) -> Emulator:
    """A bus that takes longer than Envoy waits."""
    emulator.arm({"delay": "2s"}, entity="raw", operation="send", count=1)
    return emulator


def post(
    launch, configure: Callable[[], GatewayConfiguration], change: dict, body: bytes
) -> tuple[Envoy, Answer]:
    configuration = configure()
    configuration.connection_manager.update(change)
    gateway: Envoy = launch(configuration, concurrency=1)
    return gateway, http1.request(gateway.port, "POST", "/raw", body=body)


@pytest.mark.parametrize(("change", "body", "details"), ENDS.values(), ids=ENDS)
def test_envoy_ends_a_request_and_its_message_is_stored(
    launch, configure, slow: Emulator, change: dict, body: bytes, details: str
) -> None:
    gateway, answer = post(launch, configure, change, body)
    assert answer.status == 504
    assert gateway.access_entry(path="/raw")["details"] == details
    gateway.wait_until(lambda: slow.stored("raw").stored == 1, "the message all the same")


def test_the_timeout_of_the_whole_request_is_over_when_its_body_is_there(
    launch, configure, slow: Emulator
) -> None:
    _, answer = post(launch, configure, REQUEST, b"x")
    assert_accepted(answer)
