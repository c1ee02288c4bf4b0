"""The entities that the tests with Microsoft's SDKs use."""

from __future__ import annotations


def queue(name: str, **properties: object) -> dict:
    return {"Name": name, "Properties": properties}


def sql(name: str, expression: str, action: str | None = None) -> dict:
    rule: dict = {"FilterType": "Sql", "SqlFilter": {"SqlExpression": expression}}
    if action:
        rule["Action"] = {"SqlExpression": action}
    return {"Name": name, "Properties": rule}


# `brief` locks are as short as Service Bus has them.
BRIEF = "PT5S"

QUEUES = [
    queue("plain", MaxDeliveryCount=3),
    queue("replies"),
    queue("brief", LockDuration=BRIEF),
    queue("sessions", RequiresSession=True, LockDuration="PT5M"),
    queue("brief-sessions", RequiresSession=True, LockDuration=BRIEF),
    queue("detecting", RequiresDuplicateDetection=True),
]
# Those of configuration/routes.py, and one for each pattern.
QUEUES += [queue(name) for name in ("raw", "typed", "exact")]
SUBSCRIPTIONS = [
    {"Name": "all"},
    {"Name": "large", "Rules": [sql("large", "quantity > 10 AND color = 'red'")]},
    {"Name": "marked", "Rules": [sql("marked", "EXISTS(color)", "SET marked = 'yes'")]},
    {"Name": "changing"},
    {"Name": "sessions", "Properties": {"RequiresSession": True}},
]


def sdk_entities() -> dict:
    """In the format of Microsoft's emulator."""
    topics = [{"Name": "topic", "Subscriptions": SUBSCRIPTIONS}]
    namespace = {"Name": "sbemulatorns", "Queues": QUEUES, "Topics": topics}
    return {"UserConfig": {"Namespaces": [namespace]}}


PATTERN_ROUTES: list[dict] = [
    {
        "name": "ask",
        "match": {"path": "/ask"},
        "send": {
            "queue": "raw",
            "broker_properties": {"ReplyTo": "${request.headers['x-reply-to']}"},
        },
    },
    {
        "name": "announce",
        "match": {"path": "/announce"},
        "send": {"topic": "topic", "broker_properties": {"ReplyTo": "replies"}},
    },
    {
        "name": "stream",
        "match": {"path_template": "/streams/{stream}"},
        "send": {"queue": "sessions", "broker_properties": {"SessionId": "${path.stream}"}},
    },
    {
        "name": "shared-replies",
        "match": {"path": "/shared"},
        "send": {
            "queue": "raw",
            "broker_properties": {
                "ReplyTo": "sessions",
                "ReplyToSessionId": "${request.headers['x-publisher']}",
            },
        },
    },
]
