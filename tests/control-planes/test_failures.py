"""What the page on Kubernetes says of each failure."""

from __future__ import annotations

import pytest

from clients import http1
from contract import assert_refused
from processes.emulator import Emulator
from shipped import ISTIO, Resources, of_kind, plugins


def another_cluster(found: Resources) -> None:
    for plugin in plugins(found):
        if plugin.get("role") != "gate":
            plugin["cluster"] += "x"


def headers_left(found: Resources) -> None:
    """Takes the patch away that removes headers; the names in TLS stay."""
    for each in of_kind(found, "EnvoyFilter"):
        patches = each["spec"]["configPatches"]
        patches[:] = [one for one in patches if "typed_extension_protocol" not in str(one)]
    empty = [each for each in of_kind(found, "EnvoyFilter") if not each["spec"]["configPatches"]]
    for each in [*empty, *of_kind(found, "EnvoyPatchPolicy")]:
        found.remove(each)


def no_gate(found: Resources) -> None:
    for each in list(found):
        if each["metadata"]["name"] == "service-bus-gate":
            found.remove(each)
        elif each["kind"] == "EnvoyExtensionPolicy":
            del each["spec"]["wasm"][1:]


def order(gateways, way, envoy_binary, change):
    gateway = gateways.get(way, envoy_binary, change)
    gateway.wait_until(gateway.plugins, "filter")
    return http1.request(gateway.port, "POST", "/orders", body=b"{}")


def test_a_cluster_that_is_nowhere(
    gateways, way: str, envoy_binary, emulator: Emulator, registry, relay
) -> None:
    assert_refused(order(gateways, way, envoy_binary, another_cluster), "misconfigured")
    assert not emulator.requests()


def test_headers_that_are_left_on(
    gateways, way: str, envoy_binary, emulator: Emulator, registry, relay
) -> None:
    # Service Bus would take them for properties; the emulator refuses them.
    assert_refused(order(gateways, way, envoy_binary, headers_left), "message_rejected")
    assert not emulator.messages("orders")


@pytest.mark.parametrize("way", [*ISTIO[1:], "envoy-gateway"], scope="session")
def test_a_gate_that_is_missing(
    gateways, way: str, envoy_binary, emulator: Emulator, registry, relay
) -> None:
    # The request goes on before its message is stored, to where it must fail.
    answer = order(gateways, way, envoy_binary, no_gate)
    assert answer.status == (503 if way == "envoy-gateway" else 404)
    assert answer.header("x-tracking-id") is None
