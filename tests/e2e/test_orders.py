"""The order scenario: gateway, queue, worker and status store, all of them real programs."""

from __future__ import annotations

import json
import re
import uuid

import pytest

from clients.customer import ORDER, Customer
from contract import UUID, assert_refused, tracking_id
from processes.envoy import Envoy
from processes.orders import OrderParts
from servers.upstream import Upstream, answers

WEEK_SECONDS = 7 * 24 * 3600
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def accepted(answer) -> str:
    """Checks the scenario's answer to an order, every member and header; returns the id."""
    assert answer.status == 202, answer
    identifier = tracking_id(answer)
    url = f"/orders/{identifier}/status"
    assert answer.header("location") == url
    assert answer.header("retry-after") == "30"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("content-type") == "application/json"
    assert answer.json() == {"status": "processing", "trackingId": identifier, "statusUrl": url}
    return identifier


def test_an_order_is_accepted_worked_on_and_completed(
    customer: Customer, parts: OrderParts
) -> None:
    answer = customer.submit()
    identifier = accepted(answer)
    assert UUID.fullmatch(identifier)

    processing, completed = customer.follow(answer.header("location"), "completed")

    assert TIME.fullmatch(processing.pop("updatedAt"))
    assert processing == {"trackingId": identifier, "status": "processing", "progress": 0}
    assert TIME.fullmatch(completed["completedAt"])
    assert completed == {
        "trackingId": identifier,
        "status": "completed",
        "progress": 100,
        "result": {"orderId": "4711", "items": 1},
        "updatedAt": completed["completedAt"],
        "completedAt": completed["completedAt"],
    }
    told = customer.status(identifier)
    assert told.header("content-type") == "application/json"
    assert told.header("cache-control") == "no-store"
    left = parts.redis.ask("TTL", f"order:status:{identifier}")
    assert WEEK_SECONDS - 3600 < left <= WEEK_SECONDS


def test_the_message_holds_what_the_order_and_the_token_say(
    launch, module, parts: OrderParts
) -> None:
    # To a queue that nobody receives from, so that the message can be looked at.
    parts.emulator.reset()
    configuration = parts.configuration(module)
    plugin = configuration.plugin
    plugin["routes"][0]["send"]["queue"] = "events"
    configuration.plugin = plugin
    token = parts.issuer.token("alice", name="Alice", scp="orders")
    alice = Customer(launch(configuration).port, token)
    forged = {
        "trackingId": "another",
        "submittedAt": "never",
        "metadata": {"user": "bob"},
        "user": "bob",
    }

    headers = (("x-user", "bob"), ("cookie", "session=1"))
    identifier = accepted(alice.submit(ORDER | forged, headers=headers))

    message = parts.emulator.message("events")
    body = json.loads(message["body"])
    assert TIME.fullmatch(body.pop("submittedAt"))
    assert body == {
        "trackingId": identifier,
        **ORDER,
        "metadata": {"user": "alice", "operation": "submit-order"},
    }
    assert message["content_type"] == "application/json"
    assert message["properties"] == {}
    properties = message["broker_properties"]
    assert (properties["MessageId"], properties["Label"]) == (identifier, "order")
    assert "SessionId" not in properties
    for part in token.split("."):
        assert part not in str(message)


def test_an_order_that_is_sent_again_is_worked_on_once(
    customer: Customer, parts: OrderParts
) -> None:
    key = f"key-{uuid.uuid4()}"
    assert accepted(customer.submit(key=key)) == key
    first = customer.follow(f"/orders/{key}/status", "completed")[-1]
    before = parts.emulator.stored("orders")

    assert accepted(customer.submit(key=key)) == key

    after = parts.emulator.stored("orders")
    assert after.messages[key] == 1
    assert (after.stored, after.duplicates) == (before.stored, before.duplicates + 1)
    assert customer.status(key).json() == first


def test_a_poison_order_fails_and_is_dead_lettered(
    customer: Customer, parts: OrderParts, order_gateway: Envoy
) -> None:
    identifier = accepted(customer.submit(ORDER | {"items": []}))

    def dead() -> list[dict]:
        letters = parts.emulator.messages("orders/$DeadLetterQueue")
        return [each for each in letters if each["broker_properties"]["MessageId"] == identifier]

    [letter] = order_gateway.wait_until(dead, "dead letter")
    assert letter["properties"]["DeadLetterReason"] == "Unreadable"
    assert letter["properties"]["DeadLetterErrorDescription"] == "the order has no items"
    status = customer.status(identifier).json()
    assert TIME.fullmatch(status.pop("updatedAt"))
    assert status == {
        "trackingId": identifier,
        "status": "failed",
        "progress": 0,
        "result": {"error": "the order has no items"},
    }


@pytest.mark.parametrize("missing", ["orderId", "customerId", "items"])
def test_an_order_without_a_member_is_refused_by_its_name(customer: Customer, missing: str) -> None:
    order = {name: value for name, value in ORDER.items() if name != missing}

    answer = customer.submit(order)

    detail = f"payload.{missing} is missing from the request"
    assert_refused(answer, "invalid_message", detail=detail)


def test_no_order_is_accepted_while_service_bus_throttles(
    customer: Customer, parts: OrderParts
) -> None:
    key = f"key-{uuid.uuid4()}"
    parts.emulator.arm({"status": 503}, entity="orders", operation="send")

    assert_refused(customer.submit(key=key), "throttled", key=key, retry_after="2")

    assert key not in parts.emulator.stored("orders").messages
    parts.emulator.disarm()
    accepted(customer.submit(key=key))


def test_an_order_that_nobody_knows_is_not_found(customer: Customer) -> None:
    assert_refused(customer.status("nobody-knows-it"), "not_found")


def test_without_the_status_store_nothing_is_told(
    launch, module, parts: OrderParts, closed_port: int
) -> None:
    gateway = launch(parts.configuration(module).look_up_at(closed_port))
    customer = Customer(gateway.port, parts.issuer.token("alice"))

    assert_refused(customer.status("1"), "lookup_unavailable")


def test_a_status_store_that_fails_tells_nothing(launch, module, parts: OrderParts) -> None:
    with Upstream(answers("503 Service Unavailable", body=b'{"error":"canary"}')) as store:
        gateway = launch(parts.configuration(module).look_up_at(store.port))
        customer = Customer(gateway.port, parts.issuer.token("alice"))

        answer = customer.status("1")

        assert_refused(answer, "lookup_unavailable")
        assert len(store.requests) == 1


def test_an_id_stays_one_segment_of_the_stores_path(launch, module, parts: OrderParts) -> None:
    ids = {
        "1%3Fa=b": "1%3Fa%3Db",
        "1%23a": "1%23a",
        "%2e%2e%3b": "..%3B",
        "a%20b:c": "a%20b%3Ac",
        "1%0d%0aX-Injected:%201": "1%0D%0AX-Injected%3A%201",
        "%25%32%46": "%252F",
        "*;&$": "%2A%3B%26%24",
    }
    with Upstream(answers("404 Not Found")) as store:
        gateway = launch(parts.configuration(module).look_up_at(store.port))
        customer = Customer(gateway.port, parts.issuer.token("alice"))

        for segment in ids:
            assert_refused(customer.status(segment), "not_found")

        asked = [(request.method, request.target) for request in store.requests]
        assert asked == [("GET", f"/order:status:{encoded}") for encoded in ids.values()]
        assert not [request for request in store.requests if request.header("authorization")]


def test_an_id_cannot_climb_out_of_its_path(customer: Customer) -> None:
    assert customer.get("/orders/a%2Fb/status").status == 400
    assert customer.get("/orders/..%5c..%5cb/status").status == 400
    # Read as /status, where there is nothing.
    assert customer.get("/orders/../status").status == 404
    assert customer.get("/orders/%2e%2e/status").status == 404
