"""SAS keys that change, and clocks that differ, in real Envoy."""

from __future__ import annotations

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from clients import http1
from clients.load import Load
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy

NAME = "send-only"
OLD, NEW, OTHER = (base64.b64encode(key * 32).decode() for key in (b"o", b"n", b"x"))
NAMESPACE = "sbemulatorns.servicebus.windows.net"
OF_THE_NAMESPACE = "service_bus.namespace.sbemulatorns_servicebus_windows_net."


def signed_by(configuration: GatewayConfiguration, key: str, secondary: str):
    """Credentials with two keys, written into the configuration."""
    sas = {
        "key_name": NAME,
        "key": {"inline": key},
        "secondary_key": {"inline": secondary},
    }
    return configuration.merge_plugin({"credentials": None}).merge_plugin(
        {"credentials": {"sas": sas}}
    )


def numbers(gateway: Envoy) -> dict[str, int]:
    """The metrics of the namespace, by the last part of their names."""
    found = gateway.stats("service_bus.namespace")
    return {name.partition(OF_THE_NAMESPACE)[2]: number for name, number in found.items()}


def post(gateway: Envoy, path: str = "/raw"):
    return http1.request(gateway.port, "POST", path, body=b"x")


def test_a_key_is_rotated_under_load_and_nothing_is_lost(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    emulator.trust(keys=[f"{NAME}={OLD}", f"{NAME}={NEW}"])
    gateway: Envoy = launch(signed_by(configure(), OLD, NEW))
    with Load(gateway) as load:
        gateway.wait_until(lambda: len(load.answers) > 100, "requests with the old key")
        # The old key is gone: whoever signs with it is refused from now on.
        emulator.trust(keys=[f"{NAME}={NEW}"])
        reached = len(load.answers)
        gateway.wait_until(lambda: len(load.answers) > reached + 100, "requests with the new key")
    for answer in load.answers:
        assert_accepted(answer)
    assert emulator.stored("raw").stored == len(load.answers)
    found = numbers(gateway)
    # Each worker finds out by itself.
    assert 1 <= found["key_switches"] <= 2
    assert found["secondary_key"] == found["key_switches"]
    refused = {request["verdict"] for request in emulator.refused()}
    assert len(refused) == 1, refused
    for line in ("token refused, a fresh one follows", "key refused, the secondary key signs"):
        assert f"{line}: namespace={NAMESPACE}" in gateway.log()


def test_entities_that_lose_a_key_together_switch_once(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    emulator.trust(keys=[f"{NAME}={OLD}", f"{NAME}={NEW}"])
    made = signed_by(configure(), OLD, NEW)
    made.add_plugin_routes(
        [{"name": "other", "match": {"path": "/other"}, "send": {"queue": "typed"}}]
    )
    gateway: Envoy = launch(made, concurrency=1)
    paths = ["/raw", "/other"]
    for path in paths:
        assert_accepted(post(gateway, path))
    emulator.trust(keys=[f"{NAME}={NEW}"])
    with ThreadPoolExecutor(len(paths)) as clients:
        for _ in range(10):
            for answer in clients.map(lambda path: post(gateway, path), paths):
                assert_accepted(answer)
    found = numbers(gateway)
    assert (found["secondary_key"], found["key_switches"]) == (1, 1)
    # Both entities may have found out by themselves: with the old token and a fresh one.
    assert len(emulator.refused()) <= 4


def test_an_entity_without_permission_takes_no_key_from_others(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    emulator.trust(keys=[f"{NAME}={OLD};entity=raw"])
    made = signed_by(configure(), OLD, NEW)
    made.add_plugin_routes(
        [{"name": "other", "match": {"path": "/other"}, "send": {"queue": "typed"}}]
    )
    gateway: Envoy = launch(made, concurrency=1)
    for _ in range(10):
        assert_refused(post(gateway, "/other"), "broker_unauthorized")
        assert_accepted(post(gateway))
    assert "key_switches" not in numbers(gateway)
    assert {request["path"] for request in emulator.refused()} == {"/typed/messages"}


def test_when_both_keys_are_refused_the_client_is_told_so(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    emulator.trust(keys=[f"{NAME}={OTHER}"])
    gateway: Envoy = launch(signed_by(configure(), OLD, NEW), concurrency=1)
    assert_refused(post(gateway), "broker_unauthorized")
    # The token, a fresh one of the same key, and one of the other key.
    assert len(emulator.refused()) == 3
    # Refused and replaced; what gives way to the other key is counted there.
    assert numbers(gateway)["tokens_refused"] == 1
    # A key that is repaired at the broker works again without a restart.
    emulator.trust(keys=[f"{NAME}={OLD}"])
    gateway.wait_until(lambda: post(gateway).status == 202, "202 with the repaired key")


def test_a_clock_behind_the_brokers_is_corrected(
    launch, configure: Callable[[], GatewayConfiguration], target_dir, tmp_path
) -> None:
    entities = {
        "UserConfig": {
            "Namespaces": [{"Name": "sbemulatorns", "Queues": [{"Name": "raw", "Properties": {}}]}]
        }
    }
    ahead = 2 * 60 * 60
    broker = Emulator(target_dir, entities, tmp_path, clock_ahead=ahead)
    try:
        gateway: Envoy = launch(configure().send_to(broker.port), concurrency=1)
        for _ in range(3):
            assert_accepted(post(gateway))
        assert broker.stored("raw").stored == 3
        # One refusal was enough to learn the broker's time.
        assert len(broker.refused()) == 1
        assert abs(numbers(gateway)["clock_behind_seconds"] - ahead) < 60
    finally:
        broker.stop()
