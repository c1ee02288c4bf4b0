"""Routes and entities that the tests add to the shipped ones."""

from __future__ import annotations

import json
from pathlib import Path

EMULATOR = Path(__file__).resolve().parents[3] / "envoy" / "emulator.json"

# Sets all that can be set, in the form of a message of its own.
BROKER_PROPERTIES = {
    "CorrelationId": "correlation-1",
    "Label": 'a "label" é',
    "PartitionKey": "session-1",
    "ReplyTo": "answers",
    "ReplyToSessionId": "answer-session",
    "SessionId": "session-1",
    "TimeToLive": "90s",
    "To": "somewhere",
}
PROPERTIES = {
    "text": "plain",
    "quoted": 'say "hi"',
    "digits": "12345",
    "truth": "true",
    "whole": 42,
    "negative": -7,
    "fraction": 2.5,
    "yes": True,
    "no": False,
}
# Names and values that no header can carry: these send a message as a batch of one.
EXACT_PROPERTIES = {"Priority": "high", "cloudEvents:id": "A-1", "stadt": "Zürich", "count": 3}

ROUTES: list[dict] = [
    {"name": "raw", "match": {"methods": ["POST"], "path": "/raw"}, "send": {"queue": "raw"}},
    {
        "name": "typed",
        "match": {"path": "/typed"},
        "send": {
            "queue": "typed",
            "content_type": "application/vnd.example+json",
            "broker_properties": BROKER_PROPERTIES,
            "properties": PROPERTIES,
            "forward_headers": ["x-tenant-id", "X-Region"],
        },
    },
    {
        "name": "exact",
        "match": {"path": "/exact"},
        "send": {
            "queue": "exact",
            "broker_properties": BROKER_PROPERTIES,
            "properties": EXACT_PROPERTIES,
            "forward_headers": ["x-tenant-id"],
        },
    },
    {
        "name": "fixed",
        "match": {"path": "/fixed"},
        "send": {"queue": "raw", "payload": {"kind": "ping", "parts": [1, None, "x"]}},
    },
    {
        "name": "later",
        "match": {"path": "/later"},
        "send": {"queue": "raw", "broker_properties": {"ScheduledEnqueueTimeUtc": "+1h"}},
    },
    {
        "name": "template",
        "match": {"methods": ["PUT"], "path_template": "/shops/{shop}/carts/{cart}"},
        "send": {"queue": "raw"},
    },
    {
        "name": "host",
        "match": {"path": "/by-host", "hosts": ["api.example", "*.shop.example"]},
        "send": {"queue": "raw"},
    },
    {
        "name": "header",
        "match": {"path": "/by-header", "headers": {"x-mode": "queue"}},
        "send": {"queue": "raw"},
    },
    {"name": "missing", "match": {"path": "/missing"}, "send": {"queue": "no-such-queue"}},
    {
        "name": "own-reply",
        "match": {"methods": ["GET", "HEAD", "PATCH", "POST"], "path": "/own-reply"},
        "send": {"queue": "raw"},
        "reply": {
            "status": 200,
            "headers": {"Location": "/status", "content-type": "application/hal+json"},
            "body": {"state": "processing", "tries": 0, "links": ["/status"]},
        },
    },
    {"name": "load", "match": {"methods": ["POST"], "path": "/load"}, "send": {"queue": "load"}},
]


def entities() -> dict:
    """The shipped entities and those of the routes above, in the format of Microsoft's emulator."""
    document = json.loads(EMULATOR.read_text())
    queues = document["UserConfig"]["Namespaces"][0]["Queues"]
    queues += [{"Name": name, "Properties": {}} for name in ("raw", "typed", "exact")]
    detecting = {
        "RequiresDuplicateDetection": True,
        "DuplicateDetectionHistoryTimeWindow": "PT1H",
    }
    queues += [{"Name": name, "Properties": detecting} for name in ("load", "load-late")]
    return document
