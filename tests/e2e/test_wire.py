"""What reaches Service Bus over the wire: these headers, and no others."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from urllib.parse import unquote

import pytest

from clients import http1
from clients.http2 import Http2Connection
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted, assert_refused
from processes.envoy import Envoy
from servers.upstream import Upstream

NAMESPACE = "sbemulatorns.servicebus.windows.net"

# What clients and proxies send; none of it may become part of a message.
NOISE = [
    ("user-agent", "test/1.0"),
    ("accept", "*/*"),
    ("accept-encoding", "gzip"),
    ("cookie", "session=secret"),
    ("authorization", "Bearer secret"),
    ("brokerproperties", '{"MessageId":"theirs"}'),
    ("x-request-id", "theirs"),
    ("x-forwarded-for", "10.0.0.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "theirs.example"),
    ("forwarded", "for=10.0.0.1"),
    ("via", "1.1 theirs"),
    ("x-envoy-internal", "true"),
    ("x-envoy-expected-rq-timeout-ms", "1"),
    ("x-envoy-retry-on", "5xx"),
    ("x-envoy-max-retries", "3"),
    ("x-ms-retrypolicy", "theirs"),
    ("priority", "u=1"),
    ("b3", "0"),
]


def names(broker: Upstream) -> list[str]:
    """The names of all headers of the only message, sorted."""
    [message] = broker.requests
    return sorted(name for name, _ in message.headers)


def test_a_raw_message_has_these_headers_alone(broker_gateway: Envoy, broker: Upstream) -> None:
    fields: list[http1.Header] = [
        *NOISE,
        ("x-raw", b"\xff\xfe"),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("content-type", "text/plain; charset=utf-8"),
        ("idempotency-key", "k-1"),
    ]

    assert_accepted(http1.request(broker_gateway.port, "POST", "/raw?a=b", fields, b"x"), key="k-1")

    [message] = broker.requests
    assert (message.method, message.target) == ("POST", "/raw/messages")
    assert names(broker) == [
        "authorization",
        "brokerproperties",
        "content-length",
        "content-type",
        "host",
    ]
    assert message.header("host") == NAMESPACE
    assert message.header("content-type") == "text/plain; charset=utf-8"
    assert message.header("brokerproperties") == '{"MessageId":"k-1"}'


def test_a_message_without_content_type_has_none(broker_gateway: Envoy, broker: Upstream) -> None:
    assert_accepted(http1.request(broker_gateway.port, "POST", "/raw", body=b"x"))

    assert names(broker) == ["authorization", "brokerproperties", "content-length", "host"]


def test_an_http2_request_leaves_nothing_of_its_own(
    broker_gateway: Envoy, broker: Upstream
) -> None:
    with Http2Connection(broker_gateway.port) as connection:
        assert_accepted(connection.request("POST", "/raw", NOISE, [b"x"], [("x-end", "1")]))

    assert names(broker) == ["authorization", "brokerproperties", "content-length", "host"]


def test_properties_are_typed_headers(broker_gateway: Envoy, broker: Upstream) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    fields = [
        *NOISE,
        ("x-tenant-id", "acme"),
        ("x-region", "eu"),
        ("x-region", "us"),
        ("traceparent", trace),
        ("tracestate", "vendor=1"),
    ]

    answer = http1.request(broker_gateway.port, "POST", "/typed", fields, b"{}")

    key = assert_accepted(answer)
    [message] = broker.requests
    broker_properties = message.header("brokerproperties") or ""
    assert broker_properties.isascii()
    assert json.loads(broker_properties) == {
        "MessageId": key,
        "CorrelationId": "correlation-1",
        "Label": 'a "label" é',
        "PartitionKey": "session-1",
        "ReplyTo": "answers",
        "ReplyToSessionId": "answer-session",
        "SessionId": "session-1",
        "TimeToLive": 90,
        "To": "somewhere",
    }
    own = dict(message.headers)
    for name in ("authorization", "brokerproperties", "content-length", "host"):
        del own[name]
    assert own == {
        "content-type": "application/vnd.example+json",
        "text": '"plain"',
        "quoted": '"say \\"hi\\""',
        "digits": '"12345"',
        "truth": '"true"',
        "whole": "42",
        "negative": "-7",
        "fraction": "2.5",
        "yes": "true",
        "no": "false",
        "x-tenant-id": '"acme"',
        "x-region": '"eu,us"',
        "traceparent": f'"{trace}"',
        "diagnostic-id": f'"{trace}"',
        "tracestate": '"vendor=1"',
    }


def test_what_headers_cannot_hold_goes_as_a_batch_of_one(
    broker_gateway: Envoy, broker: Upstream
) -> None:
    fields = [*NOISE, ("x-tenant-id", "acme"), ("content-type", "text/plain")]

    answer = http1.request(broker_gateway.port, "POST", "/exact", fields, "Grüße".encode())

    key = assert_accepted(answer)
    [message] = broker.requests
    assert names(broker) == ["authorization", "content-length", "content-type", "host"]
    assert message.header("content-type") == "application/vnd.microsoft.servicebus.json"
    assert json.loads(message.body) == [
        {
            "Body": "Grüße",
            "BrokerProperties": {
                "MessageId": key,
                "CorrelationId": "correlation-1",
                "Label": 'a "label" é',
                "PartitionKey": "session-1",
                "ReplyTo": "answers",
                "ReplyToSessionId": "answer-session",
                "SessionId": "session-1",
                "TimeToLiveTimeSpan": "0.00:01:30",
                "To": "somewhere",
                "ContentType": "text/plain",
            },
            "UserProperties": {
                "Priority": "high",
                "cloudEvents:id": "A-1",
                "stadt": "Zürich",
                "count": 3,
                "x-tenant-id": "acme",
            },
        }
    ]


def test_a_body_that_is_no_text_cannot_go_as_a_batch(
    broker_gateway: Envoy, broker: Upstream
) -> None:
    answer = http1.request(broker_gateway.port, "POST", "/exact", body=b"\xff\x00")

    detail = (
        'property "Priority" can be sent in the body of a batch only, which needs a body in UTF-8'
    )
    assert_refused(answer, "invalid_message", detail=detail)
    assert not broker.requests


def test_a_forwarded_header_that_is_no_text_is_refused(
    broker_gateway: Envoy, broker: Upstream
) -> None:
    answer = http1.request(broker_gateway.port, "POST", "/typed", [("x-tenant-id", b"\xff")], b"x")

    assert_refused(answer, "invalid_message", detail='property "x-tenant-id" is not UTF-8')
    assert not broker.requests


def test_a_forwarded_header_that_is_not_ascii_goes_as_a_batch(
    broker_gateway: Envoy, broker: Upstream
) -> None:
    fields = [("x-tenant-id", "Käufer".encode())]

    assert_accepted(http1.request(broker_gateway.port, "POST", "/typed", fields, b"x"))

    [message] = broker.requests
    [element] = json.loads(message.body)
    assert element["UserProperties"]["x-tenant-id"] == "Käufer"


@pytest.mark.parametrize(
    "value",
    [
        "application/vnd.microsoft.servicebus.json",
        "Application/Vnd.Microsoft.ServiceBus.JSON; charset=utf-8",
    ],
)
def test_a_client_cannot_send_a_batch(broker_gateway: Envoy, broker: Upstream, value: str) -> None:
    body = b'[{"Body":"smuggled"},{"Body":"in"}]'

    answer = http1.request(broker_gateway.port, "POST", "/raw", [("content-type", value)], body)

    detail = "the content type application/vnd.microsoft.servicebus.json is not accepted"
    assert_refused(answer, "invalid_message", detail=detail)
    assert not broker.requests


def test_the_token_is_signed_for_the_entity(broker_gateway: Envoy, broker: Upstream) -> None:
    before = int(time.time())
    # One connection, so one worker: each caches tokens of its own.
    with http1.Connection(broker_gateway.port) as connection:
        for _ in range(2):
            assert_accepted(connection.request("POST", "/raw", body=b"x"))

    token = broker.requests[-1].header("authorization") or ""
    found = re.fullmatch(
        r"SharedAccessSignature sr=([^&]+)&sig=([^&]+)&se=(\d+)&skn=RootManageSharedAccessKey",
        token,
    )
    assert found, token
    resource, signature, expiry = found.groups()
    assert unquote(resource) == f"https://{NAMESPACE}/raw"
    text = f"{resource}\n{expiry}".encode()
    expected = hmac.digest(b"SAS_KEY_VALUE", text, hashlib.sha256)
    assert base64.b64decode(unquote(signature)) == expected
    # Made once for both, and good for an hour at most.
    assert broker.requests[0].header("authorization") == token
    assert before < int(expiry) <= int(time.time()) + 3600


def test_the_proxy_in_front_may_sign(launch, module, broker: Upstream) -> None:
    change = {"credentials": {"connection_string": None, "upstream": {}}}
    gateway = launch(GatewayConfiguration(module).merge_plugin(change).send_to(broker.port))

    assert_accepted(http1.request(gateway.port, "POST", "/events/1", body=b"x"))

    assert names(broker) == ["brokerproperties", "content-length", "host"]
