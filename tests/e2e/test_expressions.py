"""Expressions in real Envoy: what they read, what they make, where they send."""

from __future__ import annotations

import json

from clients import http1
from configuration.gateway import GatewayConfiguration, upstream_cluster
from conftest import Launch
from contract import assert_refused
from processes.emulator import Emulator
from servers.echo import Echo
from servers.upstream import Upstream, answers

ROUTE = {
    "name": "computed",
    "match": {"methods": ["POST"], "path_template": "/shops/{shop}/orders"},
    "send": {
        "queue": "${'x-kind' in request.headers ? request.headers['x-kind'] : 'raw'}",
        "allowed": ["raw", "typed"],
        "content_type": "application/json",
        "payload": {
            "id": "${tracking_id}",
            "shop": "${path.shop}",
            "order": "${request.json.order}",
            "total": "${request.json.total}",
            "page": "${request.query.page}",
            "from": "${source.address}",
            "note": "of ${request.method} ${request.url_path} at ${request.host}",
        },
        "broker_properties": {
            "SessionId": "${request.json.customer}",
            "Label": "${has(request.json.vip) ? 'vip' : 'usual'}",
            "TimeToLive": "${request.json.seconds}",
        },
        "properties": {
            "lines": "${size(request.json.order.lines)}",
            "large": "${request.json.total > 100.0}",
            "agent": "${request.headers['user-agent']}",
            "absent": "${request.headers['x-absent']}",
        },
    },
    "reply": {
        "headers": {"location": "/shops/${path.shop}/orders/${tracking_id}"},
        "body": {"status": "processing", "lines": "${size(request.json.order.lines)}"},
        "failures": {
            "throttled": {"status": 429, "headers": {"retry-after": "7"}},
            "invalid_message": {"status": 422, "body": {"sorry": "${request.path}"}},
        },
    },
}
ORDER = (
    '{"order": {"lines": [{"sku": "a\\"b", "n": 12345678901234567890}]}, "total": 120.10,'
    ' "customer": "c-1", "seconds": 60}'
)


def launch_with(launch: Launch, configuration: GatewayConfiguration, *routes: dict):
    return launch(configuration.add_plugin_routes(list(routes)))


def test_a_message_is_made_from_the_request(configure, launch: Launch, emulator: Emulator) -> None:
    gateway = launch_with(launch, configure(), ROUTE)
    fields = [("idempotency-key", "k-1"), ("user-agent", 'say "hi"'), ("x-kind", "typed")]

    answer = http1.request(
        gateway.port, "POST", "/shops/a%20b/orders?page=x%26y", fields, ORDER.encode()
    )

    assert answer.status == 202
    assert answer.json() == {"status": "processing", "lines": 1}
    assert answer.header("location") == "/shops/a%20b/orders/k-1"
    message = emulator.message("typed")
    body = json.loads(message["body"])
    assert body.pop("from").startswith("127.0.0.1:")
    assert body.pop("note").startswith("of POST /shops/a%20b/orders at ")
    assert body == {
        "id": "k-1",
        "shop": "a b",
        "order": {"lines": [{"sku": 'a"b', "n": 12345678901234567890}]},
        "total": 120.1,
        "page": "x&y",
    }
    # Digit by digit, not as a double would have it.
    assert '"total":120.10,' in message["body"]
    broker = message["broker_properties"]
    assert (broker["SessionId"], broker["Label"], broker["TimeToLive"]) == ("c-1", "usual", 60)
    assert message["properties"] == {"lines": 1, "large": True, "agent": 'say "hi"'}


def test_what_is_missing_is_named_and_answers_can_be_changed(
    configure, launch: Launch, emulator: Emulator
) -> None:
    gateway = launch_with(launch, configure(), ROUTE)

    missing = http1.request(gateway.port, "POST", "/shops/1/orders?page=1", body=b'{"total": 1}')
    assert missing.status == 422
    assert missing.json() == {"sorry": "/shops/1/orders?page=1"}
    assert missing.header("content-type") == "application/json"

    emulator.arm({"status": 503}, entity="raw")
    busy = http1.request(gateway.port, "POST", "/shops/1/orders?page=1", body=ORDER.encode())
    assert (busy.status, busy.header("retry-after")) == (429, "7")
    assert busy.json()["reason"] == "throttled"
    assert emulator.messages("raw") == []


def test_a_400_names_the_place(configure, launch: Launch, emulator: Emulator) -> None:
    route = {
        "name": "strict",
        "match": {"path": "/strict"},
        "send": {"queue": "raw", "payload": {"a": ["${request.json.b.c}"]}},
    }
    gateway = launch_with(launch, configure(), route)

    for body, detail in [
        (b'{"b": {}}', "payload.a[0] is missing from the request"),
        (b"not json", "payload.a[0] needs a body in JSON, each key once in its object"),
        (b"", "payload.a[0] needs a body in JSON, each key once in its object"),
    ]:
        answer = http1.request(gateway.port, "POST", "/strict", body=body)
        assert_refused(answer, "invalid_message", detail=detail)
    assert emulator.messages("raw") == []


def test_a_lookup_is_answered_by_its_route(configure, launch: Launch) -> None:
    route = {
        "name": "status",
        "match": {"methods": ["GET"], "path_template": "/orders/{id}/status"},
        "lookup": {
            "cluster": "store",
            "authority": "store",
            "path": "/order:status:${path.id}",
            "timeout": "1s",
        },
        "reply": {
            "headers": {"x-target": "${lookup.json.target}"},
            "body": {"method": "${lookup.json.method}", "none": "${lookup.json.none}"},
        },
    }
    with Echo() as store:
        configuration = configure().add_plugin_routes([route])
        configuration.clusters.append(upstream_cluster("store", store.port))
        gateway = launch(configuration)

        found = http1.request(gateway.port, "GET", "/orders/a%253F..%3Fb/status")
        assert (found.status, found.json()) == (200, {"method": "GET"})
        # What the client put into the path stays in its segment.
        assert found.header("x-target") == "/order:status:a%253F..%3Fb"
    gone = http1.request(gateway.port, "GET", "/orders/1/status")
    assert_refused(gone, "lookup_unavailable")


def test_a_store_that_misbehaves_is_told_from_one_that_knows_nothing(
    configure, launch: Launch
) -> None:
    route = {
        "name": "status",
        "match": {"path": "/status"},
        "lookup": {"cluster": "store", "authority": "store", "path": "/x", "timeout": "1s"},
    }
    with Upstream(answers("404 Not Found")) as store:
        configuration = configure().add_plugin_routes([route])
        configuration.clusters.append(upstream_cluster("store", store.port))
        gateway = launch(configuration)

        assert_refused(http1.request(gateway.port, "GET", "/status"), "not_found")
        for status in ("500 Oops", "201 Created", "204 No Content", "301 Moved"):
            store.script = answers(status)
            assert_refused(http1.request(gateway.port, "GET", "/status"), "lookup_unavailable")
        store.script = answers("200 OK", body=b"<html>")
        assert_refused(http1.request(gateway.port, "GET", "/status"), "lookup_unavailable")


def test_two_namespaces_in_one_plugin(configure, launch: Launch, emulator: Emulator) -> None:
    route = {
        "name": "fabrikam",
        "match": {"path": "/fabrikam"},
        "send": {"queue": "raw"},
        "namespace": "fabrikam.servicebus.windows.net",
        "cluster": "fabrikam",
        "credentials": {"sas": {"key_name": "other", "key": {"inline": "b3RoZXI="}}},
    }
    with Upstream(answers("201 Created")) as fabrikam:
        configuration = configure().add_plugin_routes([route])
        configuration.clusters.append(upstream_cluster("fabrikam", fabrikam.port))
        gateway = launch(configuration)

        assert http1.request(gateway.port, "POST", "/fabrikam", body=b"f").status == 202
        assert http1.request(gateway.port, "POST", "/raw", body=b"c").status == 202
        (sent,) = fabrikam.requests
        fields = dict(sent.headers)
        assert fields["host"] == "fabrikam.servicebus.windows.net"
        assert "sr=https%3A%2F%2Ffabrikam.servicebus.windows.net%2Fraw&" in fields["authorization"]
        assert fields["authorization"].endswith("&skn=other")
    assert emulator.message("raw")["body"] == "c"
