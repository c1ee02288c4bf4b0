"""The shipped resources of each way to install the filter.

Only image, address, authority and ports are replaced, here and nowhere else, and for Envoy Gateway
where its proxy runs.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from processes.program import ROOT

NAMESPACE = "contoso.servicebus.windows.net"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
NOBODY = "registry.example.com"

FILES = {
    "istio-filter": ["istio/service-bus.yaml", "istio/filter.yaml"],
    "istio-plugins": ["istio/service-bus.yaml", "istio/sender-and-gate.yaml"],
    "istio-extensions": ["istio/service-bus.yaml", "istio/traffic-extension.yaml"],
    "higress": ["higress/service-bus.yaml"],
    "envoy-gateway": [
        f"envoy-gateway/{name}.yaml" for name in ("gateway", "service-bus", "filter")
    ],
}
ISTIO = [way for way in FILES if way != "envoy-gateway"]

Resources = list[dict]
Change = Callable[[Resources], None]


@dataclass(frozen=True)
class Surroundings:
    """What stands in the place of a registry, of Service Bus and of the public authorities."""

    registry: str
    service_bus: int
    authorities: Path
    port: int


def resources(way: str) -> Resources:
    """The resources as they are shipped."""
    return [
        each
        for file in FILES[way]
        for each in yaml.safe_load_all((ROOT / "envoy" / file).read_text())
    ]


def prepared(way: str, surroundings: Surroundings, change: Change | None = None) -> Resources:
    """The resources as the control plane gets them; `change` is a test's own."""
    found = resources(way)
    if change:
        change(found)
    text = json.dumps(found).replace(NOBODY, surroundings.registry)
    found = json.loads(text.replace(AUTHORITIES, str(surroundings.authorities)))
    assert not [each for each in _strings(found) if NOBODY in each]
    place = _FOR_ENVOY_GATEWAY if way == "envoy-gateway" else _FOR_ISTIO
    return [made for each in found for made in place(each, surroundings)]


def of_kind(found: Resources, kind: str, name: str = "") -> Resources:
    """The resources of a kind, of this name if one is given."""
    return [
        each for each in found if each["kind"] == kind and name in ("", each["metadata"]["name"])
    ]


def plugins(found: Resources) -> Iterator[dict]:
    """The filter's own configuration in these resources, sender before gate, to be changed."""
    for each in found:
        spec = each["spec"]
        if each["kind"] == "WasmPlugin":
            yield spec.get("pluginConfig") or spec["defaultConfig"]
        elif each["kind"] == "TrafficExtension":
            yield spec["wasm"]["pluginConfig"]
        elif each["kind"] == "EnvoyExtensionPolicy":
            for wasm in spec["wasm"]:
                yield wasm["config"]
        for patch in spec.get("configPatches", []):
            if patch["applyTo"] == "EXTENSION_CONFIG":
                value = patch["patch"]["value"]["typed_config"]["config"]["configuration"]
                plugin = json.loads(value["value"])
                yield plugin
                value["value"] = json.dumps(plugin)


def replace(found: Resources, old: str, new: str) -> None:
    """Puts one text in the place of another wherever it stands."""
    text = json.dumps(found)
    assert old in text, f"nothing names {old}"
    found[:] = json.loads(text.replace(old, new))


def _for_istio(resource: dict, surroundings: Surroundings) -> Iterator[dict]:
    spec = resource["spec"]
    if resource["kind"] == "ServiceEntry" and NAMESPACE in spec["hosts"]:
        _lead(spec, surroundings)
    if resource["apiVersion"] == "networking.higress.io/v1":
        yield from _bridge(spec["registries"], surroundings)
    elif resource["apiVersion"] == "extensions.higress.io/v1alpha1":
        yield _plugin_of_higress(resource)
    else:
        yield resource


def _lead(spec: dict, surroundings: Surroundings) -> None:
    [port] = spec["ports"]
    ports = {port["name"]: surroundings.service_bus}
    spec |= {"resolution": "STATIC", "endpoints": [{"address": "127.0.0.1", "ports": ports}]}


def _bridge(registries: list[dict], surroundings: Surroundings) -> Iterator[dict]:
    """What Higress makes of a registry of the type `dns`, for Istio's part of it."""
    for each in registries:
        assert (each["type"], each["protocol"]) == ("dns", "https")
        host = f"{each['name']}.dns"
        metadata = {"name": f"{each['name']}-dns", "namespace": "higress-system"}
        spec = {
            "hosts": [host],
            "location": "MESH_INTERNAL",
            "resolution": "DNS",
            "ports": [{"number": each["port"], "name": each["protocol"], "protocol": "HTTPS"}],
            "endpoints": [{"address": each["domain"]}],
        }
        _lead(spec, surroundings)
        yield {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": metadata,
            "spec": spec,
        }
        tls = {"mode": "SIMPLE", "sni": each["sni"]}
        port = {"port": {"number": each["port"]}, "tls": tls}
        yield {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": metadata,
            "spec": {"host": host, "trafficPolicy": {"portLevelSettings": [port]}},
        }


def _plugin_of_higress(resource: dict) -> dict:
    """Higress's WasmPlugin as the one of Istio that it makes of it."""
    made = copy.deepcopy(resource)
    made["apiVersion"] = "extensions.istio.io/v1alpha1"
    made["spec"]["pluginConfig"] = made["spec"].pop("defaultConfig")
    made["spec"]["selector"] = {"matchLabels": {"higress": "higress-system-higress-gateway"}}
    return made


def _for_envoy_gateway(resource: dict, surroundings: Surroundings) -> Iterator[dict]:
    spec = resource["spec"]
    kind = resource["kind"]
    here = {"ip": {"address": "127.0.0.1", "port": surroundings.service_bus}}
    if kind == "Backend" and spec["endpoints"][0].get("fqdn", {}).get("hostname") == NAMESPACE:
        spec["endpoints"] = [here]
    elif kind == "BackendTLSPolicy":
        assert spec["validation"].pop("wellKnownCACertificates") == "System"
        reference = {"group": "", "kind": "ConfigMap", "name": "authorities"}
        spec["validation"]["caCertificateRefs"] = [reference]
        yield {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "authorities", "namespace": resource["metadata"]["namespace"]},
            "data": {"ca.crt": surroundings.authorities.read_text()},
        }
    elif kind == "Gateway":
        [listener] = spec["listeners"]
        listener["port"] = surroundings.port
    yield resource


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, str):
        yield value


_FOR_ISTIO, _FOR_ENVOY_GATEWAY = _for_istio, _for_envoy_gateway
