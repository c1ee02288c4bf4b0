"""The shipped Kubernetes manifests, and what each control plane makes of them for Envoy."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from configuration.gateway import SHIPPED, GatewayConfiguration, upstream_cluster

OF_PLANE = {
    "istio": ["istio/service-bus.yaml", "istio/sender-and-gate.yaml"],
    "istio-filter": ["istio/service-bus.yaml", "istio/filter.yaml"],
    "envoy-gateway": [
        f"envoy-gateway/{name}.yaml" for name in ("gateway", "service-bus", "filter")
    ],
    "higress": ["higress/service-bus.yaml"],
}
NAMESPACE = "contoso.servicebus.windows.net"
EMULATED = "sbemulatorns.servicebus.windows.net"

WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
PHASES = ["AUTHN", "AUTHZ", "STATS", "UNSPECIFIED_PHASE"]
FAILURE_POLICIES = {"FAIL_CLOSE": "FAIL_CLOSED", "FAIL_RELOAD": "FAIL_RELOAD"}
# Envoy Gateway's order of these types of filter.
ENVOY_GATEWAY_ORDER = ["wasm", "rbac", "local_ratelimit", "ratelimit", "router"]


def documents(file: str) -> list[dict]:
    """The documents of a file under `envoy/`."""
    return list(yaml.safe_load_all((SHIPPED.parent / file).read_text()))


def plugin_of(resource: dict) -> dict:
    """The JSON of a WasmPlugin, of Istio or of Higress."""
    return resource["spec"].get("pluginConfig") or resource["spec"]["defaultConfig"]


@dataclass
class Manifests:
    """The resources of one way to install the filter."""

    plane: str
    resources: list[dict]

    @classmethod
    def of(cls, plane: str) -> Manifests:
        return cls(plane, [each for file in OF_PLANE[plane] for each in documents(file)])

    def kind(self, kind: str) -> list[dict]:
        return [each for each in self.resources if each["kind"] == kind]

    def named(self, kind: str, name: str) -> dict:
        return next(each for each in self.kind(kind) if each["metadata"]["name"] == name)

    def patches(self, apply_to: str) -> Iterator[dict]:
        """The patches of EnvoyFilters to one kind of Envoy's objects."""
        for resource in self.kind("EnvoyFilter"):
            for each in resource["spec"]["configPatches"]:
                if each["applyTo"] == apply_to:
                    yield each

    def plugins(self) -> list[dict]:
        """The JSON of each instance of the filter, in the order in which they get a request."""
        return [
            json.loads(each["typed_config"]["config"]["configuration"]["value"])
            for each in self.filters(Path("module.wasm"))
        ]

    def filters(self, module: Path) -> list[dict]:
        """The HTTP filters that the control plane puts before the router."""
        if self.plane == "envoy-gateway":
            return self._envoy_extension_policy(module)
        if plugins := self.kind("WasmPlugin"):
            ranked = sorted(plugins, key=lambda each: _rank(each["spec"]))
            return [_wasm_plugin(each, module) for each in ranked]
        return [self._discovered(each, module) for each in self.patches("HTTP_FILTER")]

    def _envoy_extension_policy(self, module: Path) -> list[dict]:
        [policy] = self.kind("EnvoyExtensionPolicy")
        filters = []
        for index, wasm in enumerate(policy["spec"]["wasm"]):
            assert wasm["failOpen"] is False
            name = f"envoyextensionpolicy/default/{policy['metadata']['name']}/wasm/{index}"
            keys = wasm.get("env", {}).get("hostKeys", [])
            config = _config(wasm["name"], wasm["config"], keys, module)
            # Envoy Gateway's VMs are never shared.
            config["vm_config"]["vm_id"] = name
            filters.append(_filter(f"envoy.filters.http.wasm/{name}", config))
        return filters

    def _discovered(self, patch: dict, module: Path) -> dict:
        """What comes of a filter whose configuration is a resource of its own."""
        assert patch["patch"]["operation"] == "INSERT_BEFORE"
        name = patch["patch"]["value"]["name"]
        extensions = [each["patch"]["value"] for each in self.patches("EXTENSION_CONFIG")]
        [extension] = [each for each in extensions if each["name"] == name]
        found = copy.deepcopy(extension)
        found["typed_config"]["config"]["vm_config"]["code"] = _code(module)
        return found

    def cluster(self, port: int) -> dict:
        """The cluster that the control plane makes, with what the manifests patch on it."""
        if self.plane == "envoy-gateway":
            [patch] = self.kind("EnvoyPatchPolicy")[0]["spec"]["jsonPatches"]
            operation = patch["operation"]
            assert (operation["op"], operation["path"].count("/")) == ("add", 1)
            value = {operation["path"][1:]: operation["value"]}
            name = patch["name"]
        else:
            value, patches = {}, list(self.patches("CLUSTER"))
            [name] = {each["match"]["cluster"]["name"] for each in patches}
            for each in patches:
                assert each["patch"]["operation"] == "MERGE"
                changed = each["patch"]["value"]
                # Of a patch that holds a transport_socket, Istio merges nothing else.
                assert "transport_socket" not in changed or len(changed) == 1
                value |= changed
        cluster = {**upstream_cluster(name, port), **value}
        # The emulator speaks no TLS.
        cluster.pop("transport_socket", None)
        return cluster

    def configuration(self, module: Path, port: int) -> GatewayConfiguration:
        """Envoy with these manifests, in front of the emulator on this port."""
        configuration = GatewayConfiguration(module)
        router = configuration.http_filters[-1]
        configuration.http_filters[:] = [*self.filters(module), router]
        for each in configuration.http_filters[:-1]:
            value = each["typed_config"]["config"]["configuration"]
            value["value"] = value["value"].replace(f'"{NAMESPACE}"', f'"{EMULATED}"')
        configuration.clusters[0] = self.cluster(port)
        if self.plane == "envoy-gateway":
            # Off, and turned on by the route that the policy is for.
            on = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}}
            ours = configuration.http_filters[:-1]
            for each in ours:
                each["disabled"] = True
            orders = configuration.routes[0]
            orders["typed_per_filter_config"] = {each["name"]: on for each in ours}
        return configuration

    def in_order(self, filters: list[dict]) -> list[dict]:
        """HTTP filters in the order that Envoy Gateway gives them."""
        ordered = sorted(filters, key=lambda each: ENVOY_GATEWAY_ORDER.index(_type(each)))
        for position in self.named("EnvoyProxy", "service-bus")["spec"]["filterOrder"]:
            after = position["after"].removeprefix("envoy.filters.http.")
            moved = [each for each in ordered if each["name"].startswith(position["name"])]
            if after in map(_type, ordered):
                rest = [each for each in ordered if each not in moved]
                place = max(index for index, each in enumerate(rest) if _type(each) == after) + 1
                ordered = [*rest[:place], *moved, *rest[place:]]
        return ordered


def _rank(spec: dict) -> tuple[int, int]:
    return PHASES.index(spec.get("phase", "UNSPECIFIED_PHASE")), -spec["priority"]


def _wasm_plugin(resource: dict, module: Path) -> dict:
    spec, metadata = resource["spec"], resource["metadata"]
    variables = spec["vmConfig"]["env"]
    assert all(each["valueFrom"] == "HOST" for each in variables)
    name = f"{metadata['namespace']}.{metadata['name']}"
    config = _config(name, plugin_of(resource), [each["name"] for each in variables], module)
    config["failure_policy"] = FAILURE_POLICIES[spec["failStrategy"]]
    return _filter(f"extensions.istio.io/wasmplugin/{name}", config)


def _config(name: str, plugin: dict, keys: list[str], module: Path) -> dict:
    return {
        "name": name,
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": _code(module),
            "environment_variables": {"host_env_keys": keys},
        },
        "configuration": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": json.dumps(plugin),
        },
    }


def _code(module: Path) -> dict:
    return {"local": {"filename": str(module)}}


def _filter(name: str, config: dict) -> dict:
    return {"name": name, "typed_config": {"@type": WASM, "config": config}}


def _type(http_filter: dict) -> str:
    return http_filter["name"].removeprefix("envoy.filters.http.").partition("/")[0]
