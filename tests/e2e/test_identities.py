"""Whose message it is: ids, sessions and values that are not there, or not what they seem."""

from __future__ import annotations

import pytest

from clients import http1
from configuration.gateway import GatewayConfiguration
from conftest import Launch
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy

MISSING = "is missing from the request"
UNDECODABLE = "needs a value that is well percent-encoded UTF-8"
OPTIONAL_SESSION = "${has(request.json.session) ? request.json.session : null}"

ROUTES: list[dict] = [
    {
        "name": "user",
        "match": {"path": "/user"},
        "send": {
            "queue": "load",
            "broker_properties": {"MessageId": "${request.headers['x-user']}/${tracking_id}"},
        },
    },
    *(
        {
            "name": name,
            "match": {"path": f"/{name}"},
            "send": {"queue": "raw", "broker_properties": {name: "${request.json.value}"}},
        }
        for name in ("SessionId", "PartitionKey", "ReplyToSessionId")
    ),
    {
        "name": "optional",
        "match": {"path": "/optional"},
        "send": {"queue": "raw", "broker_properties": {"SessionId": OPTIONAL_SESSION}},
    },
    {
        "name": "values",
        "match": {"path_template": "/values/{value}"},
        "send": {
            "queue": "raw",
            "properties": {
                "capture": "${path.value}",
                "query": "${request.query.q}",
                "header": "${request.headers['x-value']}",
            },
        },
    },
    {
        "name": "json",
        "match": {"path": "/json"},
        "send": {"queue": "raw", "payload": {"o": "${request.json.o}"}},
    },
    {
        "name": "customer",
        "match": {"path": "/customer"},
        "send": {"queue": "raw", "broker_properties": {"Label": "${request.json.customer}"}},
    },
]


@pytest.fixture
def gateway(launch: Launch, configure, emulator: Emulator) -> Envoy:
    """A gateway with the routes above."""
    configuration: GatewayConfiguration = configure()
    return launch(configuration.add_plugin_routes(ROUTES), concurrency=1)


def post(gateway: Envoy, path: str, body: bytes = b"", headers: list[http1.Header] | None = None):
    return http1.request(gateway.port, "POST", path, headers or [], body)


def test_nobody_takes_the_id_of_another(gateway: Envoy, emulator: Emulator) -> None:
    # The queue drops a second message of one id.
    answer = post(gateway, "/user", b"mallory", [("idempotency-key", "alice/order-17")])
    assert_refused(answer, "invalid_message", detail=f"broker_properties.MessageId {MISSING}")

    alice: list[http1.Header] = [("x-user", "alice"), ("idempotency-key", "order-17")]
    assert_accepted(post(gateway, "/user", b"alice", alice), key="order-17")

    message = emulator.message("load")
    assert message["body"] == "alice"
    assert message["broker_properties"]["MessageId"] == "alice/order-17"


@pytest.mark.parametrize("name", ["SessionId", "PartitionKey", "ReplyToSessionId"])
def test_what_orders_a_message_is_there_or_left_out_on_purpose(
    gateway: Envoy, emulator: Emulator, name: str
) -> None:
    for body in (b"{}", b'{"value": ""}'):
        answer = post(gateway, f"/{name}", body)
        assert_refused(answer, "invalid_message", detail=f"broker_properties.{name} {MISSING}")
    assert emulator.messages("raw") == []

    assert_accepted(post(gateway, f"/{name}", b'{"value": "it"}'))
    assert emulator.message("raw")["broker_properties"][name] == "it"


def test_null_leaves_a_session_out(gateway: Envoy, emulator: Emulator) -> None:
    assert_accepted(post(gateway, "/optional", b"{}"))

    assert "SessionId" not in emulator.message("raw")["broker_properties"]


@pytest.mark.parametrize(
    ("place", "path", "value"),
    [
        ("capture", "/values/%ff", "a"),
        ("capture", "/values/100%25%zz", "a"),
        ("query", "/values/a?q=%ff", "a"),
        ("query", "/values/a?q=100%", "a"),
        ("header", "/values/a?q=a", b"\xff"),
    ],
)
def test_a_value_that_cannot_be_decoded_is_refused(
    gateway: Envoy, emulator: Emulator, place: str, path: str, value: str | bytes
) -> None:
    answer = post(gateway, path, b"", [("x-value", value)])

    if answer.header("x-tracking-id") is not None:
        assert_refused(answer, "invalid_message", detail=f"properties.{place} {UNDECODABLE}")
    # Envoy itself refuses some of them.
    assert answer.status == 400
    assert emulator.messages("raw") == []


@pytest.mark.parametrize(
    "value",
    [
        r'{"$serde_json::private::RawValue":"{\"a\":1}"}',
        '{"$serde_json::private::Number":"15"}',
        '[{"a":{"$serde_json::private::Number":1.50,"b":12345678901234567890}}]',
    ],
)
def test_no_key_of_a_body_has_a_meaning(gateway: Envoy, emulator: Emulator, value: str) -> None:
    body = f'{{"o":{value}}}'

    assert_accepted(post(gateway, "/json", body.encode()))

    assert emulator.message("raw")["body"] == body


def test_a_key_that_stands_twice_is_refused(gateway: Envoy, emulator: Emulator) -> None:
    answer = post(gateway, "/json", b'{"o": "seen by a firewall", "o": "another"}')

    detail = "payload.o needs a body in JSON, each key once in its object"
    assert_refused(answer, "invalid_message", detail=detail)
    assert emulator.messages("raw") == []


def test_a_byte_order_mark_is_ignored_and_stays(gateway: Envoy, emulator: Emulator) -> None:
    body = b'\xef\xbb\xbf{"customer": "c-1"}'

    assert_accepted(post(gateway, "/customer", body))

    message = emulator.message("raw")
    assert message["broker_properties"]["Label"] == "c-1"
    assert message["body"].encode() == body
