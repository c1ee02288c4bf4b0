"""Messages that travel together, in real Envoy."""

from __future__ import annotations

import copy
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from clients import http1
from clients.answer import Answer
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy
from servers.incoming import Incoming, Reader
from servers.upstream import Upstream

OF_SESSIONS = {
    "name": "sessions",
    "match": {"path": "/sessions"},
    "send": {
        "queue": "load",
        "broker_properties": {"SessionId": "${request.headers['x-session']}"},
    },
}


@pytest.fixture(scope="module")
def with_batches(configure: Callable[[], GatewayConfiguration]) -> GatewayConfiguration:
    """Batches that leave when the send before them ends, and not before."""
    batch = {"max_messages": 100, "linger": "8s"}
    made = configure().add_plugin_routes([OF_SESSIONS])
    return made.merge_plugin({"delivery": {"batch": batch}})


@pytest.fixture(scope="module")
def batching(
    envoy_binary: Path,
    with_batches: GatewayConfiguration,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Envoy]:
    """One worker with batches, for all tests."""
    gateway = Envoy(envoy_binary, with_batches, tmp_path_factory.mktemp("gateway"), concurrency=1)
    yield gateway
    gateway.check_vms()
    gateway.stop()


Part = tuple[str, list[tuple[str, str]], bytes]


@contextmanager
def waiting(
    gateway: Envoy, emulator: Emulator, parts: list[Part], held: int = 1
) -> Iterator[list[http1.Connection]]:
    """Clients whose requests all arrive while the first callouts are in flight."""
    # Time for all to arrive, on a machine that does much else.
    emulator.arm({"delay": "2s"}, operation="send", count=held)
    before = callouts(gateway)
    with ExitStack() as stack:
        clients = [stack.enter_context(http1.Connection(gateway.port)) for _ in parts]
        for client, (path, headers, body) in zip(clients, parts, strict=True):
            fields = [*headers, ("content-length", str(len(body)))]
            client.send(http1.head("POST", path, fields) + body)
            if client is clients[0]:
                gateway.wait_until(lambda: callouts(gateway) == before + 1, "first message")
        yield clients


def together(gateway: Envoy, emulator: Emulator, parts: list[Part], held: int = 1) -> list[Answer]:
    """The answers to requests that all arrive while the first callouts are in flight."""
    with waiting(gateway, emulator, parts, held) as clients:
        return [client.answer() for client in clients]


def callouts(gateway: Envoy) -> int:
    return sum(gateway.stats("namespace.*callouts$").values())


def plain(*bodies: bytes) -> list[Part]:
    return [("/load", [], body) for body in bodies]


def test_what_arrives_meanwhile_leaves_together(batching: Envoy, emulator: Emulator) -> None:
    answers = together(batching, emulator, plain(*(f"body {n}".encode() for n in range(10))))
    identifiers = [assert_accepted(answer) for answer in answers]
    assert [request["form"] for request in emulator.requests()] == ["single", "batch"]
    assert emulator.stored("load").messages == dict.fromkeys(identifiers, 1)
    bodies = {message["body"] for message in emulator.messages("load")}
    assert bodies == {f"body {n}" for n in range(10)}


def test_the_sizes_of_batches_are_a_histogram(
    launch, with_batches: GatewayConfiguration, emulator: Emulator
) -> None:
    # One that has sent nothing before.
    gateway: Envoy = launch(with_batches, concurrency=1)
    for answer in together(gateway, emulator, plain(*[b"x"] * 10)):
        assert_accepted(answer)
    # A message that leaves by itself is no batch.
    namespace = '{namespace="sbemulatorns_servicebus_windows_net"}'
    expected = {f"service_bus_batch_messages_count{namespace} 1"}

    def recorded() -> bool:
        lines = gateway.admin("/stats/prometheus?filter=batch_messages").split("\n")
        return expected <= set(lines)

    # Envoy merges the workers' histograms from time to time.
    gateway.wait_until(recorded, "one batch")
    text = gateway.admin("/stats/prometheus?filter=batch_messages")
    total = re.search(r"^service_bus_batch_messages_sum\{.*\} (\S+)$", text, re.MULTILINE)
    assert total and 8.5 <= float(total[1]) <= 9.5, text


def test_a_quiet_route_pays_nothing(batching: Envoy, emulator: Emulator) -> None:
    # With a linger of eight seconds each: they would take longer than the test may.
    for _ in range(20):
        assert_accepted(http1.request(batching.port, "POST", "/load", body=b"x"))
    assert {request["form"] for request in emulator.requests()} == {"single"}


def test_of_a_refused_batch_the_bad_message_fails_alone(
    launch, with_batches: GatewayConfiguration, broker: Upstream
) -> None:
    go_on = threading.Event()

    def script(connection: socket.socket, request: Incoming, reader: Reader) -> bool:
        assert reader.body(request)
        go_on.wait()
        line = "400 Bad Request" if b"poison" in request.body else "201 Created"
        connection.sendall(f"HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n".encode())
        return True

    broker.script = script
    gateway: Envoy = launch(copy.deepcopy(with_batches).send_to(broker.port), concurrency=1)
    bodies = [b"first", *[b"x"] * 5, b"poison", *[b"x"] * 2]
    with ExitStack() as stack:
        clients = [stack.enter_context(http1.Connection(gateway.port)) for _ in bodies]
        for client, body in zip(clients, bodies, strict=True):
            client.send(http1.head("POST", "/load", [("content-length", str(len(body)))]) + body)
            gateway.wait_until(lambda: len(broker.requests) == 1, "first message")
        active = "http.gateway.downstream_rq_active$"
        gateway.wait_until(lambda: sum(gateway.stats(active).values()) == 9, "all messages")
        go_on.set()
        answers = dict(zip(bodies, [client.answer() for client in clients], strict=True))
    refused = answers.pop(b"poison")
    assert_refused(refused, "message_rejected")
    for answer in answers.values():
        assert_accepted(answer)
    # The first, the batch of eight, and two for each of three halvings.
    assert len(broker.requests) == 8


def test_sessions_travel_apart(batching: Envoy, emulator: Emulator) -> None:
    parts = [("/sessions", [("x-session", session)], b"x") for session in "aabbab"]
    for answer in together(batching, emulator, parts, held=2):
        assert_accepted(answer)
    # The first of each session at once, the rest of each when its own first has arrived.
    assert (
        sorted(request["form"] for request in emulator.requests()) == ["batch"] * 2 + ["single"] * 2
    )
    assert emulator.stored("load").stored == 6


def test_no_batch_is_larger_than_service_bus_takes(batching: Envoy, emulator: Emulator) -> None:
    bodies = [str(n).encode() * 80_000 for n in range(1, 7)]
    for answer in together(batching, emulator, plain(b"x", *bodies)):
        assert_accepted(answer)
    # Three of them fit into 256 KB, with what is around them; they leave when the fourth comes.
    forms = [request["form"] for request in emulator.requests()]
    assert sorted(forms) == ["batch", "batch", "single"]
    assert emulator.stored("load").stored == 7


def test_what_is_not_text_goes_by_itself(batching: Envoy, emulator: Emulator) -> None:
    answers = together(batching, emulator, plain(b"1", b"2", b"\xff\xfe", b"3"))
    for answer in answers:
        assert_accepted(answer)
    forms = [request["form"] for request in emulator.requests()]
    assert sorted(forms) == ["batch", "single", "single"]
    assert emulator.stored("load").stored == 4


def test_a_client_that_leaves_does_not_disturb_the_others(
    batching: Envoy, emulator: Emulator
) -> None:
    with waiting(batching, emulator, plain(*[b"x"] * 6)) as clients:
        for client in clients[1:4]:
            client.reset()
        for client in (clients[0], *clients[4:]):
            assert_accepted(client.answer())
    # Those who have left are not known to have left before their message did.
    assert 3 <= emulator.stored("load").stored <= 6
