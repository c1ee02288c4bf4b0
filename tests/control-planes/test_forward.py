"""`forward`: requests go on once their message is stored; a gate, which cannot, refuses."""

from __future__ import annotations

import pytest

from clients import http1
from processes.emulator import Emulator
from servers.echo import Echo, echoed
from shipped import ISTIO, Change, Resources, plugins

BODY = b'{"item":1}'
BACKEND = "backend.example"


def forwarding(found: Resources) -> None:
    """The routes of sender and gate go on to a backend."""
    for plugin in plugins(found):
        for route in plugin["routes"]:
            route["forward"] = {"headers": {"x-who": "web"}}


def to_backend(port: int) -> Change:
    def change(found: Resources) -> None:
        forwarding(found)
        namespace = found[0]["metadata"]["namespace"]
        route = {
            "match": [{"uri": {"exact": "/orders"}}],
            "route": [{"destination": {"host": BACKEND, "port": {"number": 80}}}],
        }
        specs = {
            "ServiceEntry": {
                "hosts": [BACKEND],
                "location": "MESH_EXTERNAL",
                "resolution": "STATIC",
                "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
                "endpoints": [{"address": "127.0.0.1", "ports": {"http": port}}],
            },
            "VirtualService": {"hosts": ["*"], "gateways": ["gateway"], "http": [route]},
        }
        found += [
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": kind,
                "metadata": {"name": "backend", "namespace": namespace},
                "spec": spec,
            }
            for kind, spec in specs.items()
        ]

    return change


@pytest.mark.parametrize("way", ["istio-filter"], scope="session")
def test_the_request_goes_on_after_its_message(
    gateways, way: str, envoy_binary, emulator: Emulator, registry, relay
) -> None:
    with Echo() as backend:
        gateway = gateways.get(way, envoy_binary, to_backend(backend.port))

        fields = [("x-tenant-id", "tenant-1"), ("x-who", "forged"), ("x-tracking-id", "forged")]
        seen = echoed(http1.request(gateway.port, "POST", "/orders", fields, BODY))

        assert seen.body == BODY
        assert seen.header("x-who") == "web"
        message = emulator.message("orders")
        assert seen.header("x-tracking-id") == message["broker_properties"]["MessageId"]
        assert message["properties"] == {"source": "web", "priority": 5, "x-tenant-id": "tenant-1"}

        # Without a message nothing goes on.
        emulator.reset()
        backend.requests.clear()
        emulator.arm({"status": 401}, entity="orders", operation="send")
        assert http1.request(gateway.port, "POST", "/orders", body=BODY).status == 503
        assert not backend.requests
        gateway.check_vms()
    gateways.stop()


@pytest.mark.parametrize("way", [*ISTIO[1:], "envoy-gateway"], scope="session")
def test_a_gate_refuses_what_would_go_on(
    gateways, way: str, envoy_binary, emulator: Emulator, registry, relay
) -> None:
    gateway = gateways.get(way, envoy_binary, forwarding)
    gateway.wait_until(lambda: "a gate cannot be woken" in gateway.log(), "line of the refusal")

    answer = http1.request(gateway.port, "POST", "/orders", body=BODY)

    assert answer.status in (500, 503), answer
    assert not emulator.requests()
    gateways.stop()
