"""The shipped Envoy configuration, changed only where a test needs it."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import yaml

SHIPPED = Path(__file__).resolve().parents[3] / "envoy" / "envoy.yaml"


class GatewayConfiguration:
    """`envoy/envoy.yaml` as a document, with names for the places that tests change."""

    shipped = SHIPPED

    def __init__(self, module: Path, *, free_ports: bool = True, per_route: bool = False) -> None:
        """With `per_route` the filter works on the routes that the file enables it on, and on all
        routes otherwise: most tests add routes of their own."""
        self.document: dict = yaml.safe_load(self.shipped.read_text())
        if not per_route:
            self.http_filters[self._position].pop("disabled", None)
            for route in self.routes:
                route.pop("typed_per_filter_config", None)
        self.wasm["vm_config"]["code"]["local"]["filename"] = str(module)
        if free_ports:
            # Port 0: Envoy takes a free one and tells which.
            _socket(self.document["admin"]["address"])["port_value"] = 0
            _socket(self.listener["address"])["port_value"] = 0

    @property
    def listener(self) -> dict:
        return self.document["static_resources"]["listeners"][0]

    @property
    def connection_manager(self) -> dict:
        return self.listener["filter_chains"][0]["filters"][0]["typed_config"]

    @property
    def http_filters(self) -> list[dict]:
        return self.connection_manager["http_filters"]

    @property
    def _position(self) -> int:
        return [each["name"] for each in self.http_filters].index("service_bus")

    @property
    def wasm(self) -> dict:
        """The plugin configuration of the Service Bus filter."""
        return self.http_filters[self._position]["typed_config"]["config"]

    @property
    def routes(self) -> list[dict]:
        """Envoy's own routes, for what the filter lets pass."""
        return self.connection_manager["route_config"]["virtual_hosts"][0]["routes"]

    @property
    def clusters(self) -> list[dict]:
        return self.document["static_resources"]["clusters"]

    @property
    def service_bus(self) -> dict:
        """The cluster that the filter sends to."""
        return self.clusters[0]

    @property
    def plugin(self) -> dict:
        """The filter's JSON. Set it to change it."""
        return json.loads(self.wasm["configuration"]["value"])

    @plugin.setter
    def plugin(self, value: dict) -> None:
        self.plugin_text = json.dumps(value)

    @property
    def plugin_text(self) -> str:
        """The filter's JSON as text, which need not be JSON at all."""
        return self.wasm["configuration"]["value"]

    @plugin_text.setter
    def plugin_text(self, text: str) -> None:
        self.wasm["configuration"]["value"] = text

    def merge_plugin(self, change: dict) -> GatewayConfiguration:
        """Merges into the filter's JSON: objects member by member, all else replaced."""
        self.plugin = merged(self.plugin, change)
        return self

    def try_once(self) -> GatewayConfiguration:
        """Lets the filter send each message once, whatever went wrong before."""
        once = {"retries": {"max": 0}, "circuit_breaker": {"failures": 0}}
        return self.merge_plugin({"delivery": once})

    def add_plugin_routes(self, routes: list[dict]) -> GatewayConfiguration:
        """Adds routes after those of the shipped configuration."""
        return self.merge_plugin({"routes": self.plugin["routes"] + routes})

    def send_to(self, port: int) -> GatewayConfiguration:
        """Lets the Service Bus cluster connect to this port of the loopback interface."""
        connect(self.service_bus, port)
        return self

    def pass_to(self, port: int) -> GatewayConfiguration:
        """Sends what the filter lets pass to a service on this port, trailers included."""
        self.connection_manager["http_protocol_options"] = {"enable_trailers": True}
        self.clusters.append(upstream_cluster("behind", port))
        self.routes[-1] = {"match": {"prefix": "/"}, "route": {"cluster": "behind"}}
        return self

    def add_filter(self, http_filter: dict) -> GatewayConfiguration:
        """Puts an HTTP filter behind the Service Bus filter."""
        self.http_filters.insert(self._position + 1, http_filter)
        return self

    def gate(self) -> dict:
        """A second instance of the module with the role `gate`."""
        gate = copy.deepcopy(self.http_filters[self._position])
        gate["name"] = gate["typed_config"]["config"]["name"] = "service_bus_gate"
        plugin = merged(self.plugin, {"role": "gate"})
        gate["typed_config"]["config"]["configuration"]["value"] = json.dumps(plugin)
        return gate

    def write(self, path: Path) -> Path:
        """Writes the document where Envoy can read it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(self.document, sort_keys=False))
        return path


def merged(base: object, change: object) -> object:
    """`base` with `change` laid over it; in objects, `None` removes a member."""
    if not (isinstance(base, dict) and isinstance(change, dict)):
        return copy.deepcopy(change)
    result = {name: copy.deepcopy(value) for name, value in base.items()}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def upstream_cluster(name: str, port: int) -> dict:
    """An HTTP/1.1 cluster with one endpoint on the loopback interface."""
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}},
            }
        },
    }


def connect(cluster: dict, port: int) -> None:
    """Lets a cluster connect to this port of the loopback interface, wherever it led before."""
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
    address = {"address": "127.0.0.1", "port_value": port}
    _socket(endpoint["endpoint"]["address"]).update(address)


def _socket(address: dict) -> dict:
    return address["socket_address"]
