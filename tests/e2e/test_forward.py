"""Requests that go on to the backend after the broker's 201, and those that must not."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator

import pytest

from clients import http1
from clients.answer import Answer
from clients.http2 import Http2Connection
from configuration.forwarding import MODES, forwarding
from configuration.gateway import GatewayConfiguration
from conftest import Launch
from contract import UUID, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy, validate
from servers.echo import Echo, echoed
from servers.incoming import Incoming
from servers.upstream import Upstream, answers

LIMIT = 262_144
SIZES = [0, 1, 200_000]

Send = Callable[[int, bytes], Answer]


@pytest.fixture(scope="module")
def shared_backend() -> Iterator[Echo]:
    """The service behind the gateway."""
    with Echo() as echo:
        yield echo


@pytest.fixture
def backend(shared_backend: Echo) -> Echo:
    """The service, without requests of earlier tests."""
    shared_backend.requests.clear()
    return shared_backend


@pytest.fixture(scope="module", params=MODES)
def mode(
    request: pytest.FixtureRequest,
    envoy_binary,
    configure,
    shared_backend: Echo,
    tmp_path_factory,
) -> Iterator[Envoy]:
    """A gateway between clients, the emulator and the backend, for each way to hold headers."""
    configuration = forwarding(configure(), request.param, shared_backend.port)
    gateway = Envoy(envoy_binary, configuration, tmp_path_factory.mktemp(request.param))
    yield gateway
    gateway.check_vms()
    gateway.stop()


@pytest.fixture(scope="module")
def shared_pausing(
    envoy_binary, configure, shared_backend: Echo, tmp_path_factory
) -> Iterator[Envoy]:
    """The first of these gateways alone: it can change a request when the message is stored."""
    configuration = forwarding(configure(), "pause", shared_backend.port)
    gateway = Envoy(envoy_binary, configuration, tmp_path_factory.mktemp("pausing"))
    yield gateway
    gateway.check_vms()
    gateway.stop()


@pytest.fixture
def pausing(shared_pausing: Envoy, emulator: Emulator) -> Envoy:
    """The same, after the emulator was made empty."""
    return shared_pausing


def with_length(port: int, body: bytes) -> Answer:
    return http1.request(port, "POST", "/onward", body=body)


def chunked(port: int, body: bytes, trailers: list[tuple[str, str]] | None = None) -> Answer:
    with http1.Connection(port) as connection:
        connection.send(http1.head("POST", "/onward", [("transfer-encoding", "chunked")]))
        for start in range(0, len(body), 10_000):
            connection.send(http1.chunk(body[start : start + 10_000]))
        connection.send(http1.last_chunk(trailers or []))
        return connection.answer()


def chunked_with_trailers(port: int, body: bytes) -> Answer:
    return chunked(port, body, [("x-checksum", "abc")])


def frames(port: int, body: bytes) -> Answer:
    parts = [body[start : start + 1_000] for start in range(0, len(body), 1_000)]
    with Http2Connection(port) as connection:
        return connection.request("POST", "/onward", (), parts)


def frames_with_trailers(port: int, body: bytes) -> Answer:
    with Http2Connection(port) as connection:
        return connection.request("POST", "/onward", (), [body], [("x-checksum", "abc")])


SENDERS = [with_length, chunked, chunked_with_trailers, frames, frames_with_trailers]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("send", SENDERS, ids=lambda send: send.__name__)
def test_body_and_trailers_go_on_as_they_came(
    request: pytest.FixtureRequest,
    mode: Envoy,
    emulator: Emulator,
    backend: Echo,
    send: Send,
    size: int,
) -> None:
    body = random.Random(size).randbytes(size)
    # Envoy's buffer filter gives a body its length, with which HTTP/1.1 has no trailers.
    keeps_trailers = request.node.callspec.params["mode"] == "pause"

    seen = echoed(send(mode.port, body))

    assert (seen.method, seen.target, seen.body) == ("POST", "/onward", body)
    sent = [("x-checksum", "abc")] if "trailers" in send.__name__ else []
    assert seen.trailers == (sent if keeps_trailers else [])
    identifier = seen.header("x-tracking-id") or ""
    assert UUID.fullmatch(identifier)
    assert emulator.message("raw")["broker_properties"]["MessageId"] == f"m-{identifier}"
    assert len(backend.requests) == 1


def test_headers_alone_go_on(mode: Envoy, emulator: Emulator, backend: Echo) -> None:
    seen = echoed(http1.request(mode.port, "PUT", "/onward/a?b=c"))

    assert (seen.method, seen.target, seen.body) == ("PUT", "/onward/a?b=c", b"")
    assert emulator.message("raw")["body"] == ""


def values(seen: Incoming, name: str) -> list[str]:
    return [value for other, value in seen.headers if other == name]


def test_a_client_that_names_our_headers_is_not_believed(
    mode: Envoy, emulator: Emulator, backend: Echo
) -> None:
    fields: list[http1.Header] = [
        ("idempotency-key", "k-1"),
        ("x-tracking-id", "theirs"),
        ("x-tracking-id", "again"),
        ("x-service-bus-outcome", "throttled"),
        ("x-user", "admin"),
        ("x-own", "stays"),
    ]

    seen = echoed(http1.request(mode.port, "POST", "/onward", fields, b"x"))

    assert values(seen, "x-tracking-id") == ["k-1"]
    # What the route could not make is removed all the same.
    assert values(seen, "x-user") == []
    assert values(seen, "x-service-bus-outcome") == []
    assert values(seen, "x-own") == ["stays"]
    entry = mode.access_entry(path="/onward", status=200)
    assert entry["service_bus"]["outcome"] == "forwarded"


def test_a_backend_is_told_the_messages_id(
    pausing: Envoy, emulator: Emulator, backend: Echo
) -> None:
    fields = [("x-message-id", "theirs"), ("idempotency-key", "k-5")]

    seen = echoed(http1.request(pausing.port, "POST", "/onward", fields, b"x"))

    assert values(seen, "x-message-id") == ["m-k-5"]


def test_a_route_sets_headers_of_the_request(
    mode: Envoy, emulator: Emulator, backend: Echo
) -> None:
    seen = echoed(http1.request(mode.port, "POST", "/onward", [("x-of", "alice")], b"x"))

    assert values(seen, "x-user") == ["alice"]


def test_nothing_goes_on_before_the_message_is_stored(
    mode: Envoy, emulator: Emulator, backend: Echo
) -> None:
    emulator.arm({"delay": "1s"}, entity="raw", operation="send", count=1)
    with http1.Connection(mode.port) as connection:
        connection.send(http1.head("POST", "/onward", [("content-length", "1")]) + b"x")
        gauge = "cluster.servicebus.upstream_rq_active$"
        mode.wait_until(lambda: mode.stats(gauge).popitem()[1] == 1, "message on its holding")
        assert backend.requests == []
        assert echoed(connection.answer()).body == b"x"

    assert emulator.message("raw")["body"] == "x"


@pytest.mark.parametrize(
    ("fault", "reason", "status"),
    [
        ({"status": 503}, "throttled", 429),
        ({"status": 500}, "broker_error", 503),
        ({"status": 400}, "message_rejected", 503),
        ({"reset": "after_storing"}, "outcome_unknown", 503),
    ],
)
def test_what_is_not_stored_does_not_go_on(
    mode: Envoy, emulator: Emulator, backend: Echo, fault: dict, reason: str, status: int
) -> None:
    emulator.arm(fault, entity="raw", operation="send", count=1)

    answer = http1.request(mode.port, "POST", "/onward", body=b"x")

    assert (answer.status, answer.json()["reason"]) == (status, reason)
    assert backend.requests == []


def test_where_the_route_says_so_it_goes_on_unsent_and_marked(
    pausing: Envoy, emulator: Emulator, backend: Echo
) -> None:
    emulator.arm({"status": 503}, entity="raw", operation="send", count=1)
    fields = [("x-service-bus-outcome", "accepted"), ("idempotency-key", "k-2")]

    seen = echoed(http1.request(pausing.port, "POST", "/anyway", fields, b"body"))

    assert (seen.method, seen.body) == ("POST", b"body")
    assert values(seen, "x-service-bus-outcome") == ["throttled"]
    assert values(seen, "x-tracking-id") == ["k-2"]
    assert emulator.messages("raw") == []
    entry = pausing.access_entry(path="/anyway")
    assert entry["service_bus"]["outcome"] == "throttled"


def test_what_is_wrong_with_a_request_is_answered(
    mode: Envoy, emulator: Emulator, backend: Echo
) -> None:
    path = "/onward"
    large = http1.request(mode.port, "POST", path, body=bytes(LIMIT + 1))
    assert_refused(large, "payload_too_large", detail=f"the body has more than {LIMIT} bytes")
    with http1.Connection(mode.port) as connection:
        connection.send(http1.head("POST", path, [("transfer-encoding", "chunked")]))
        for _ in range(9):
            connection.send(http1.chunk(bytes(30_000)))
        assert connection.answer().status == 413
    call = http1.request(mode.port, "POST", path, [("content-type", "application/grpc")], b"x")
    assert call.header("grpc-status") == "12"

    assert backend.requests == []
    assert emulator.messages("raw") == []


def test_what_is_wrong_with_a_request_does_not_go_on_unsent(
    pausing: Envoy, emulator: Emulator, backend: Echo
) -> None:
    large = http1.request(pausing.port, "POST", "/anyway", body=bytes(LIMIT + 1))
    assert_refused(large, "payload_too_large", detail=f"the body has more than {LIMIT} bytes")
    call = http1.request(
        pausing.port, "POST", "/anyway", [("content-type", "application/grpc")], b"x"
    )
    assert call.header("grpc-status") == "12"

    assert backend.requests == []
    assert emulator.messages("raw") == []


def test_a_dry_run_neither_sends_nor_goes_on(
    mode: Envoy, emulator: Emulator, backend: Echo
) -> None:
    answer = http1.request(mode.port, "POST", "/shown", [("idempotency-key", "k-3")], b"x")

    assert answer.status == 200
    assert "forward" in answer.json()
    assert backend.requests == []
    assert emulator.messages("raw") == []


def test_a_client_that_leaves_is_not_forwarded(
    mode: Envoy, emulator: Emulator, backend: Echo
) -> None:
    emulator.arm({"delay": "500ms"}, entity="raw", operation="send", count=1)
    gauge = "cluster.servicebus.upstream_rq_active$"
    with http1.Connection(mode.port) as connection:
        connection.send(http1.head("POST", "/onward", [("content-length", "1")]) + b"x")
        mode.wait_until(lambda: mode.stats(gauge).popitem()[1] == 1, "message on its holding")
        connection.reset()
    mode.wait_until(lambda: mode.stats(gauge).popitem()[1] == 0, "end of the send")
    # Served after what the broker's answer to the first has led to.
    assert echoed(http1.request(mode.port, "POST", "/onward", body=b"y")).body == b"y"

    assert [request.body for request in backend.requests] == [b"y"]
    assert sorted(message["body"] for message in emulator.messages("raw")) == ["x", "y"]


def test_requests_that_share_a_connection_each_go_on(
    mode: Envoy, emulator: Emulator, backend: Echo
) -> None:
    with Http2Connection(mode.port) as connection:
        bodies = [f"body-{number}".encode() * 50 for number in range(40)]
        streams = [connection.start("POST", "/onward") for _ in bodies]
        for stream, body in zip(streams, bodies, strict=True):
            connection.send_data(stream, body, end=True)
        for stream, body in zip(streams, bodies, strict=True):
            assert echoed(connection.answer(stream)).body == body

    assert len(backend.requests) == len(bodies)
    assert emulator.stored("raw").stored == len(bodies)


@pytest.mark.parametrize("holding", MODES)
def test_a_batch_lets_each_of_its_requests_go_on(
    launch: Launch, configure, emulator: Emulator, backend: Echo, holding: str
) -> None:
    batch = {"batch": {"max_messages": 10, "linger": "200ms"}}
    configuration = forwarding(configure(), holding, backend.port).merge_plugin({"delivery": batch})
    gateway = launch(configuration, concurrency=1)
    emulator.arm({"delay": "300ms"}, entity="raw", operation="send", count=1)
    found: list[Incoming] = []

    def post(number: int) -> None:
        body = b"%d" % number
        seen = echoed(http1.request(gateway.port, "POST", "/onward", body=body))
        assert seen.body == body
        found.append(seen)

    threads = [threading.Thread(target=post, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == len(backend.requests) == 20
    assert sorted(m["body"] for m in emulator.messages("raw")) == sorted(map(str, range(20)))
    assert any(message["form"] == "batch" for message in emulator.messages("raw"))


@pytest.mark.parametrize("holding", MODES)
def test_retries_and_a_fallback_come_before_the_backend(
    launch: Launch, configure, emulator: Emulator, backend: Echo, holding: str
) -> None:
    route = {
        "name": "second",
        "match": {"path": "/second"},
        "send": {"queue": "raw"},
        "fallback": {"queue": "typed"},
        "forward": {},
    }
    configuration = forwarding(configure(), holding, backend.port).add_plugin_routes([route])
    delivery = {"retries": {"max": 1, "base": "1ms"}, "circuit_breaker": {"failures": 0}}
    gateway = launch(configuration.merge_plugin({"delivery": delivery}), concurrency=1)

    emulator.arm({"status": 503}, entity="raw", operation="send", count=1)
    assert echoed(http1.request(gateway.port, "POST", "/onward", body=b"again")).body == b"again"
    assert emulator.message("raw")["body"] == "again"

    emulator.arm({"status": 503}, entity="raw", operation="send", count=2)
    assert echoed(http1.request(gateway.port, "POST", "/second", body=b"x")).body == b"x"
    assert emulator.message("typed")["body"] == "x"
    assert len(backend.requests) == 2


def test_a_bus_that_envoy_does_not_reach_is_told_within_the_request(
    launch: Launch, configure, emulator: Emulator, backend: Echo
) -> None:
    # Without a healthy host Envoy refuses while the request's own callback runs.
    configuration: GatewayConfiguration = forwarding(configure(), "pause", backend.port)
    configuration.service_bus["load_assignment"]["endpoints"] = []
    gateway = launch(configuration, concurrency=1)

    assert_refused(http1.request(gateway.port, "POST", "/onward", body=b"x"), "broker_unreachable")
    assert backend.requests == []
    for body in (b"", b"x", bytes(200_000)):
        seen = echoed(http1.request(gateway.port, "POST", "/anyway", body=body))
        assert (seen.header("x-service-bus-outcome"), seen.body) == ("broker_unreachable", body)
    seen = echoed(http1.request(gateway.port, "POST", "/anyway"))
    assert seen.header("x-service-bus-outcome") == "broker_unreachable"
    with http1.Connection(gateway.port) as connection:
        connection.send(http1.head("POST", "/anyway", [("transfer-encoding", "chunked")]))
        connection.send(http1.chunk(b"x") + http1.last_chunk([("x-checksum", "abc")]))
        seen = echoed(connection.answer())
    assert (seen.body, seen.trailers) == (b"x", [("x-checksum", "abc")])


@pytest.mark.parametrize("holding", MODES)
def test_a_backend_that_is_down_answers_as_envoy_does(
    launch: Launch, configure, closed_port: int, emulator: Emulator, holding: str
) -> None:
    gateway = launch(forwarding(configure(), holding, closed_port), concurrency=1)

    answer = http1.request(gateway.port, "POST", "/onward", [("idempotency-key", "k-4")], b"x")

    assert answer.status == 503
    assert answer.header("x-tracking-id") is None
    # A client that retries with its key is not stored twice where duplicates are detected.
    assert emulator.message("raw")["broker_properties"]["MessageId"] == "m-k-4"


def test_a_backends_refusal_is_the_clients(launch: Launch, configure, emulator: Emulator) -> None:
    with Upstream(answers("409 Conflict", [("x-inner", "1")], b"taken")) as backend:
        gateway = launch(forwarding(configure(), "pause", backend.port), concurrency=1)
        answer = http1.request(gateway.port, "POST", "/onward", body=b"x")

    assert (answer.status, answer.body, answer.header("x-inner")) == (409, b"taken", "1")


@pytest.mark.parametrize(
    "capability",
    ["proxy_remove_header_map_value", "proxy_add_header_map_value", "proxy_continue_stream"],
)
def test_a_filter_that_may_not_change_a_request_holds_it_back(
    launch: Launch, configure, emulator: Emulator, backend: Echo, capability: str
) -> None:
    configuration = forwarding(configure(), "pause", backend.port)
    allowed = configuration.wasm["capability_restriction_config"]["allowed_capabilities"]
    del allowed[capability]
    gateway = launch(configuration, concurrency=1)

    answer = http1.request(gateway.port, "POST", "/onward", body=b"x")

    # Its message is stored, and that it is not must not be said.
    assert_refused(answer, "outcome_unknown")
    assert emulator.message("raw")["body"] == "x"
    assert backend.requests == []


def test_a_gate_is_refused_with_its_place(envoy_binary, configure, tmp_path) -> None:
    configuration = configure().add_plugin_routes(
        [{"name": "f", "match": {"path": "/f"}, "send": {"queue": "raw"}, "forward": {}}]
    )
    configuration.add_filter(configuration.gate())
    index = len(json.loads(configuration.wasm["configuration"]["value"])["routes"]) - 1

    result = validate(envoy_binary, configuration, tmp_path)

    assert result.returncode != 0
    assert f"routes[{index}].forward: a gate cannot be woken" in result.stdout + result.stderr
