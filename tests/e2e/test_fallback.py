"""A route's second destination, with a namespace and a key of its own, in real Envoy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clients import http1
from clients.answer import Answer
from configuration.gateway import GatewayConfiguration, connect, upstream_cluster
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy
from servers.upstream import Upstream, answers

SECOND_KEY = "c2Vjb25k"


@pytest.fixture(scope="module")
def shared_second(target_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    queue = {"Name": "late", "Properties": {}}
    entities = {"UserConfig": {"Namespaces": [{"Name": "north", "Queues": [queue]}]}}
    emulator = Emulator(target_dir, entities, tmp_path_factory.mktemp("second"))
    yield emulator
    emulator.stop()


@pytest.fixture
def second(shared_second: Emulator) -> Emulator:
    """A second namespace, which takes another key than the first."""
    shared_second.reset()
    shared_second.trust(keys=[f"send-only={SECOND_KEY}"])
    return shared_second


@pytest.fixture
def spare(
    configure: Callable[[], GatewayConfiguration], second: Emulator
) -> Callable[..., GatewayConfiguration]:
    """Makes configurations whose route `/spare` has a second destination."""

    def make(**rest: object) -> GatewayConfiguration:
        made = configure().merge_plugin({"delivery": {"attempt_timeout": "500ms"}})
        made.clusters.append(upstream_cluster("north", second.port))
        # As on the first cluster: what Envoy adds must not become properties.
        (options,) = made.service_bus["typed_extension_protocol_options"].values()
        (own,) = made.clusters[-1]["typed_extension_protocol_options"].values()
        own["http_filters"] = options["http_filters"]
        key = {"key_name": "send-only", "key": {"inline": SECOND_KEY}}
        fallback = {
            "namespace": "north.servicebus.windows.net",
            "cluster": "north",
            "credentials": {"sas": key},
            "queue": "late",
        }
        route = {
            "name": "spare",
            "match": {"path": "/spare"},
            "send": {"queue": "raw"},
            "fallback": fallback | rest,
        }
        return made.add_plugin_routes([route])

    return make


def post(gateway: Envoy) -> Answer:
    return http1.request(gateway.port, "POST", "/spare", body=b"x")


def served_by(answer: Answer) -> str | None:
    return answer.header("x-service-bus-destination")


def test_the_first_destination_serves_while_it_can(
    launch, spare: Callable[..., GatewayConfiguration], emulator: Emulator, second: Emulator
) -> None:
    gateway: Envoy = launch(spare())
    answer = post(gateway)
    assert_accepted(answer)
    assert served_by(answer) == "primary"
    assert (emulator.stored("raw").stored, second.requests()) == (1, [])


def test_the_second_serves_when_the_first_cannot_be_reached(
    launch,
    spare: Callable[..., GatewayConfiguration],
    emulator: Emulator,
    second: Emulator,
    closed_port: int,
) -> None:
    made = spare()
    connect(made.service_bus, closed_port)
    gateway: Envoy = launch(made)
    answer = post(gateway)
    identifier = assert_accepted(answer)
    assert served_by(answer) == "fallback"
    assert second.stored("late").messages == {identifier: 1}
    name = "route.spare.entity.raw.outcome.accepted.destination.fallback.requests$"
    assert list(gateway.stats(name).values()) == [1]
    # Counted where the message came as to a second destination.
    fallbacks = gateway.stats("namespace.*fallbacks$")
    assert fallbacks == {
        "wasmcustom.service_bus.namespace.north_servicebus_windows_net.fallbacks": 1
    }


def test_the_second_serves_when_the_first_throttles(
    launch, spare: Callable[..., GatewayConfiguration], emulator: Emulator, second: Emulator
) -> None:
    emulator.arm({"status": 429}, entity="raw")
    answer = post(launch(spare()))
    identifier = assert_accepted(answer)
    assert served_by(answer) == "fallback"
    assert emulator.stored("raw").stored == 0
    assert second.stored("late").messages == {identifier: 1}


def test_the_second_serves_while_the_breaker_of_the_first_is_open(
    launch, spare: Callable[..., GatewayConfiguration], emulator: Emulator, second: Emulator
) -> None:
    breaker = {"failures": 2, "open_for": "60s"}
    gateway: Envoy = launch(spare().merge_plugin({"delivery": {"circuit_breaker": breaker}}))
    emulator.arm({"status": 500}, entity="raw", count=2)
    for _ in range(2):
        assert_refused(post(gateway), "broker_error")
    for _ in range(3):
        answer = post(gateway)
        assert_accepted(answer)
        assert served_by(answer) == "fallback"
    assert len(emulator.requests()) == 2
    assert second.stored("late").stored == 3


def test_what_may_be_stored_goes_nowhere_else(
    launch, spare: Callable[..., GatewayConfiguration], emulator: Emulator, second: Emulator
) -> None:
    emulator.arm({"stall": True, "store": True}, entity="raw", operation="send")
    answer = post(launch(spare()))
    assert_refused(answer, "outcome_unknown")
    assert served_by(answer) == "primary"
    assert (emulator.stored("raw").stored, second.requests()) == (1, [])


def test_a_503_of_a_proxy_in_between_may_follow_a_stored_message(
    launch, spare: Callable[..., GatewayConfiguration], broker: Upstream, second: Emulator
) -> None:
    # As an egress Envoy answers whose local_reply_config has words of its own.
    broker.script = answers("503 Service Unavailable", [("server", "envoy")], b"try again later")
    made = spare()
    connect(made.service_bus, broker.port)
    answer = post(launch(made))
    assert_refused(answer, "outcome_unknown")
    assert served_by(answer) == "primary"
    assert (len(broker.requests), second.requests()) == (1, [])


def test_unless_two_of_a_message_are_allowed(
    launch, spare: Callable[..., GatewayConfiguration], emulator: Emulator, second: Emulator
) -> None:
    emulator.arm({"stall": True, "store": True}, entity="raw", operation="send")
    answer = post(launch(spare(allow_duplicates=True)))
    identifier = assert_accepted(answer)
    assert served_by(answer) == "fallback"
    assert emulator.stored("raw").messages == {identifier: 1}
    assert second.stored("late").messages == {identifier: 1}


def test_a_refused_message_is_refused(
    launch, spare: Callable[..., GatewayConfiguration], emulator: Emulator, second: Emulator
) -> None:
    emulator.arm({"status": 400}, entity="raw")
    assert_refused(post(launch(spare())), "message_rejected")
    assert second.requests() == []


def test_when_both_fail_the_client_hears_of_the_second(
    launch, spare: Callable[..., GatewayConfiguration], emulator: Emulator, second: Emulator
) -> None:
    emulator.arm({"status": 429}, entity="raw")
    second.arm({"status": 400}, entity="late")
    answer = post(launch(spare()))
    assert_refused(answer, "message_rejected")
    assert served_by(answer) == "fallback"
