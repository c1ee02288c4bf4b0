"""Who may send orders, from where, and how many: Envoy's own filters before ours."""

from __future__ import annotations

import time
import uuid

import pytest

from clients import http1
from clients.answer import Answer
from clients.customer import ORDER, Customer
from clients.tokens import Issuer, unsigned
from processes.envoy import Envoy
from processes.orders import OrderParts

ORIGIN = "https://app.example.com"


def broken(token: str) -> str:
    """The token with other claims under the old signature."""
    head, _, signature = token.split(".")
    claims = Issuer().token("admin").split(".")[1]
    return f"{head}.{claims}.{signature}"


def assert_stopped(answer: Answer, status: int, parts: OrderParts, key: str) -> None:
    """Envoy answered by itself, and the filter never saw the request."""
    assert answer.status == status, answer
    assert answer.header("x-tracking-id") is None
    assert key not in parts.emulator.stored("orders").messages


@pytest.mark.parametrize(
    "token",
    [
        lambda issuer: "no-token",
        lambda issuer: issuer.token("alice", iss="https://login.example.com/tenant/v2.0"),
        lambda issuer: issuer.token("alice", exp=int(time.time()) - 3600),
        lambda issuer: issuer.token("alice", exp=None),
        lambda issuer: issuer.token("alice", nbf=int(time.time()) + 3600),
        lambda issuer: unsigned(issuer.token("alice")),
        lambda issuer: broken(issuer.token("alice")),
        lambda issuer: Issuer().token("alice"),
    ],
    ids=["malformed", "issuer", "expired", "endless", "early", "unsigned", "broken", "stranger"],
)
def test_a_token_that_is_not_good_lets_nobody_in(
    order_gateway: Envoy, parts: OrderParts, token
) -> None:
    key = f"key-{uuid.uuid4()}"
    customer = Customer(order_gateway.port, token(parts.issuer))
    assert_stopped(customer.submit(key=key), 401, parts, key)
    assert customer.status("1").status == 401


def test_without_a_token_nobody_is_let_in(order_gateway: Envoy, parts: OrderParts) -> None:
    key = f"key-{uuid.uuid4()}"
    # A token in the query would stand in logs, and is not taken.
    token = parts.issuer.token("alice")
    for target in ("/orders", f"/orders?access_token={token}"):
        answer = http1.request(
            order_gateway.port, "POST", target, [("idempotency-key", key)], b"{}"
        )
        assert_stopped(answer, 401, parts, key)
    for target in ("/", "/orders/1/status", "/ORDERS"):
        assert http1.request(order_gateway.port, "GET", target).status == 401


def test_a_token_for_another_api_is_forbidden(order_gateway: Envoy, parts: OrderParts) -> None:
    key = f"key-{uuid.uuid4()}"
    customer = Customer(order_gateway.port, parts.issuer.token("alice", aud="api://another"))
    assert_stopped(customer.submit(key=key), 403, parts, key)


def test_a_token_for_several_apis_is_good(order_gateway: Envoy, parts: OrderParts) -> None:
    token = parts.issuer.token(f"user-{uuid.uuid4()}", aud=["api://another", "api://my-api"])
    assert Customer(order_gateway.port, token).submit().status == 202


def test_a_token_without_a_user_sends_nothing(order_gateway: Envoy, parts: OrderParts) -> None:
    answer = Customer(order_gateway.port, parts.issuer.token(None)).submit()
    assert answer.status == 400
    assert answer.json()["detail"] == "payload.metadata.user is missing from the request"


def test_after_a_hundred_orders_at_once_a_user_has_to_wait(
    customer: Customer, order_gateway: Envoy, parts: OrderParts
) -> None:
    # Without items, so that the worker has no hundred orders to work on.
    answers = [customer.submit({"orderId": ORDER["orderId"]}) for _ in range(100)]
    assert [answer.status for answer in answers] == [400] * 100
    assert answers[0].header("x-ratelimit-limit") == "100"
    assert answers[0].header("x-ratelimit-remaining") == "99"

    # The bucket has begun to fill again: one request each 0.6 seconds.
    keys = (f"key-{uuid.uuid4()}" for _ in range(100))
    sent = ((key, customer.submit(key=key)) for key in keys)
    key, refused = next((key, answer) for key, answer in sent if answer.status != 202)

    assert_stopped(refused, 429, parts, key)
    assert refused.header("retry-after") == "1"
    assert refused.header("x-ratelimit-remaining") == "0"
    # Statuses are counted apart, and so is everybody else.
    assert customer.status("nobody-knows-it").status == 404
    other = Customer(order_gateway.port, parts.issuer.token(f"user-{uuid.uuid4()}"))
    assert other.submit().status == 202


def preflight(port: int, target: str, origin: str, method: str) -> Answer:
    fields = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", "authorization,content-type,idempotency-key"),
    ]
    return http1.request(port, "OPTIONS", target, fields)


@pytest.mark.parametrize(("target", "method"), [("/orders", "POST"), ("/orders/1/status", "GET")])
def test_a_browser_may_ask_before_it_sends(order_gateway: Envoy, target: str, method: str) -> None:
    answer = preflight(order_gateway.port, target, ORIGIN, method)

    assert answer.status == 200
    assert answer.header("access-control-allow-origin") == ORIGIN
    assert answer.header("access-control-allow-methods") == "GET, POST"
    allowed = answer.header("access-control-allow-headers")
    assert allowed == "authorization, content-type, idempotency-key"
    assert answer.header("access-control-max-age") == "600"
    assert answer.header("access-control-allow-credentials") is None


def test_a_page_of_another_origin_is_not_allowed(customer: Customer, order_gateway: Envoy) -> None:
    origin = "https://evil.example.com"
    answer = preflight(order_gateway.port, "/orders", origin, "POST")
    assert answer.status == 401
    assert answer.header("access-control-allow-origin") is None

    answer = customer.submit(headers=(("origin", origin),))
    assert answer.header("access-control-allow-origin") is None


def test_a_page_may_read_the_answer(customer: Customer, order_gateway: Envoy) -> None:
    answer = customer.submit(headers=(("origin", ORIGIN),))
    refused = http1.request(order_gateway.port, "POST", "/orders", [("origin", ORIGIN)], b"{}")

    assert (answer.status, refused.status) == (202, 401)
    for each in (answer, refused):
        assert each.header("access-control-allow-origin") == ORIGIN
        exposed = each.header("access-control-expose-headers")
        assert exposed == "location, retry-after, x-tracking-id"


def test_the_shipped_keys_let_nobody_in(launch, module, parts: OrderParts) -> None:
    configuration = parts.configuration(module)
    configuration.tokens["local_jwks"] = {"filename": "envoy/orders-jwks.json"}
    customer = Customer(launch(configuration).port, parts.issuer.token("alice"))
    assert customer.submit().status == 401
