"""Routes whose requests go on to a backend once their message is stored."""

from __future__ import annotations

import copy

from configuration.gateway import GatewayConfiguration
from configuration.header_modes import hold_by

# A gate cannot be woken.
MODES = ["pause", "buffer"]
MOST_BYTES = 600_000

HEADERS = {"x-message-id": "${message.id}", "x-user": "${request.headers['x-of']}"}

ROUTES: list[dict] = [
    {
        "name": "onward",
        "match": {"methods": ["POST", "PUT"], "path_prefix": "/onward"},
        "send": {"queue": "raw", "broker_properties": {"MessageId": "m-${tracking_id}"}},
        "forward": {"headers": HEADERS},
        "reply": {"failures": {"throttled": {"status": 429}}},
    },
    {
        "name": "anyway",
        "match": {"path": "/anyway"},
        "send": {"queue": "raw"},
        "forward": {"on_failure": "forward", "headers": HEADERS},
    },
    {
        "name": "shown",
        "match": {"path": "/shown"},
        "send": {"queue": "raw"},
        "forward": {"headers": HEADERS},
        "dry_run": True,
    },
]


def forwarding(configuration: GatewayConfiguration, mode: str, port: int) -> GatewayConfiguration:
    """Lets requests of the routes above go on to a backend at a port."""
    routes = copy.deepcopy(ROUTES)
    if mode == "buffer":
        # What is changed with the headers cannot name the message, nor mark what goes on unsent.
        routes = [route for route in routes if "on_failure" not in route["forward"]]
        for route in routes:
            route["forward"] = {"headers": {"x-user": HEADERS["x-user"]}}
    configuration.add_plugin_routes(routes).pass_to(port)
    hold_by(mode, configuration, MOST_BYTES)
    return configuration
