"""What Service Bus answers decides what the client is told, and nothing but its 201 is a 202."""

from __future__ import annotations

import socket

import pytest

from clients import http1
from contract import assert_accepted, assert_refused
from processes.envoy import Envoy
from servers.incoming import Incoming, Reader
from servers.upstream import Upstream, answers

FULL = (
    "The maximum entity size has been reached or exceeded for Queue: 'ns:queue:raw'. "
    "Size of entity in bytes:1073742096, Max entity size in bytes: 1073741824."
)
LARGE = "The received message (delivery-id:0, size:262350 bytes) exceeds the limit (262144 bytes)."
EXCEEDED = "The size of the message has exceeded the maximum size limit"
SPACED = "The request was terminated. Error code : 50009"
THROTTLED = (
    "The request was terminated because the entity is being throttled. Error code: 50009. "
    "Please wait 2 seconds and try again."
)


def error(status: int, detail: str) -> bytes:
    """An error body as Service Bus writes it."""
    return (
        f"<Error><Code>{status}</Code><Detail>{detail}. TrackingId:1_G2</Detail></Error>".encode()
    )


@pytest.mark.parametrize(
    ("status_line", "detail", "reason"),
    [
        ("400 Bad Request", "The value of the HTTP header is invalid", "message_rejected"),
        ("401 Unauthorized", "40103: Invalid authorization token signature", "broker_unauthorized"),
        ("403 Forbidden", FULL, "quota_exceeded"),
        ("403 Forbidden", LARGE, "payload_too_large"),
        ("403 Forbidden", EXCEEDED, "payload_too_large"),
        ("403 Forbidden", "SubCode=40301. Invalid operation", "broker_forbidden"),
        ("403 Forbidden", "", "broker_forbidden"),
        ("404 Not Found", "40400: Endpoint not found", "entity_not_found"),
        ("408 Request Timeout", "The operation timed out", "outcome_unknown"),
        ("410 Gone", "40101: The queue does not exist", "entity_not_found"),
        ("411 Length Required", "", "message_rejected"),
        ("413 Payload Too Large", "", "payload_too_large"),
        ("429 Too Many Requests", "", "throttled"),
        ("500 Internal Server Error", "Internal error", "broker_error"),
        ("500 Internal Server Error", THROTTLED, "throttled"),
        ("500 Internal Server Error", SPACED, "throttled"),
        ("500 Internal Server Error", "SubCode=50009", "throttled"),
        ("500 Internal Server Error", "The SessionId was not set on a message", "message_rejected"),
        ("502 Bad Gateway", "Bad gateway", "broker_error"),
        ("503 Service Unavailable", "Server busy", "throttled"),
        ("504 Gateway Timeout", "Gateway timeout", "broker_error"),
        # Without Service Bus's mark it is of something in between.
        ("500 Internal Server Error", "", "outcome_unknown"),
        ("502 Bad Gateway", "", "outcome_unknown"),
        ("503 Service Unavailable", "", "outcome_unknown"),
        ("504 Gateway Timeout", "", "outcome_unknown"),
        # Success of some other kind says nothing about the message.
        ("200 OK", "", "broker_error"),
        ("202 Accepted", "", "broker_error"),
        ("204 No Content", "", "broker_error"),
        ("299 Odd", "", "broker_error"),
        ("307 Temporary Redirect", "", "broker_error"),
    ],
)
def test_each_status_has_its_reason(
    broker_gateway: Envoy, broker: Upstream, status_line: str, detail: str, reason: str
) -> None:
    status = int(status_line[:3])
    body = error(status, detail) if detail else b""
    broker.script = answers(status_line, body=body)

    answer = http1.request(broker_gateway.port, "POST", "/raw", body=b"x")

    wait = "2" if detail == THROTTLED else None
    tracking_id = assert_refused(answer, reason, retry_after=wait)
    # Only a refused token is given a second chance: a fresh one.
    assert len(broker.requests) == (2 if status == 401 else 1)
    # What the broker said stays inside.
    assert b"TrackingId:1_G2" not in answer.body
    entry = broker_gateway.access_entry(tracking_id=tracking_id)
    assert entry["details"] == f"service_bus_{reason}"
    assert entry["status"] == answer.status


def test_201_is_accepted(broker_gateway: Envoy, broker: Upstream) -> None:
    broker.script = answers("201 Created", [("transfer-encoding-note", "x")], b"ignored")

    answer = http1.request(broker_gateway.port, "POST", "/raw", body=b"x")

    tracking_id = assert_accepted(answer)
    entry = broker_gateway.access_entry(tracking_id=tracking_id)
    assert entry["details"] == "service_bus_accepted"
    assert entry["status"] == 202


@pytest.mark.parametrize("status_line", ["429 Too Many Requests", "503 Service Unavailable"])
def test_the_brokers_retry_after_is_passed_on(
    broker_gateway: Envoy, broker: Upstream, status_line: str
) -> None:
    status = int(status_line[:3])
    broker.script = answers(status_line, [("Retry-After", "7")], error(status, "Server busy"))

    answer = http1.request(broker_gateway.port, "POST", "/raw", body=b"x")

    assert_refused(answer, "throttled", retry_after="7")


def test_an_answer_without_end_is_unknown_however_it_began(
    broker_gateway: Envoy, broker: Upstream
) -> None:
    def script(connection: socket.socket, request: Incoming, reader: Reader) -> bool:
        reader.body(request)
        connection.sendall(b"HTTP/1.1 201 Created\r\ncontent-length: 10\r\n\r\nhalf")
        return False

    broker.script = script

    answer = http1.request(broker_gateway.port, "POST", "/raw", body=b"x")

    assert_refused(answer, "outcome_unknown")


def test_bytes_that_are_no_http_are_unknown(broker_gateway: Envoy, broker: Upstream) -> None:
    def script(connection: socket.socket, request: Incoming, reader: Reader) -> bool:
        reader.body(request)
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        return False

    broker.script = script

    answer = http1.request(broker_gateway.port, "POST", "/raw", body=b"x")

    assert_refused(answer, "outcome_unknown")
