"""The circuit breaker over the workers of a real Envoy."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from clients import http1
from clients.answer import Answer
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy

FAILURES = 3
# So many connections reach both of two workers.
CONNECTIONS = 20
ERROR = {"status": 500, "detail": "broken"}


@pytest.fixture
def breaking(configure: Callable[[], GatewayConfiguration]) -> GatewayConfiguration:
    return open_for(configure(), "60s")


def open_for(configuration: GatewayConfiguration, duration: str) -> GatewayConfiguration:
    breaker = {"failures": FAILURES, "open_for": duration}
    return configuration.merge_plugin({"delivery": {"circuit_breaker": breaker}})


def post(gateway: Envoy, path: str = "/raw") -> Answer:
    return http1.request(gateway.port, "POST", path, body=b"x")


def at_once(gateway: Envoy) -> list[Answer]:
    """Answers to requests on connections of their own, all sent before the first is answered."""
    with ExitStack() as stack:
        clients = [stack.enter_context(http1.Connection(gateway.port)) for _ in range(CONNECTIONS)]
        for client in clients:
            client.send(http1.head("POST", "/raw", [("content-length", "1")]) + b"x")
        return [client.answer() for client in clients]


def assert_open(answer: Answer) -> int:
    """Checks that an answer comes of an open breaker; returns the seconds left."""
    left = answer.header("retry-after") or ""
    assert_refused(answer, "circuit_open", retry_after=left)
    return int(left)


def break_it(gateway: Envoy, emulator: Emulator) -> None:
    emulator.arm(ERROR, entity="raw", count=FAILURES)
    for _ in range(FAILURES):
        assert_refused(post(gateway), "broker_error")


def test_failures_of_all_workers_open_it_for_all(
    launch, breaking: GatewayConfiguration, emulator: Emulator
) -> None:
    gateway: Envoy = launch(breaking, concurrency=2)
    break_it(gateway, emulator)
    # The bus works again, but nobody asks it.
    for answer in at_once(gateway):
        assert 0 < assert_open(answer) <= 60
    assert len(emulator.requests()) == FAILURES
    assert gateway.stats("breaker_open$").popitem()[1] == 1


def test_one_probe_goes_and_its_success_closes_it(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    gateway: Envoy = launch(open_for(configure(), "1s"), concurrency=2)
    break_it(gateway, emulator)
    # The workers' clocks are the same; half a second is for the machine.
    time.sleep(assert_open(post(gateway)) + 0.5)
    emulator.arm({"delay": "2s"}, entity="raw", count=1)
    answers = at_once(gateway)
    accepted = [answer for answer in answers if answer.status == 202]
    assert len(accepted) == 1
    for answer in answers:
        if answer.status != 202:
            assert_open(answer)
    assert len(emulator.requests()) == FAILURES + 1
    for answer in at_once(gateway):
        assert_accepted(answer)
    assert gateway.stats("breaker_open$").popitem()[1] == 0


def test_a_probe_that_fails_opens_it_again(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    gateway: Envoy = launch(open_for(configure(), "1s"), concurrency=2)
    break_it(gateway, emulator)
    time.sleep(assert_open(post(gateway)) + 0.5)
    emulator.arm(ERROR, entity="raw", count=1)
    assert_refused(post(gateway), "broker_error")
    assert_open(post(gateway))
    assert len(emulator.requests()) == FAILURES + 1


def test_refusals_of_a_working_broker_do_not_open_it(
    launch, breaking: GatewayConfiguration, emulator: Emulator
) -> None:
    gateway: Envoy = launch(breaking, concurrency=2)
    for _ in range(3 * FAILURES):
        assert_refused(post(gateway, "/missing"), "entity_not_found")
    assert_accepted(post(gateway))


def test_namespaces_have_breakers_of_their_own(
    launch, breaking: GatewayConfiguration, emulator: Emulator
) -> None:
    other = {
        "name": "other",
        "match": {"path": "/other"},
        "namespace": "other.servicebus.windows.net",
        "credentials": {
            "sas": {
                "key_name": "RootManageSharedAccessKey",
                "key": {"inline": "SAS_KEY_VALUE"},
            }
        },
        "send": {"queue": "raw"},
    }
    gateway: Envoy = launch(breaking.add_plugin_routes([other]), concurrency=2)
    break_it(gateway, emulator)
    assert_open(post(gateway))
    assert_accepted(post(gateway, "/other"))
