"""What is sent again, in real Envoy: on what the bus saw of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clients import http1
from clients.answer import Answer
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy

BUSY = {"status": 503, "detail": "Server busy"}


@pytest.fixture(scope="module")
def retrying(configure: Callable[[], GatewayConfiguration]) -> GatewayConfiguration:
    """Three retries after short waits, and a budget for them: nearly all here is retried."""
    retries = {"max": 3, "base": "10ms", "cap": "50ms", "budget_percent": 100}
    delivery = {"retries": retries, "attempt_timeout": "1s", "timeout": "20s"}
    return configure().merge_plugin({"delivery": delivery})


@pytest.fixture(scope="module")
def retrying_gateway(
    envoy_binary: Path,
    retrying: GatewayConfiguration,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Envoy]:
    gateway = Envoy(envoy_binary, retrying, tmp_path_factory.mktemp("gateway"), concurrency=1)
    yield gateway
    gateway.check_vms()
    gateway.stop()


def changed(configuration: GatewayConfiguration, delivery: dict) -> GatewayConfiguration:
    """The same with a change that the shared gateway does not see."""
    return copy.deepcopy(configuration).merge_plugin({"delivery": delivery})


def post(gateway: Envoy, path: str = "/load") -> Answer:
    return http1.request(gateway.port, "POST", path, body=b"x")


def message_ids(emulator: Emulator) -> list[str]:
    """The MessageId of each request that the bus saw, oldest first."""
    found = [dict(request["headers"])["brokerproperties"] for request in emulator.requests()]
    return [json.loads(properties)["MessageId"] for properties in found]


MAY_PASS = {
    "408": {"status": 408},
    "429": {"status": 429},
    "500": {"status": 500},
    "503": BUSY,
    "reset": {"reset": "after_reading"},
    "reset when stored": {"reset": "after_storing"},
    "no answer": {"stall": True},
    "no answer when stored": {"stall": True, "store": True},
}


@pytest.mark.parametrize("fault", MAY_PASS.values(), ids=MAY_PASS)
def test_what_may_pass_is_sent_again_with_the_same_id(
    retrying_gateway: Envoy, emulator: Emulator, fault: dict
) -> None:
    emulator.arm(fault, entity="load", operation="send", count=2)
    identifier = assert_accepted(post(retrying_gateway))
    assert message_ids(emulator) == [identifier] * 3
    # The queue detects duplicates: a lost answer is no second message.
    assert emulator.stored("load").messages == {identifier: 1}


WILL_NOT_PASS = {
    "message_rejected": {"status": 400},
    "quota_exceeded": {"status": 403, "detail": "QuotaExceeded"},
    "entity_not_found": {"status": 410},
}


def test_what_will_not_pass_is_sent_once(retrying_gateway: Envoy, emulator: Emulator) -> None:
    for reason, fault in WILL_NOT_PASS.items():
        emulator.arm(fault, entity="load", count=1)
        assert_refused(post(retrying_gateway), reason)
    assert len(emulator.requests()) == len(WILL_NOT_PASS)


def test_after_the_last_retry_the_client_is_told(
    retrying_gateway: Envoy, emulator: Emulator
) -> None:
    emulator.arm(BUSY, entity="load")
    identifier = assert_refused(post(retrying_gateway), "throttled")
    assert message_ids(emulator) == [identifier] * 4


def test_an_earlier_send_that_may_be_stored_is_not_forgotten(
    retrying_gateway: Envoy, emulator: Emulator
) -> None:
    emulator.arm({"reset": "after_storing"}, entity="load", operation="send", count=1)
    emulator.arm(BUSY, entity="load")
    identifier = assert_refused(post(retrying_gateway), "outcome_unknown")
    assert emulator.stored("load").messages == {identifier: 1}


def test_a_wait_that_the_broker_asks_for_is_kept_or_not_begun(
    retrying_gateway: Envoy, emulator: Emulator
) -> None:
    emulator.arm(BUSY | {"headers": {"Retry-After": "1"}}, entity="load", count=1)
    assert_accepted(post(retrying_gateway))
    # Longer than the client waits: there is nothing to be gained.
    emulator.arm(BUSY | {"headers": {"Retry-After": "30"}}, entity="load", count=1)
    assert_refused(post(retrying_gateway), "throttled", retry_after="30")
    assert len(emulator.requests()) == 3


def test_no_retry_outlasts_the_client(
    launch, retrying: GatewayConfiguration, emulator: Emulator
) -> None:
    retries = {"max": 100, "base": "10ms"}
    delivery = {"retries": retries, "attempt_timeout": "200ms", "timeout": "1s"}
    gateway: Envoy = launch(changed(retrying, delivery), concurrency=1)
    emulator.arm({"stall": True}, entity="load", operation="send")
    identifier = assert_refused(post(gateway), "outcome_unknown")
    sent = message_ids(emulator)
    assert len(sent) > 1
    assert set(sent) == {identifier}
    assert emulator.stored("load").stored == 0
    # Nothing goes on when its client has its answer.
    emulator.disarm()
    assert_accepted(post(gateway))
    assert len(emulator.requests()) == len(sent) + 1


def test_without_a_budget_nothing_is_sent_again(
    launch, retrying: GatewayConfiguration, emulator: Emulator
) -> None:
    none = {"retries": {"budget_percent": 0}}
    gateway: Envoy = launch(changed(retrying, none), concurrency=1)
    emulator.arm(BUSY, entity="load", count=1)
    assert_refused(post(gateway), "throttled")
    assert len(emulator.requests()) == 1
