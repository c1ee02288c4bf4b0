"""The arrangements that hold a request's headers while its body arrives."""

from __future__ import annotations

from configuration.gateway import GatewayConfiguration

MODES = ["pause", "gate", "buffer"]


def hold_by(mode: str, configuration: GatewayConfiguration, most_bytes: int) -> None:
    """Lets the filter hold the headers, or what stands after it: a gate or a buffer."""
    if mode == "pause":
        return
    # These are for gateways that cannot set the field, such as Istio's.
    del configuration.wasm["allow_on_headers_stop_iteration"]
    configuration.add_filter(configuration.gate() if mode == "gate" else buffer_filter(most_bytes))
    configuration.merge_plugin({"header_mode": "continue"})


def buffer_filter(most_bytes: int) -> dict:
    """Envoy's own filter that holds a request until it is complete."""
    name = "envoy.extensions.filters.http.buffer.v3.Buffer"
    config = {"@type": f"type.googleapis.com/{name}", "max_request_bytes": most_bytes}
    return {"name": "envoy.filters.http.buffer", "typed_config": config}
