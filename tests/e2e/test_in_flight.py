"""Messages in flight: how many there may be, and what becomes of them without their client."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from clients import http1
from clients.http2 import Http2Connection
from configuration.gateway import GatewayConfiguration
from configuration.routes import ROUTES
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy
from servers.incoming import Incoming, Reader
from servers.upstream import Upstream

CLIENTS = 1000


@pytest.fixture(autouse=True)
def enough_descriptors() -> Iterator[None]:
    """Lets this process and those that it starts have a socket for each client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Held:
    """A script that holds its answers until told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, connection: socket.socket, request: Incoming, reader: Reader) -> bool:
        assert reader.body(request)
        self.go_on.wait()
        connection.sendall(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")
        return True


@pytest.fixture
def held(broker: Upstream) -> Iterator[Held]:
    """Makes the scripted broker hold its answers."""
    held = Held()
    broker.script = held
    yield held
    held.go_on.set()


def post(port: int, body: bytes = b"x") -> http1.Connection:
    """Sends a request and does not wait for its answer."""
    connection = http1.Connection(port)
    fields = [("content-length", str(len(body)))]
    connection.send(http1.head("POST", "/raw", fields) + body)
    return connection


def active(gateway: Envoy) -> int:
    """How many callouts Envoy has under way."""
    return gateway.stats("cluster.servicebus.upstream_rq_active$").popitem()[1]


def test_one_more_than_may_be_in_flight_is_refused(
    launch, module, broker: Upstream, held: Held
) -> None:
    configuration = GatewayConfiguration(module).add_plugin_routes(ROUTES).send_to(broker.port)
    configuration.merge_plugin({"delivery": {"max_in_flight": 3, "attempt_timeout": "1m"}})
    configuration.merge_plugin({"delivery": {"timeout": "1m"}})
    gateway = launch(configuration, concurrency=1)

    with ExitStack() as stack:
        waiting = [stack.enter_context(post(gateway.port)) for _ in range(3)]
        gateway.wait_until(lambda: len(broker.requests) == 3, "three messages at the broker")

        answer = http1.request(gateway.port, "POST", "/raw", body=b"x")
        tracking_id = assert_refused(answer, "overloaded")
        entry = gateway.access_entry(tracking_id=tracking_id)
        assert entry["details"] == "service_bus_overloaded"

        held.go_on.set()
        for connection in waiting:
            assert_accepted(connection.answer())

    assert_accepted(http1.request(gateway.port, "POST", "/raw", body=b"x"))
    assert len(broker.requests) == 4


def test_one_byte_more_than_may_be_held_is_refused(
    launch, module, broker: Upstream, held: Held
) -> None:
    configuration = GatewayConfiguration(module).add_plugin_routes(ROUTES).send_to(broker.port)
    configuration.merge_plugin({"delivery": {"max_buffered_bytes": 10_000, "timeout": "1m"}})
    configuration.merge_plugin({"delivery": {"attempt_timeout": "1m"}})
    gateway = launch(configuration, concurrency=1)

    # Properties count as well: there is room for two such bodies, and not for three.
    large = b"x" * 3_500
    with ExitStack() as stack:
        waiting = [stack.enter_context(post(gateway.port, body=large)) for _ in range(2)]
        gateway.wait_until(lambda: len(broker.requests) == 2, "two messages at the broker")

        answer = http1.request(gateway.port, "POST", "/raw", body=large)
        assert_refused(answer, "overloaded")
        # What is small still fits.
        waiting.append(stack.enter_context(post(gateway.port)))
        gateway.wait_until(lambda: len(broker.requests) == 3, "a third message at the broker")

        held.go_on.set()
        for connection in waiting:
            assert_accepted(connection.answer())

    assert_accepted(http1.request(gateway.port, "POST", "/raw", body=large))
    assert len(broker.requests) == 4


SLOW_CLIENTS = 100
# As much as Envoy takes in one header, and more than is ever read of it.
LARGE = ("x-large", "l" * 40_000)


def start(port: int, path: str) -> http1.Connection:
    """Sends a request with large headers and does not end it."""
    connection = http1.Connection(port)
    connection.send(http1.head("POST", path, [("content-length", "2"), LARGE]) + b"x")
    return connection


def test_slow_requests_hold_only_what_their_route_reads(
    launch, configure: Callable[[], GatewayConfiguration]
) -> None:
    gateway: Envoy = launch(
        configure().merge_plugin({"delivery": {"max_buffered_bytes": 100_000}}), concurrency=1
    )
    with ExitStack() as stack:
        waiting = [stack.enter_context(start(gateway.port, "/raw")) for _ in range(SLOW_CLIENTS)]
        for connection in waiting:
            connection.send(b"y")
        for connection in waiting:
            assert_accepted(connection.answer())


def test_slow_requests_are_refused_above_the_bound(
    launch, configure: Callable[[], GatewayConfiguration]
) -> None:
    configuration = configure().merge_plugin({"delivery": {"max_buffered_bytes": 100_000}})
    route = {
        "name": "whole",
        "match": {"path": "/whole"},
        "send": {"queue": "raw", "properties": {"headers": "${size(request.headers)}"}},
    }
    gateway: Envoy = launch(configuration.add_plugin_routes([route]), concurrency=1)
    with ExitStack() as stack:
        waiting = [stack.enter_context(start(gateway.port, "/whole")) for _ in range(2)]
        # The third would be one too many, and hears so before its body has come.
        gateway.wait_until(
            lambda: sum(gateway.stats("http.gateway.downstream_rq_active$").values()) == 2,
            "two requests",
        )
        third = stack.enter_context(start(gateway.port, "/whole"))
        assert_refused(third.answer(), "overloaded")
        for connection in waiting:
            connection.send(b"y")
            assert_accepted(connection.answer())
    assert_accepted(http1.request(gateway.port, "POST", "/whole", [LARGE], b"x"))


# With how many of thirty messages they let go at once or later. Envoy finds out when it has a
# connection, or at once.
LIMITS = {
    "requests": ({"max_requests": 1}, 1),
    "connections": ({"max_connections": 1, "max_pending_requests": 1}, 2),
}


@pytest.mark.parametrize(("limits", "room"), LIMITS.values(), ids=LIMITS)
def test_envoys_own_limits_open_no_breaker(
    launch, module, broker: Upstream, held: Held, limits: dict, room: int
) -> None:
    configuration = GatewayConfiguration(module).add_plugin_routes(ROUTES).send_to(broker.port)
    configuration.merge_plugin({"delivery": {"timeout": "1m", "attempt_timeout": "1m"}})
    configuration.merge_plugin({"delivery": {"retries": {"max": 0}}})
    configuration.service_bus["circuit_breakers"]["thresholds"][0].update(limits)
    gateway = launch(configuration, concurrency=1)

    with ExitStack() as stack:
        clients = [stack.enter_context(post(gateway.port))]
        gateway.wait_until(lambda: len(broker.requests) == 1, "a message at the broker")
        clients += [stack.enter_context(post(gateway.port)) for _ in range(29)]

        def refused() -> int:
            return sum(gateway.stats("outcome.overloaded.destination.primary.requests$").values())

        gateway.wait_until(lambda: refused() == 30 - room, "answers to the others")
        held.go_on.set()
        answers = [connection.answer() for connection in clients]

    statuses = [answer.status for answer in answers]
    assert (statuses.count(202), statuses[0]) == (room, 202)
    for answer in answers:
        if answer.status != 202:
            assert_refused(answer, "overloaded")
    # The broker is well, and nobody has said otherwise.
    assert_accepted(http1.request(gateway.port, "POST", "/raw", body=b"x"))
    assert len(broker.requests) == room + 1
    assert not gateway.stats("breaker_opened$")


def started(gateway: Envoy) -> int:
    """How many callouts Envoy has ever begun."""
    return gateway.stats("cluster.servicebus.upstream_rq_total$").popitem()[1]


@pytest.fixture
def crowded(configure: Callable[[], GatewayConfiguration]) -> GatewayConfiguration:
    """A gateway that takes so many clients and not one more."""
    return configure().merge_plugin(
        {"delivery": {"max_in_flight": CLIENTS, "attempt_timeout": "8s", "timeout": "8s"}}
    )


def assert_room_for_all(gateway: Envoy) -> None:
    """Nothing is left of earlier messages: as many as ever fit once more."""
    with ExitStack() as stack:
        waiting = [stack.enter_context(post(gateway.port)) for _ in range(CLIENTS)]
        for connection in waiting:
            assert_accepted(connection.answer())


def test_clients_that_leave_do_no_harm(
    launch, crowded: GatewayConfiguration, emulator: Emulator
) -> None:
    gateway = launch(crowded, concurrency=1)
    # Stored, and never confirmed.
    emulator.arm({"stall": True, "store": True}, entity="raw", operation="send")
    waiting = [post(gateway.port) for _ in range(CLIENTS)]
    gateway.wait_until(lambda: active(gateway) == CLIENTS, "a callout of each client")

    for connection in waiting[::2]:
        connection.close()
    for connection in waiting[1::2]:
        connection.reset()
    # The callouts outlive their clients, until their time is over.
    gateway.wait_until(lambda: active(gateway) == 0, "end of the callouts")

    emulator.disarm()
    assert emulator.stored("raw").stored == CLIENTS
    assert_room_for_all(gateway)


def test_streams_that_are_reset_do_no_harm(
    launch, crowded: GatewayConfiguration, emulator: Emulator
) -> None:
    gateway = launch(crowded, concurrency=1)
    emulator.arm({"stall": True}, entity="raw", operation="send")
    with ExitStack() as stack:
        connections = [stack.enter_context(Http2Connection(gateway.port)) for _ in range(10)]
        streams = [
            (connection, connection.start("POST", "/raw", end=True))
            for connection in connections
            for _ in range(CLIENTS // 10)
        ]
        gateway.wait_until(lambda: active(gateway) == CLIENTS, "a callout of each stream")
        for connection, stream in streams:
            connection.reset(stream)
        gateway.wait_until(lambda: active(gateway) == 0, "end of the callouts")

        emulator.disarm()
        # The connections serve on.
        for connection in connections:
            assert_accepted(connection.request("POST", "/raw", (), [b"x"]))
    assert_room_for_all(gateway)


def test_an_answer_that_comes_after_its_client_left_is_dropped(
    launch, crowded: GatewayConfiguration, emulator: Emulator
) -> None:
    gateway = launch(crowded, concurrency=1)
    emulator.arm({"delay": "1s"}, entity="raw", operation="send")
    waiting = [post(gateway.port) for _ in range(CLIENTS)]
    gateway.wait_until(lambda: started(gateway) == CLIENTS, "a callout of each client")

    # Every other client stays and gets its answer.
    for connection in waiting[::2]:
        connection.reset()
    for connection in waiting[1::2]:
        assert_accepted(connection.answer())
        connection.close()
    gateway.wait_until(lambda: active(gateway) == 0, "end of the callouts")

    emulator.disarm()
    assert emulator.stored("raw").stored == CLIENTS
    assert_room_for_all(gateway)


def test_each_client_gets_its_own_answer_when_others_leave(
    launch, crowded: GatewayConfiguration, emulator: Emulator
) -> None:
    gateway = launch(crowded, concurrency=1)
    emulator.arm({"delay": "200ms"}, entity="raw", operation="send")
    stay = []
    for number in range(200):
        key = f"key-{number}"
        connection = http1.Connection(gateway.port)
        fields = [("content-length", "1"), ("idempotency-key", key)]
        connection.send(http1.head("POST", "/raw", fields) + b"x")
        if number % 3:
            connection.reset()
        else:
            stay.append((key, connection))
    for key, connection in stay:
        assert_accepted(connection.answer(), key=key)
        connection.close()
    stored = emulator.stored("raw")
    assert {key for key, _ in stay} <= stored.messages.keys()
    assert set(stored.messages.values()) == {1}
