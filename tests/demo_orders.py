"""Plays the order scenario through: `make demo-orders`.

Envoy with the shipped configuration, the Service Bus emulator, a worker and a real Redis, all on
free ports; a client with a token sends orders, and everything else goes wrong once.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from clients import http1
from clients.answer import Answer
from clients.customer import ORDER, Customer
from narration import Surprise, curl, expect, show, show_answer, tell, title
from processes.envoy import Envoy, version
from processes.orders import OrderParts, order_parts
from processes.program import ROOT

MODULE = Path("wasm32-wasip1/release/envoy_service_bus.wasm")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--envoy", type=Path, required=True, help="the Envoy binary")
    parser.add_argument("--target-dir", default="target", help="where cargo has put what it built")
    options = parser.parse_args()
    target = ROOT / options.target_dir

    def story() -> None:
        with (
            tempfile.TemporaryDirectory(prefix="envoy-service-bus-") as name,
            order_parts(target, Path(name), work_seconds=2) as parts,
        ):
            configuration = parts.configuration(target / MODULE)
            gateway = Envoy(options.envoy, configuration, Path(name))
            try:
                where = f"http://127.0.0.1:{gateway.port}"
                print(f"Envoy {version(options.envoy)}, envoy/orders.yaml    {where}")
                print(f"Service Bus emulator            {parts.emulator.url}")
                print(f"Worker, telling statuses        http://127.0.0.1:{parts.worker.port}")
                print(f"Redis                           {parts.redis.url}")
                Demo(parts, gateway).run()
            finally:
                gateway.stop()

    return tell(story)


@dataclass(frozen=True)
class Demo:
    """The story, told to its end."""

    parts: OrderParts
    gateway: Envoy

    def run(self) -> None:
        self.tokens()
        tracking_id = self.order()
        self.again(tracking_id)
        self.poison()
        self.too_many()
        self.outages()
        print("\nThat was the demo. envoy/orders.yaml says what to change for Azure.")

    def tokens(self) -> None:
        title("1. Without a token Envoy's jwt_authn answers; the filter never sees the request.")
        print(f"  $ {self.command([], ORDER)}")
        answer = http1.request(self.gateway.port, "POST", "/orders", [], json.dumps(ORDER).encode())
        show_answer(answer)
        expect(answer, 401)

        title("2. Nor does it with a token that was made for another API.")
        other = self.parts.issuer.token("alice", aud="api://another")
        expect(self.submit("alice, for another API", other), 403)

    def order(self) -> str:
        title("3. Alice posts an order. Envoy answers 202 once Service Bus has stored it.")
        answer = self.submit("alice", self.parts.issuer.token("alice"), key="order-4711")
        expect(answer, 202)

        location = answer.header("location")
        title(f"4. She asks at {location} how far it is; the worker takes two seconds.")
        for status in self.alice.follow(location, "completed"):
            print(f"  {json.dumps(status)}")
        left = self.parts.redis.ask("TTL", "order:status:order-4711")
        print()
        show("in Redis", f"order:status:order-4711, for {int(left) / 86400:.1f} days")
        return answer.json()["trackingId"]

    def again(self, tracking_id: str) -> None:
        title("5. She is not sure and posts it again with the same Idempotency-Key.")
        expect(self.submit("alice", self.alice.token, key=tracking_id), 202)
        stored = self.parts.emulator.stored("orders")
        print()
        show("stored", stored.stored)
        show("dropped as duplicate", stored.duplicates)
        show("worked on", self.parts.redis.ask("GET", "order:completed"))
        if (stored.stored, stored.duplicates) != (1, 1):
            raise Surprise(f"expected one message and one duplicate, found {stored}")

    def poison(self) -> None:
        title("6. An order that lacks a member is refused by its name.")
        incomplete = {name: value for name, value in ORDER.items() if name != "orderId"}
        expect(self.submit("alice", self.alice.token, incomplete), 400)

        title("7. An order of nothing is a message, but none that the worker can do anything with.")
        answer = self.submit("alice", self.alice.token, ORDER | {"items": []}, key="order-0")
        expect(answer, 202)
        print()
        self.gateway.wait_until(self.dead_letters, "dead letter")
        print(f"  {json.dumps(self.alice.follow(answer.header('location'), 'failed')[-1])}")
        for letter in self.dead_letters():
            show("dead letter", f"{letter['body']}: {letter['properties']['DeadLetterReason']}")

    def too_many(self) -> None:
        title("8. Mallory sends as fast as she can, until her limit. Alice still may.")
        mallory = Customer(self.gateway.port, self.parts.issuer.token("mallory"))
        passed = 0
        while (answer := mallory.submit({})).status == 400:
            passed += 1
        show("before her limit", f"{passed} requests")
        print(f"  $ {self.command([authorization('mallory')], {})}")
        show_answer(answer)
        expect(answer, 429)
        expect(self.alice.submit({}), 400)

    def outages(self) -> None:
        title("9. Service Bus is throttled and answers 503. Alice is never told 202 then.")
        busy = {"status": 503, "detail": "Server busy"}
        self.parts.emulator.arm(busy, entity="orders", operation="send")
        expect(self.submit("alice", self.alice.token, key="order-4712"), 503)

        title("10. The worker is stopped, and nobody tells a status.")
        self.parts.worker.stop()
        print(f"  $ {self.command([authorization('alice')], path='/orders/order-4711/status')}")
        answer = self.alice.status("order-4711")
        show_answer(answer)
        expect(answer, 503)

    @property
    def alice(self) -> Customer:
        return Customer(self.gateway.port, self.parts.issuer.token("alice"))

    def submit(
        self, who: str, token: str, order: object = ORDER, *, key: str | None = None
    ) -> Answer:
        """Posts an order, and shows request and answer."""
        fields = [authorization(who)]
        if key is not None:
            fields.append(("idempotency-key", key))
        print(f"  $ {self.command(fields, order)}")
        answer = Customer(self.gateway.port, token).submit(order, key=key)
        show_answer(answer)
        return answer

    def command(
        self, headers: list[tuple[str, str]], order: object = None, *, path: str = "/orders"
    ) -> str:
        body = None if order is None else json.dumps(order).encode()
        return curl(f"http://127.0.0.1:{self.gateway.port}{path}", headers, body)

    def dead_letters(self) -> list[dict]:
        return self.parts.emulator.messages("orders/$DeadLetterQueue")


def authorization(who: str) -> tuple[str, str]:
    """The header as it is shown: a token is long, and not for the screen."""
    return ("authorization", f"Bearer <token of {who}>")


if __name__ == "__main__":
    sys.exit(main())
