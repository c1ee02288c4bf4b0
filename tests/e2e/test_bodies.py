"""Bodies of all sizes and shapes reach the broker byte for byte, or are refused in time."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator

import pytest

from clients import http1
from clients.answer import Answer
from clients.http2 import Http2Connection
from configuration.gateway import GatewayConfiguration
from configuration.header_modes import MODES, buffer_filter, hold_by
from configuration.routes import ROUTES
from contract import assert_accepted, assert_refused
from processes.envoy import Envoy
from servers.upstream import Upstream

LIMIT = 262_144
SIZES = [0, 1, 1024, 65_536, 255 * 1024]
TOO_LARGE = f"the body has more than {LIMIT} bytes"

# Sends a body of so many bytes with POST /raw.
Send = Callable[[int, bytes], Answer]


@pytest.fixture(scope="module", params=MODES)
def mode(
    request: pytest.FixtureRequest, envoy_binary, module, shared_broker: Upstream, tmp_path_factory
) -> Iterator[Envoy]:
    """A gateway for each way to hold the headers while the body arrives."""
    configuration = GatewayConfiguration(module).add_plugin_routes(ROUTES)
    configuration.send_to(shared_broker.port)
    hold_by(request.param, configuration, 2 * LIMIT)
    gateway = Envoy(envoy_binary, configuration, tmp_path_factory.mktemp(request.param))
    yield gateway
    gateway.check_vms()
    gateway.stop()


def with_length(port: int, body: bytes) -> Answer:
    return http1.request(port, "POST", "/raw", body=body)


def chunked(port: int, body: bytes, trailers: list[tuple[str, str]] | None = None) -> Answer:
    with http1.Connection(port) as connection:
        connection.send(http1.head("POST", "/raw", [("transfer-encoding", "chunked")]))
        for start in range(0, len(body), 10_000):
            connection.send(http1.chunk(body[start : start + 10_000]))
        connection.send(http1.last_chunk(trailers or []))
        return connection.answer()


def chunked_with_trailers(port: int, body: bytes) -> Answer:
    return chunked(port, body, [("x-checksum", "abc")])


def frames(port: int, body: bytes) -> Answer:
    parts = [body[start : start + 1_000] for start in range(0, len(body), 1_000)]
    with Http2Connection(port) as connection:
        return connection.request("POST", "/raw", (), parts)


def frames_with_trailers(port: int, body: bytes) -> Answer:
    with Http2Connection(port) as connection:
        return connection.request("POST", "/raw", (), [body], [("x-checksum", "abc")])


SENDERS = [with_length, chunked, chunked_with_trailers, frames, frames_with_trailers]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("send", SENDERS, ids=lambda send: send.__name__)
def test_a_body_arrives_byte_for_byte(mode: Envoy, broker: Upstream, send: Send, size: int) -> None:
    body = random.Random(size).randbytes(size)

    assert_accepted(send(mode.port, body))

    [message] = broker.requests
    assert message.body == body
    assert message.header("content-length") == str(size)
    assert not message.trailers


def test_headers_alone_are_an_empty_message(mode: Envoy, broker: Upstream) -> None:
    assert_accepted(http1.request(mode.port, "POST", "/raw"))

    [message] = broker.requests
    assert message.body == b""
    assert message.header("content-length") == "0"


def test_a_length_over_the_limit_is_refused_before_the_body(mode: Envoy, broker: Upstream) -> None:
    with http1.Connection(mode.port) as connection:
        connection.send(http1.head("POST", "/raw", [("content-length", str(LIMIT + 1))]))
        # No byte of the body has been sent.
        answer = connection.answer()

    assert_refused(answer, "payload_too_large", detail=TOO_LARGE)
    assert not broker.requests


def test_chunks_over_the_limit_are_refused_before_their_end(mode: Envoy, broker: Upstream) -> None:
    with http1.Connection(mode.port) as connection:
        connection.send(http1.head("POST", "/raw", [("transfer-encoding", "chunked")]))
        for _ in range(9):
            connection.send(http1.chunk(bytes(30_000)))
        # The last chunk has not been sent.
        answer = connection.answer()

    assert_refused(answer, "payload_too_large", detail=TOO_LARGE)
    assert not broker.requests


def test_a_flood_is_refused(mode: Envoy, broker: Upstream) -> None:
    with http1.Connection(mode.port) as connection:
        connection.send(http1.head("POST", "/raw", [("transfer-encoding", "chunked")]))
        with contextlib.suppress(ConnectionError):
            connection.send(http1.chunk(bytes(8 * LIMIT)))
        with contextlib.suppress(ConnectionError, http1.ConnectionEnded):
            # More at once than Envoy holds: it may answer before the filter has seen the size.
            assert connection.answer().status == 413

    assert_accepted(with_length(mode.port, b"x"))
    assert [message.body for message in broker.requests] == [b"x"]


def test_frames_over_the_limit_are_refused_before_their_end(mode: Envoy, broker: Upstream) -> None:
    with Http2Connection(mode.port) as connection:
        stream = connection.start("POST", "/raw")
        connection.send_data(stream, bytes(LIMIT + 1))
        answer = connection.answer(stream)

        assert_refused(answer, "payload_too_large", detail=TOO_LARGE)
        assert not broker.requests

        # The connection serves on.
        assert_accepted(connection.request("POST", "/raw", (), [b"x"]))


@pytest.mark.parametrize("send", [with_length, chunked, frames], ids=lambda send: send.__name__)
def test_a_body_at_the_limit_is_refused_for_its_properties(
    mode: Envoy, broker: Upstream, send: Send
) -> None:
    # Service Bus counts the properties too, and a message has at least its id.
    answer = send(mode.port, bytes(LIMIT))

    problem = answer.json()
    assert isinstance(problem, dict)
    detail = problem["detail"]
    assert_refused(answer, "payload_too_large", detail=detail)
    words = detail.split()
    assert detail == f"the message has {words[3]} bytes, the limit is {LIMIT}"
    assert LIMIT < int(words[3]) < LIMIT + 200
    assert not broker.requests


def test_the_client_is_told_to_go_on(mode: Envoy, broker: Upstream) -> None:
    with http1.Connection(mode.port) as connection:
        fields = [("content-length", "5"), ("expect", "100-continue")]
        connection.send(http1.head("POST", "/raw", fields))
        assert connection.any_answer().status == 100
        connection.send(b"hello")
        assert_accepted(connection.answer())

    [message] = broker.requests
    assert message.body == b"hello"
    assert message.header("expect") is None


def test_a_client_that_asks_first_is_told_that_its_body_is_too_large(
    mode: Envoy, broker: Upstream
) -> None:
    with http1.Connection(mode.port) as connection:
        fields = [("content-length", str(LIMIT + 1)), ("expect", "100-continue")]
        connection.send(http1.head("POST", "/raw", fields))
        answer = connection.answer()

    assert_refused(answer, "payload_too_large", detail=TOO_LARGE)
    assert not broker.requests


def test_requests_share_a_connection(mode: Envoy, broker: Upstream) -> None:
    with http1.Connection(mode.port) as connection:
        for number in range(5):
            assert_accepted(connection.request("POST", "/raw", body=b"%d" % number))
        # Sent at once, answered in their order.
        piece = http1.head("POST", "/raw", [("content-length", "1"), ("idempotency-key", "%d")])
        connection.send(b"".join(piece % number + b"%d" % number for number in range(5, 8)))
        for number in range(5, 8):
            assert_accepted(connection.answer(), key=str(number))

    assert [message.body for message in broker.requests] == [b"%d" % n for n in range(8)]


def test_streams_share_a_connection(mode: Envoy, broker: Upstream) -> None:
    with Http2Connection(mode.port) as connection:
        keys = [f"key-{number}" for number in range(50)]
        streams = [connection.start("POST", "/raw", [("idempotency-key", key)]) for key in keys]
        for stream, key in zip(streams, keys, strict=True):
            connection.send_data(stream, key.encode(), end=True)
        for stream, key in zip(streams, keys, strict=True):
            assert_accepted(connection.answer(stream), key=key)

    assert sorted(message.body for message in broker.requests) == sorted(
        key.encode() for key in keys
    )


def test_a_body_that_breaks_off_is_not_sent(mode: Envoy, broker: Upstream) -> None:
    with http1.Connection(mode.port) as connection:
        connection.send(http1.head("POST", "/raw", [("content-length", "10")]) + b"half")
        connection.reset()
    with Http2Connection(mode.port) as connection:
        stream = connection.start("POST", "/raw")
        connection.send_data(stream, b"half")
        connection.reset(stream)
        # Answered after the broken request was dealt with.
        assert_accepted(connection.request("POST", "/raw", (), [b"whole"]))

    assert [message.body for message in broker.requests] == [b"whole"]


@pytest.mark.parametrize("send", [with_length, chunked, frames], ids=lambda send: send.__name__)
def test_a_buffer_filter_sets_the_limit_of_a_request(
    launch, module, broker: Upstream, send: Send
) -> None:
    configuration = GatewayConfiguration(module).add_plugin_routes(ROUTES).send_to(broker.port)
    configuration.add_filter(buffer_filter(2 * LIMIT)).merge_plugin({"header_mode": "continue"})
    configuration.listener["per_connection_buffer_limit_bytes"] = 65_536
    http2 = configuration.connection_manager["http2_protocol_options"]
    http2["initial_stream_window_size"] = 65_535
    gateway: Envoy = launch(configuration, concurrency=1)

    body = random.Random(0).randbytes(200_000)
    assert_accepted(send(gateway.port, body))
    assert [message.body for message in broker.requests] == [body]
