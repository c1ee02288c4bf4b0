"""An order, as the gateway puts it on the queue."""

from __future__ import annotations

import json
from dataclasses import dataclass


class Unreadable(Exception):
    """A message is no order; no later delivery will find it to be one."""


@dataclass(frozen=True)
class Order:
    """An order that can be worked on."""

    tracking_id: str
    order_id: str
    # What was ordered, never empty.
    items: list

    @classmethod
    def read(cls, body: bytes) -> Order:
        """Reads the body of a message."""
        members = _members(body)
        if members is None:
            raise Unreadable("the message is not a JSON object")
        items = members.get("items")
        if not isinstance(items, list) or not items:
            raise Unreadable("the order has no items")
        return cls(_text(members, "trackingId"), _text(members, "orderId"), items)

    @property
    def result(self) -> dict:
        """What the client is told of a finished order."""
        return {"orderId": self.order_id, "items": len(self.items)}


def tracking_id(body: bytes) -> str | None:
    """The id in a body that may be no order at all, so that its client can be told."""
    found = (_members(body) or {}).get("trackingId")
    return found if isinstance(found, str) and found else None


def _members(body: bytes) -> dict | None:
    try:
        read = json.loads(body)
    # Deeply nested JSON ends in a RecursionError.
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _text(members: dict, name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"{name} is not a text")
    return value
