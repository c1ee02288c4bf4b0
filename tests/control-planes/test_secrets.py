"""The secret comes from the proxy's environment, and shows nowhere."""

from __future__ import annotations

import yaml

from clients import http1
from conftest import CONNECTION_STRING, VARIABLES
from contract import assert_accepted
from processes.emulator import Emulator
from processes.program import ROOT
from proxy import Proxy
from shipped import of_kind, resources

KEY = "SAS_KEY_VALUE"


def test_the_secret_shows_nowhere(gateway: Proxy, emulator: Emulator) -> None:
    assert_accepted(http1.request(gateway.port, "POST", "/orders", body=b"{}"))

    for text in (
        gateway.admin("/config_dump?include_eds"),
        gateway.admin("/stats"),
        gateway.admin("/clusters"),
        gateway.log(),
    ):
        assert KEY not in text
        assert "SharedAccessSignature" not in text


def test_without_the_secret_nothing_passes(
    gateways, way: str, envoy_binary, emulator: Emulator, registry, relay
) -> None:
    gateway = gateways.get(way, envoy_binary, variables={})
    # The module says what it lacks, and Envoy has no filter to run.
    gateway.wait_until(lambda: "SB_CONNECTION_STRING" in gateway.log(), "line on the variable")

    answer = http1.request(gateway.port, "POST", "/orders", body=b"{}")

    assert answer.status in (403, 500, 503), answer
    assert not emulator.requests()


def test_the_environment_is_that_of_the_gateway(way: str) -> None:
    if way == "envoy-gateway":
        [proxy] = of_kind(resources(way), "EnvoyProxy")
        container = proxy["spec"]["provider"]["kubernetes"]["envoyDeployment"]["container"]
    else:
        folder = "higress" if way == "higress" else "istio"
        patch = yaml.safe_load((ROOT / "envoy" / folder / "environment.yaml").read_text())
        [container] = patch["spec"]["template"]["spec"]["containers"]
    [entry] = container["env"]
    assert {entry["name"]} == set(VARIABLES), CONNECTION_STRING
    assert entry["valueFrom"] == {
        "secretKeyRef": {"name": "service-bus", "key": "connection-string"}
    }
