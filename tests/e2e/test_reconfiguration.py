"""Configurations that change, and Envoys that end, while messages are in flight."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from clients import http1
from clients.load import Load
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted
from processes.emulator import Emulator
from processes.envoy import Envoy
from servers.echo import Echo, echoed

CLIENTS = 20


@pytest.fixture
def listeners(tmp_path: Path) -> Path:
    """The file that Envoy reads its listeners from."""
    return tmp_path / "listeners.yaml"


@pytest.fixture
def slow(configure: Callable[[], GatewayConfiguration]) -> GatewayConfiguration:
    """Time enough for a broker that takes its time."""
    return configure().merge_plugin({"delivery": {"timeout": "30s", "attempt_timeout": "30s"}})


def publish(configuration: GatewayConfiguration, listeners: Path) -> None:
    """Puts the listener where Envoy reads it again when it is replaced."""
    listener = {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        **configuration.listener,
    }
    unready = listeners.with_suffix(".unready")
    unready.write_text(yaml.safe_dump({"resources": [listener]}))
    unready.rename(listeners)


def dynamic(configuration: GatewayConfiguration, listeners: Path) -> GatewayConfiguration:
    """The same configuration with its listener in the file."""
    publish(configuration, listeners)
    made = copy.deepcopy(configuration)
    made.document["static_resources"].pop("listeners")
    made.document["dynamic_resources"] = {
        "lds_config": {"path_config_source": {"path": str(listeners)}},
    }
    return made


@pytest.fixture
def unchecked(
    envoy_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[GatewayConfiguration], Envoy]]:
    """Starts Envoys that may end, or say that a configuration has failed."""
    with ExitStack() as stack:

        def start(configuration: GatewayConfiguration) -> Envoy:
            gateway = Envoy(envoy_binary, configuration, tmp_path_factory.mktemp("gateway"))
            stack.callback(gateway.stop)
            return gateway

        yield start


def waiting(stack: ExitStack, gateway: Envoy, path: str = "/raw") -> list[http1.Connection]:
    """Clients whose messages are in flight."""
    clients = [stack.enter_context(http1.Connection(gateway.port)) for _ in range(CLIENTS)]
    for client in clients:
        client.send(http1.head("POST", path, [("content-length", "1")]) + b"x")
    count = "cluster.servicebus.upstream_rq_active$"
    gateway.wait_until(
        lambda: gateway.stats(count).popitem()[1] == CLIENTS, "messages that are in flight"
    )
    return clients


def test_a_new_configuration_leaves_messages_on_their_way_alone(
    launch,
    slow: GatewayConfiguration,
    listeners: Path,
    emulator: Emulator,
) -> None:
    gateway: Envoy = launch(dynamic(slow, listeners))
    emulator.arm({"delay": "3s"}, entity="raw", operation="send", count=CLIENTS)
    with ExitStack() as stack:
        clients = waiting(stack, gateway)
        route = {"name": "new", "match": {"path": "/new"}, "send": {"queue": "typed"}}
        publish(slow.add_plugin_routes([route]), listeners)
        gateway.wait_until(
            lambda: http1.request(gateway.port, "POST", "/new", body=b"x").status == 202,
            "route of the new configuration",
        )
        for client in clients:
            assert_accepted(client.answer())
    assert emulator.stored("raw").stored == CLIENTS


def test_configurations_change_under_load_and_nothing_is_lost(
    launch,
    slow: GatewayConfiguration,
    listeners: Path,
    emulator: Emulator,
) -> None:
    gateway: Envoy = launch(dynamic(slow, listeners))
    updates = "listener_manager.lds.update_success$"
    with Load(gateway) as load:
        for number in range(5):
            before = gateway.stats(updates).popitem()[1]
            reached = len(load.answers)
            slow.merge_plugin({"delivery": {"max_in_flight": 500 + number}})
            publish(slow, listeners)
            gateway.wait_until(
                lambda before=before: gateway.stats(updates).popitem()[1] > before, "update"
            )
            gateway.wait_until(
                lambda reached=reached: len(load.answers) > reached + 50, "requests after it"
            )
    for answer in load.answers:
        assert_accepted(answer)
    assert emulator.stored("raw").stored == len(load.answers)


def test_a_configuration_that_is_refused_changes_nothing(
    unchecked,
    slow: GatewayConfiguration,
    listeners: Path,
    emulator: Emulator,
) -> None:
    gateway: Envoy = unchecked(dynamic(slow, listeners))
    publish(slow.merge_plugin({"max_body_bytes": 0}), listeners)
    rejected = "listener_manager.lds.update_rejected$"
    gateway.wait_until(lambda: gateway.stats(rejected).popitem()[1] == 1, "refusal")
    place = "max_body_bytes: expected an integer from 1 to 1048576, found 0"
    assert place in gateway.log()
    assert_accepted(http1.request(gateway.port, "POST", "/raw", body=b"x"))


def test_draining_lets_messages_on_their_way_arrive(
    launch, slow: GatewayConfiguration, emulator: Emulator
) -> None:
    gateway: Envoy = launch(slow)
    emulator.arm({"delay": "2s"}, entity="raw", operation="send", count=CLIENTS)
    with ExitStack() as stack:
        clients = waiting(stack, gateway)
        gateway.admin("/drain_listeners?graceful", "POST")
        for client in clients:
            assert_accepted(client.answer())
    assert emulator.stored("raw").stored == CLIENTS


def test_an_envoy_that_ends_at_once_tells_nobody_that_a_message_is_stored(
    unchecked, slow: GatewayConfiguration, emulator: Emulator
) -> None:
    gateway: Envoy = unchecked(slow)
    emulator.arm({"stall": True}, entity="raw", operation="send", count=CLIENTS)
    with ExitStack() as stack:
        clients = waiting(stack, gateway)
        gateway.stop()
        for client in clients:
            with pytest.raises((http1.ConnectionEnded, ConnectionResetError)):
                client.answer()
    assert emulator.stored("raw").stored == 0


def test_a_new_configuration_lets_requests_that_wait_go_on_once(
    launch,
    slow: GatewayConfiguration,
    listeners: Path,
    emulator: Emulator,
) -> None:
    route = {
        "name": "onward",
        "match": {"path": "/onward"},
        "send": {"queue": "raw"},
        "forward": {},
    }
    with Echo() as backend, ExitStack() as stack:
        slow.add_plugin_routes([route]).pass_to(backend.port)
        gateway: Envoy = launch(dynamic(slow, listeners))
        emulator.arm({"delay": "3s"}, entity="raw", operation="send", count=CLIENTS)
        clients = waiting(stack, gateway, "/onward")
        assert backend.requests == []
        new = {"name": "new", "match": {"path": "/new"}, "send": {"queue": "typed"}}
        publish(slow.add_plugin_routes([new]), listeners)
        gateway.wait_until(
            lambda: http1.request(gateway.port, "POST", "/new", body=b"x").status == 202,
            "route of the new configuration",
        )
        ids = [echoed(client.answer()).header("x-tracking-id") for client in clients]
        onward = [each for each in backend.requests if each.target == "/onward"]
    assert len(set(ids)) == len(onward) == CLIENTS
    assert emulator.stored("raw").stored == CLIENTS
