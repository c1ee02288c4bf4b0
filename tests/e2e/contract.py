"""What clients are told: the answers of DESIGN's contract, as the tests expect them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from clients.answer import Answer

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

TITLES = {
    400: "Bad Request",
    404: "Not Found",
    413: "Content Too Large",
    503: "Service Unavailable",
}


@dataclass(frozen=True)
class Refusal:
    """A reason with what belongs to it; `detail` is None where the request decides it."""

    reason: str
    status: int
    retry_after: str | None
    detail: str | None


REFUSALS = {
    refusal.reason: refusal
    for refusal in [
        Refusal("invalid_message", 400, None, None),
        Refusal("payload_too_large", 413, None, "The message is too large."),
        Refusal("message_rejected", 503, None, "The message broker refused the message."),
        Refusal(
            "broker_forbidden",
            503,
            None,
            "The message broker does not let the gateway send there.",
        ),
        Refusal(
            "broker_unauthorized",
            503,
            None,
            "The message broker did not accept the gateway's token.",
        ),
        Refusal(
            "quota_exceeded",
            503,
            "30",
            "The queue or topic is full; the message was not enqueued.",
        ),
        Refusal("entity_not_found", 503, None, "The queue or topic does not exist."),
        Refusal(
            "throttled",
            503,
            "10",
            "The message broker asks to slow down; the message was not enqueued.",
        ),
        Refusal(
            "broker_error", 503, "5", "The message broker failed; the message may not be enqueued."
        ),
        Refusal(
            "outcome_unknown",
            503,
            "5",
            "The message may be enqueued or not; retry with the same Idempotency-Key.",
        ),
        Refusal(
            "broker_unreachable",
            503,
            "5",
            "The message broker cannot be reached; nothing was sent.",
        ),
        Refusal(
            "credentials_unavailable",
            503,
            "5",
            "The gateway has no token for the message broker.",
        ),
        Refusal(
            "circuit_open",
            503,
            "1",
            "The message broker has failed too often; nothing was sent for now.",
        ),
        Refusal("overloaded", 503, "1", "Too many messages are in flight; nothing was sent."),
        Refusal("not_found", 404, None, "There is nothing of this name."),
        Refusal("lookup_unavailable", 503, "5", "What was asked for cannot be looked up now."),
        Refusal(
            "misconfigured",
            503,
            None,
            "The gateway is not configured to reach the message broker.",
        ),
    ]
}


def tracking_id(answer: Answer) -> str:
    """The tracking id of an answer of ours, which every one carries."""
    value = answer.header("x-tracking-id")
    assert value, f"no x-tracking-id: {answer}"
    return value


def assert_accepted(answer: Answer, *, key: str | None = None) -> str:
    """Checks the default answer to an accepted message; returns the tracking id."""
    assert answer.status == 202, answer
    identifier = tracking_id(answer)
    if key is None:
        assert UUID.fullmatch(identifier), identifier
    else:
        assert identifier == key
    assert answer.header("content-type") == "application/json"
    assert answer.json() == {"status": "accepted", "trackingId": identifier}
    return identifier


def assert_refused(
    answer: Answer,
    reason: str,
    *,
    detail: str | None = None,
    key: str | None = None,
    retry_after: str | None = None,
) -> str:
    """Checks a problem document, every member and header of it; returns the tracking id."""
    expected = REFUSALS[reason]
    identifier = tracking_id(answer)
    if key is not None:
        assert identifier == key
    assert answer.json() == {
        "type": "about:blank",
        "title": TITLES[expected.status],
        "status": expected.status,
        "detail": detail or expected.detail,
        "reason": reason,
        "trackingId": identifier,
    }
    assert answer.status == expected.status
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("retry-after") == (retry_after or expected.retry_after)
    return identifier
