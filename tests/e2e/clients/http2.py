"""HTTP/2 with prior knowledge."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from clients.answer import Answer
from clients.http1 import TIMEOUT_SECONDS, ConnectionEnded

Fields = Iterable[tuple[str, str]]


class StreamWasReset(Exception):
    """The server reset the stream."""


@dataclass
class _Stream:
    answer: Answer | None = None
    informational: list[int] = field(default_factory=list)
    ended: bool = False
    reset: int | None = None


class Http2Connection:
    """One connection to `port` on the loopback interface, with any number of streams."""

    def __init__(self, port: int, *, authority: str = "gateway.example"):
        self._authority = authority
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # What tests send may break rules that h2 would otherwise keep for them.
        self._h2 = H2Connection(
            H2Configuration(
                client_side=True,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self._streams: dict[int, _Stream] = {}
        self._h2.initiate_connection()
        self._flush()

    def __enter__(self) -> Http2Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def request(
        self,
        method: str,
        path: str,
        headers: Fields = (),
        body: Iterable[bytes] = (),
        trailers: Fields = (),
    ) -> Answer:
        """Sends a request with each part of the body in frames of its own; reads the answer."""
        parts = list(body)
        fields = list(trailers)
        stream = self.start(method, path, headers, end=not parts and not fields)
        for position, part in enumerate(parts, 1):
            self.send_data(stream, part, end=position == len(parts) and not fields)
        if fields:
            self.send_trailers(stream, fields)
        return self.answer(stream)

    def start(self, method: str, path: str, headers: Fields = (), *, end: bool = False) -> int:
        """Sends the headers alone and returns the stream. Pseudo-headers among them come first."""
        stream = self._h2.get_next_available_stream_id()
        self._streams[stream] = _Stream()
        pseudo = [
            (":method", method),
            (":scheme", "http"),
            (":authority", self._authority),
            (":path", path),
        ]
        fields = sorted([*pseudo, *headers], key=lambda field: not field[0].startswith(":"))
        self._h2.send_headers(stream, fields, end_stream=end)
        self._flush()
        return stream

    def send_data(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Sends data as far as the windows let it; stops if the server has answered already."""
        rest = memoryview(data)
        while rest and not self._is_over(stream):
            size = min(self._h2.local_flow_control_window(stream), len(rest))
            size = min(size, self._h2.max_outbound_frame_size)
            if size:
                self._h2.send_data(stream, bytes(rest[:size]))
                self._flush()
                rest = rest[size:]
            else:
                self._pump()
        if end and not self._is_over(stream):
            self._h2.send_data(stream, b"", end_stream=True)
            self._flush()

    def send_trailers(self, stream: int, trailers: Fields) -> None:
        """Ends the request with trailers."""
        if not self._is_over(stream):
            self._h2.send_headers(stream, list(trailers), end_stream=True)
            self._flush()

    def reset(self, stream: int) -> None:
        """Takes the request back, as a client does that no longer waits."""
        self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        self._flush()

    def answer(self, stream: int) -> Answer:
        """Reads until the stream's answer is complete."""
        state = self._streams[stream]
        while not state.ended:
            # Reset with NO_ERROR only says that the rest of the request is not wanted.
            if state.reset not in (None, ErrorCodes.NO_ERROR):
                raise StreamWasReset(f"stream {stream}: error {state.reset}")
            self._pump()
        assert state.answer is not None
        return state.answer

    def informational(self, stream: int) -> list[int]:
        """The 1xx statuses that the stream has brought so far."""
        while not (self._streams[stream].informational or self._is_over(stream)):
            self._pump()
        return self._streams[stream].informational

    def _is_over(self, stream: int) -> bool:
        state = self._streams[stream]
        return state.ended or state.reset is not None

    def _pump(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionEnded("HTTP/2 connection closed")
        for event in self._h2.receive_data(data):
            self._take(event)
        self._flush()

    def _take(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            raise ConnectionEnded(f"GOAWAY with error {event.error_code}")
        state = self._streams.get(getattr(event, "stream_id", 0))
        if state is None:
            return
        if isinstance(event, InformationalResponseReceived):
            state.informational.append(int(dict(_text(event.headers))[":status"]))
        elif isinstance(event, ResponseReceived):
            fields = _text(event.headers)
            plain = [(name, value) for name, value in fields if not name.startswith(":")]
            state.answer = Answer(int(dict(fields)[":status"]), plain)
        elif isinstance(event, DataReceived):
            assert state.answer is not None
            state.answer.body += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, TrailersReceived):
            assert state.answer is not None
            state.answer.trailers = _text(event.headers)
        elif isinstance(event, StreamEnded):
            state.ended = True
        elif isinstance(event, StreamReset):
            state.reset = event.error_code

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())


def _text(fields: Iterable[tuple[bytes | str, bytes | str]]) -> list[tuple[str, str]]:
    return [(_decoded(name), _decoded(value)) for name, value in fields]


def _decoded(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
