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

# The same callout as the filter's, with the same headers: the token never expires, the id is
# always the same, and nothing is sent again.
LUA = """
function envoy_on_request(request)
  local body = request:body()
  local bytes = body and body:getBytes(0, body:length()) or ""
  local headers = request:httpCall("servicebus", {
    [":method"] = "POST",
    [":path"] = "/raw/messages",
    [":authority"] = "sbemulatorns.servicebus.windows.net",
    [":scheme"] = "https",
    ["authorization"] = "SharedAccessSignature sr=https%3A%2F%2Fsbemulatorns.servicebus.windows.net"
      .. "%2Fraw&sig=c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU9&se=1795219200&skn=send-only",
    ["content-type"] = request:headers():get("content-type"),
    ["brokerproperties"] = '{"MessageId":"b6f0d5f2-6a3c-4f0e-8d0a-1f2e3d4c5b6a"}',
  }, bytes, 5000)
  if headers[":status"] == "201" then
    request:respond(
      {
        [":status"] = "202",
        ["content-type"] = "application/json",
        ["x-tracking-id"] = "b6f0d5f2-6a3c-4f0e-8d0a-1f2e3d4c5b6a",
      },
      '{"status":"accepted","trackingId":"b6f0d5f2-6a3c-4f0e-8d0a-1f2e3d4c5b6a"}'
    )
  else
    request:respond({ [":status"] = "503" }, "")
  end
end
"""


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
    """Envoy's Lua filter makes a fixed callout and answers after the 201."""
    configuration = without_filter(module, upstream, {"direct_response": {"status": 404}})
    code = {"default_source_code": {"inline_string": LUA}}
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


def passing(module: Path, upstream: int) -> GatewayConfiguration:
    """The filter looks at the request and lets it pass: what it costs to be asked."""
    configuration = ours(merged(RAW, {"match": {"path": "/elsewhere"}}))(module, upstream)
    configuration.routes[:] = [{"match": {"prefix": "/"}, "route": {"cluster": "servicebus"}}]
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
    "floor": (floor, 202),
    "lua": (lua, 202),
    "probe": (probe, 202),
    "passing": (passing, 201),
    "raw": (ours(RAW), 202),
    "template": (ours(TEMPLATE), 202),
    "batch": (ours(RAW, {}), 202),
}
