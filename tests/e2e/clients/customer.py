"""A client of the order scenario, with its token."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from itertools import pairwise

from clients import http1
from clients.answer import Answer
from clients.http1 import Header
from clients.tokens import bearer

ORDER = {
    "orderId": "4711",
    "customerId": "acme",
    "items": [{"sku": "lamp", "quantity": 2}],
}

PATIENCE_SECONDS = 60
# Below the rate that the limit lets through forever.
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Customer:
    """Sends orders to the gateway on a port, and asks for their status."""

    port: int
    token: str

    def submit(
        self, order: object = ORDER, *, key: str | None = None, headers: tuple[Header, ...] = ()
    ) -> Answer:
        """Posts an order."""
        fields = [bearer(self.token), ("content-type", "application/json"), *headers]
        if key is not None:
            fields.append(("idempotency-key", key))
        return http1.request(self.port, "POST", "/orders", fields, json.dumps(order).encode())

    def status(self, tracking_id: str) -> Answer:
        """Asks for the status of an order."""
        return self.get(f"/orders/{tracking_id}/status")

    def get(self, target: str) -> Answer:
        return http1.request(self.port, "GET", target, [bearer(self.token)])

    def follow(self, target: str, last: str) -> list[dict]:
        """The different statuses that are told, up to one that says `last`."""
        told: list[dict] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not told or told[-1]["status"] != last:
            assert time.monotonic() < deadline, f"no {last}: {told}"
            answer = self.get(target)
            # The worker may not have begun; then there is no status yet.
            if answer.status != 404:
                assert answer.status == 200, answer
                told.append(answer.json())
            time.sleep(POLL_SECONDS)
        return [told[0], *(after for before, after in pairwise(told) if before != after)]
