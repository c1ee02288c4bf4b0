"""Policies of API Management, imported and at work: what is on the queue, and what is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clients import http1
from clients.answer import Answer
from configuration.gateway import GatewayConfiguration
from configuration.policies import CASES, QUEUES, TOPICS, entities, imported
from processes.emulator import Emulator
from processes.envoy import Envoy
from servers.echo import Echo, echoed

# Where messages go and who signs them is the world's, not the policy's.
WORLD = ("namespace", "cluster", "credentials")
ENTITIES = [*QUEUES, *(f"{topic}/subscriptions/all" for topic in TOPICS)]


@pytest.fixture(scope="module")
def bus(target_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator with the entities that the policies name."""
    emulator = Emulator(target_dir, entities(), tmp_path_factory.mktemp("policies"))
    yield emulator
    emulator.stop()


@pytest.fixture(scope="module")
def backend() -> Iterator[Echo]:
    """The service that requests go on to."""
    with Echo() as echo:
        yield echo


@pytest.mark.parametrize("name", CASES)
def test_an_imported_policy_does_what_the_policy_does(
    name: str, target_dir: Path, module: Path, bus: Emulator, backend: Echo, launch: Callable
) -> None:
    plugin = imported(target_dir, name)
    configuration = GatewayConfiguration(module).send_to(bus.port).pass_to(backend.port)
    own = {key: value for key, value in plugin.items() if key not in WORLD}
    gateway = launch(configuration.merge_plugin(own).try_once())

    for exchange in CASES[name]["exchanges"]:
        bus.reset()
        backend.requests.clear()
        answer = carry_out(gateway, bus, exchange)

        assert_stored(bus, exchange["message"])
        if "backend" in exchange:
            assert_passed(answer, exchange["backend"], exchange["request"])
        else:
            assert backend.requests == []
            assert_told(answer, exchange["answer"])
    assert bus.refused() == [] or "fault" in exchange


def carry_out(gateway: Envoy, bus: Emulator, exchange: dict) -> Answer:
    if "fault" in exchange:
        bus.arm(exchange["fault"], operation="send")
    request = exchange["request"]
    body = request.get("body", "x" * request.get("body_length", 0)).encode()
    return http1.request(
        gateway.port, "POST", request["target"], list(request["headers"].items()), body
    )


def assert_stored(bus: Emulator, expected: dict | None) -> None:
    """The only message on the whole bus is the expected one."""
    stored = [(entity, message) for entity in ENTITIES for message in bus.messages(entity)]
    if expected is None:
        assert stored == []
        return
    [(entity, message)] = stored
    assert (entity, message["body"]) == (expected["entity"], expected["body"])
    assert message["properties"] == expected["properties"]
    assert expected["broker_properties"].items() <= message["broker_properties"].items()
    assert message["content_type"] == expected.get("content_type", message["content_type"])
    scheduled = "ScheduledEnqueueTimeUtc" in message["broker_properties"]
    assert scheduled == expected.get("scheduled", False)


def assert_told(answer: Answer, expected: dict) -> None:
    assert answer.status == expected["status"], answer
    for name, value in expected["headers"].items():
        assert answer.header(name) == value
    if "body" in expected:
        assert answer.body.decode() == expected["body"]
    assert answer.header("x-tracking-id")


def assert_passed(answer: Answer, expected: dict, request: dict) -> None:
    """The backend has answered, and has seen the request."""
    seen = echoed(answer)
    assert (seen.method, seen.target) == ("POST", request["target"])
    assert seen.body.decode() == expected["body"]
    for name, value in expected["headers"].items():
        assert [found for other, found in seen.headers if other == name] == [value]
    names = [name for name, _ in seen.headers]
    assert not set(expected["absent"]) & set(names)
