"""Images that cannot be had: nothing passes unsent, and what the client is told."""

from __future__ import annotations

import pytest

from clients import http1
from conftest import TAG
from processes.emulator import Emulator
from registry import Image, Registry
from shipped import Resources, replace

WRONG = f"sha256:{'0' * 64}"
ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "other", "namespace": "default"},
    "spec": {
        "parentRefs": [{"name": "gateway"}],
        "rules": [
            {
                "matches": [{"path": {"type": "Exact", "value": "/alive"}}],
                "filters": [
                    {
                        "type": "ExtensionRef",
                        "extensionRef": {
                            "group": "gateway.envoyproxy.io",
                            "kind": "HTTPRouteFilter",
                            "name": "alive",
                        },
                    }
                ],
            }
        ],
    },
}
ALIVE = {
    "apiVersion": "gateway.envoyproxy.io/v1alpha1",
    "kind": "HTTPRouteFilter",
    "metadata": {"name": "alive", "namespace": "default"},
    "spec": {"directResponse": {"statusCode": 200, "body": {"type": "Inline", "inline": "alive"}}},
}


def other_route(found: Resources) -> None:
    """A route of the gateway that has nothing to do with the filter; Istio's has one already."""
    if any(each["kind"] == "EnvoyExtensionPolicy" for each in found):
        found += [ROUTE, ALIVE]


def by_digest(found: Resources) -> None:
    """Names the image by a digest that is not its own."""
    other_route(found)
    replace(found, f"envoy-service-bus:{TAG}", f"envoy-service-bus@{WRONG}")


@pytest.mark.parametrize("what", ["no image", "another digest", "no module"])
def test_nothing_passes_where_the_image_cannot_be_had(
    gateways, way: str, envoy_binary, emulator: Emulator, registry: Registry, image, relay, what
) -> None:
    change = other_route
    if what == "no image":
        registry.images = {}
    elif what == "another digest":
        change = by_digest
        registry.images = {WRONG: image}
    else:
        registry.images = {TAG: Image.with_module(b"this is no module")}
    asked = len(registry.requests)
    gateways.stop()
    gateway = gateways.get(way, envoy_binary, change)
    gateway.wait_until(lambda: len(registry.requests) > asked, "request for the image")

    def status(path: str) -> int:
        return http1.request(gateway.port, "POST", path, body=b"{}").status

    def alive() -> int:
        return http1.request(gateway.port, "GET", "/alive").status

    if way == "envoy-gateway":
        # A refusal of the routes that the policy is for; others live.
        gateway.wait_until(lambda: status("/orders") == 500, "refusal")
        gateway.wait_until(lambda: alive() == 200, "answer of the other route")
    else:
        # Istio's agent refuses for the whole gateway.
        gateway.wait_until(lambda: status("/orders") == 403, "refusal")
        assert alive() == 403
    assert status("/orders") in (403, 500)
    assert not emulator.requests()
    assert not emulator.messages("orders")
    # The next test needs a gateway that has not seen this.
    gateways.stop()
