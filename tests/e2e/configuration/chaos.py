"""A gateway and a broker under everything at once: batches, retries, breaker, fallback, faults."""

from __future__ import annotations

from configuration.gateway import GatewayConfiguration
from processes.emulator import Emulator

PATH = "/chaos"
FIRST, SECOND = "load", "load-late"

ROUTE = {
    "name": "chaos",
    "match": {"path": PATH},
    "send": {"queue": FIRST},
    # A namespace and so a breaker of its own. The emulator answers for each.
    "fallback": {
        "namespace": "north.servicebus.windows.net",
        "credentials": {
            "sas": {"key_name": "RootManageSharedAccessKey", "key": {"inline": "SAS_KEY_VALUE"}}
        },
        "queue": SECOND,
    },
}
# The same for requests that go on to a backend once their message is stored.
FORWARDED_PATH = "/chaos-forwarded"
FORWARDED = ROUTE | {"name": "forwarded", "match": {"path": FORWARDED_PATH}, "forward": {}}
# Short waits, so that much happens in little time.
DELIVERY = {
    "timeout": "3s",
    "attempt_timeout": "500ms",
    "retries": {"max": 1, "base": "5ms", "cap": "50ms", "budget_percent": 100},
    "circuit_breaker": {"failures": 5, "open_for": "100ms"},
    "batch": {"max_messages": 50, "linger": "2ms"},
}
FAULTS = [
    {"status": 429},
    {"status": 503},
    {"status": 500, "store": True},
    {"status": 400},
    {"reset": "before_reading"},
    {"reset": "after_storing"},
    {"reset": "after_headers"},
    {"stall": True, "store": True},
    {"delay": "20ms"},
]


def with_everything(configuration: GatewayConfiguration) -> GatewayConfiguration:
    """Lets a gateway do all that it can with the messages of a route of its own."""
    return configuration.add_plugin_routes([ROUTE, FORWARDED]).merge_plugin({"delivery": DELIVERY})


def arm(emulator: Emulator, probability: float) -> None:
    """Opens both breakers, one after the other, and then lets sends fail in every way."""
    # The first's stays open for longer, so that messages go to the second at once.
    for entity, failures in ((FIRST, 30), (SECOND, 8)):
        emulator.arm({"status": 500}, entity=entity, operation="send", count=failures)
    for seed, fault in enumerate(FAULTS):
        rare = "stall" in fault
        share = probability / 4 if rare else probability
        emulator.arm(fault, operation="send", probability=share, seed=seed)
