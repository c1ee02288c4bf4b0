"""What is measured: the shipped Envoy configuration, with one thing or another in its filter chain.

All have the same listener, connection manager, cluster and upstream, and write no access log.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from configuration.gateway import GatewayConfiguration, merged

# Below the folder where cargo puts what it builds.
MODULE = Path("wasm32-wasip1/release/envoy_service_bus.wasm")
PROBE = "callout_probe.wasm"
SERVICE = "service"

# The payload of the design: three values of the request, an id, a time.
PAYLOAD = {
    "trackingId": "${tracking_id}",
    "orderId": "${request.json.orderId}",
    "items": "${request.json.items}",
    "submittedAt": "${now}",
}
RAW = {"name": "raw", "match": {"methods": ["POST"], "path": "/orders"}, "send": {"queue": "raw"}}
TEMPLATE = merged(RAW, {"name": "template", "send": {"payload": PAYLOAD}})

EXTENSION = "type.googleapis.com/envoy.extensions.filters.http"

LUA = Path(__file__).with_name("filter.lua")


def base(module: Path, upstream: int) -> GatewayConfiguration:
    configuration = GatewayConfiguration(module).send_to(upstream)
    configuration.connection_manager["access_log"] = []
    return configuration


def without_filter(module: Path, upstream: int, route: dict) -> GatewayConfiguration:
    configuration = base(module, upstream)
    del configuration.http_filters[0]
    configuration.routes[:] = [{"match": {"prefix": "/"}, **route}]
    return configuration


def router(module: Path, upstream: int) -> GatewayConfiguration:
    """Envoy passes the request to the upstream, and its answer to the client."""
    return without_filter(module, upstream, {"route": {"cluster": "servicebus"}})


def floor(module: Path, upstream: int) -> GatewayConfiguration:
    """Envoy reads the body and answers by itself: no upstream at all."""
    configuration = without_filter(module, upstream, {"direct_response": {"status": 202}})
    options = {"@type": f"{EXTENSION}.buffer.v3.Buffer", "max_request_bytes": 262144}
    buffer = {"name": "envoy.filters.http.buffer", "typed_config": options}
    configuration.http_filters.insert(0, buffer)
    return configuration


def lua(module: Path, upstream: int) -> GatewayConfiguration:
    """Envoy's Lua filter does of the same work what it can; see the script."""
    configuration = without_filter(module, upstream, {"direct_response": {"status": 404}})
    code = {"default_source_code": {"inline_string": LUA.read_text()}}
    options = {"@type": f"{EXTENSION}.lua.v3.Lua", **code}
    configuration.http_filters.insert(
        0, {"name": "envoy.filters.http.lua", "typed_config": options}
    )
    return configuration


def probe(module: Path, upstream: int, call: str = "") -> GatewayConfiguration:
    """The least that a module does for the same callout; it may repeat one host call."""
    configuration = base(module.with_name(PROBE), upstream)
    configuration.plugin_text = call
    return configuration


def asked(module: Path, upstream: int) -> GatewayConfiguration:
    """The filter looks at the request and lets it pass: what it costs to be asked."""
    configuration = ours(merged(RAW, {"match": {"path": "/elsewhere"}}))(module, upstream)
    configuration.routes[:] = [{"match": {"prefix": "/"}, "route": {"cluster": "servicebus"}}]
    for http_filter in configuration.http_filters:
        http_filter.pop("disabled", None)
    return configuration


def passing(module: Path, upstream: int) -> GatewayConfiguration:
    """The filter is enabled on other routes, so that the request never enters its VM."""
    configuration = asked(module, upstream)
    for http_filter in configuration.http_filters:
        if http_filter["name"] == "service_bus":
            http_filter["disabled"] = True
    return configuration


def ours(route: dict, batch: dict | None = None) -> Callable[[Path, int], GatewayConfiguration]:
    """The filter, with one route."""

    def configure(module: Path, upstream: int) -> GatewayConfiguration:
        change = {"routes": [route], "filter_state": False, "delivery": {"batch": batch}}
        return base(module, upstream).merge_plugin(change)

    return configure


# By name, with the answer that each gives. Ratios are to the first.
CONTENDERS: dict[str, tuple[Callable[[Path, int], GatewayConfiguration], int]] = {
    "router": (router, 201),
    # The router with a service behind it, which sends to the upstream.
    SERVICE: (router, 202),
    "floor": (floor, 202),
    "lua": (lua, 202),
    "probe": (probe, 202),
    "asked": (asked, 201),
    "passing": (passing, 201),
    "raw": (ours(RAW), 202),
    "template": (ours(TEMPLATE), 202),
    "batch": (ours(RAW, {}), 202),
}
