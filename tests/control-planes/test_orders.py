"""Orders through the shipped resources, as their control planes read them."""

from __future__ import annotations

from clients import http1
from clients.http2 import Http2Connection
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from proxy import Proxy

BODY = b'{"item":1}'
TENANT = ("x-tenant-id", "tenant-1")


def assert_one_order(emulator: Emulator, body: str) -> None:
    """One message is in the queue, with what its route names and nothing else."""
    message = emulator.message("orders")
    assert message["body"] == body
    assert message["broker_properties"]["Label"] == "order"
    assert message["broker_properties"]["TimeToLive"] == 3600
    # A header that Envoy adds would be one of the properties.
    assert message["properties"] == {"source": "web", "priority": 5, "x-tenant-id": "tenant-1"}
    assert not emulator.refused()
    assert {each["tls_server_name"] for each in emulator.requests()} == {
        "contoso.servicebus.windows.net"
    }


def test_an_order_becomes_a_message(gateway: Proxy, emulator: Emulator) -> None:
    assert_accepted(http1.request(gateway.port, "POST", "/orders", [TENANT], BODY))
    assert_one_order(emulator, BODY.decode())


def test_a_chunked_body_with_trailers(gateway: Proxy, emulator: Emulator) -> None:
    with http1.Connection(gateway.port) as connection:
        connection.send(http1.head("POST", "/orders", [("transfer-encoding", "chunked"), TENANT]))
        connection.send(http1.chunk(BODY[:3]))
        connection.send(http1.chunk(BODY[3:]) + http1.last_chunk([("x-sum", "1")]))
        assert_accepted(connection.answer())
    assert_one_order(emulator, BODY.decode())


def test_http2_with_trailers(gateway: Proxy, emulator: Emulator) -> None:
    with Http2Connection(gateway.port) as connection:
        answer = connection.request(
            "POST", "/orders", [TENANT], [BODY[:3], BODY[3:]], [("x-sum", "1")]
        )
    assert_accepted(answer)
    assert_one_order(emulator, BODY.decode())


def test_an_empty_body(gateway: Proxy, emulator: Emulator) -> None:
    assert_accepted(http1.request(gateway.port, "POST", "/orders", [TENANT], b""))
    assert_one_order(emulator, "")


def test_the_largest_body(gateway: Proxy, emulator: Emulator) -> None:
    body = b"x" * (255 * 1024)
    assert_accepted(http1.request(gateway.port, "POST", "/orders", [TENANT], body))
    assert_one_order(emulator, body.decode())


def test_a_body_that_is_too_large(gateway: Proxy, emulator: Emulator) -> None:
    body = b"x" * (300 * 1024)
    answer = http1.request(gateway.port, "POST", "/orders", [TENANT], body)
    assert_refused(answer, "payload_too_large", detail=answer.json()["detail"])
    assert not emulator.requests()


def test_another_path_is_the_gateways_own(gateway: Proxy, emulator: Emulator) -> None:
    answer = http1.request(gateway.port, "POST", "/other", [TENANT], BODY)
    assert answer.status == 404
    assert answer.header("x-tracking-id") is None
    assert not emulator.requests()
