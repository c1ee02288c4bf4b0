"""The manifests for Istio, Envoy Gateway and Higress.

Real Envoy runs what each control plane makes of them, on the pattern of its own translation.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clients import http1
from configuration.gateway import SHIPPED, GatewayConfiguration
from configuration.manifests import NAMESPACE, OF_PLANE, Manifests, documents
from contract import assert_accepted
from processes.emulator import Emulator

PLANES = list(OF_PLANE)
PAIRS = [plane for plane in PLANES if plane != "istio-filter"]
FILES = sorted({file for files in OF_PLANE.values() for file in files})
ENVIRONMENTS = ["istio/environment.yaml", "higress/environment.yaml"]


@pytest.fixture(params=PLANES)
def manifests(request: pytest.FixtureRequest) -> Manifests:
    """The manifests of each way to install the filter."""
    return Manifests.of(request.param)


def test_an_order_becomes_a_message(
    launch, manifests: Manifests, module: Path, emulator: Emulator
) -> None:
    gateway = launch(manifests.configuration(module, emulator.port))

    with http1.Connection(gateway.port) as connection:
        fields = [("transfer-encoding", "chunked"), ("x-tenant-id", "tenant-1")]
        connection.send(http1.head("POST", "/orders", fields))
        connection.send(http1.chunk(b'{"item":') + http1.chunk(b"1}") + http1.last_chunk())
        assert_accepted(connection.answer())

    # A header that Envoy adds would be one of the properties.
    message = emulator.message("orders")
    assert message["body"] == '{"item":1}'
    assert message["broker_properties"]["Label"] == "order"
    assert message["properties"] == {"source": "web", "priority": 5, "x-tenant-id": "tenant-1"}

    # What no route names goes on to the gateway's own routes.
    assert http1.request(gateway.port, "POST", "/other", body=b"{}").status == 404


def test_envoy_gateway_asks_for_permission_before_it_sends(
    launch, module: Path, emulator: Emulator
) -> None:
    manifests = Manifests.of("envoy-gateway")
    configuration = manifests.configuration(module, emulator.port)
    filters = configuration.http_filters
    filters.insert(0, denies_header("x-deny"))
    configuration.http_filters[:] = manifests.in_order(filters)
    gateway = launch(configuration)

    assert_accepted(http1.request(gateway.port, "POST", "/orders", body=b"{}"))
    emulator.reset()

    refused = http1.request(gateway.port, "POST", "/orders", [("x-deny", "1")], b"{}")
    assert refused.status == 403
    assert not emulator.requests()


def test_senders_name_the_cluster_that_their_manifests_make(manifests: Manifests) -> None:
    assert manifests.plugins()[0]["cluster"] == manifests.cluster(1)["name"]
    assert manifests.plugins()[0]["namespace"] == NAMESPACE


def test_envoy_adds_nothing_to_messages(manifests: Manifests) -> None:
    shipped = GatewayConfiguration(Path("module.wasm")).service_bus
    options = "typed_extension_protocol_options"
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    assert (
        manifests.cluster(1)[options][name]["http_filters"]
        == shipped[options][name]["http_filters"]
    )


@pytest.mark.parametrize("file", [*FILES, *ENVIRONMENTS])
def test_each_file_tells_what_it_was_written_for(file: str) -> None:
    head = (SHIPPED.parent / file).read_text().partition("\n\n")[0]
    text = " ".join(line.lstrip("# ") for line in head.splitlines())
    assert re.search(r"[Ww]ritten for (Istio|Envoy Gateway|Higress) \d+\.\d+", text)


def test_istio_makes_the_cluster_of_its_service_entry() -> None:
    manifests = Manifests.of("istio")
    [entry] = manifests.kind("ServiceEntry")
    [rule] = manifests.kind("DestinationRule")
    [settings] = rule["spec"]["trafficPolicy"]["portLevelSettings"]
    [port] = entry["spec"]["ports"]

    assert entry["spec"]["hosts"] == [NAMESPACE] == [rule["spec"]["host"]]
    assert (port["number"], port["protocol"]) == (443, "HTTP")
    assert settings["port"]["number"] == 443
    assert settings["tls"]["mode"] == "SIMPLE"
    assert settings["tls"]["sni"] == NAMESPACE
    assert settings["tls"]["subjectAltNames"] == [NAMESPACE]
    name = manifests.plugins()[0]["cluster"]
    assert name == f"outbound|{port['number']}||{entry['spec']['hosts'][0]}"


def test_envoy_gateway_makes_the_cluster_of_its_route() -> None:
    manifests = Manifests.of("envoy-gateway")
    cluster = manifests.plugins()[0]["cluster"]
    namespace, name = cluster.removeprefix("httproute/").removesuffix("/rule/0").split("/")
    route = manifests.named("HTTPRoute", name)
    [rule] = route["spec"]["rules"]
    backend = manifests.named("Backend", rule["backendRefs"][0]["name"])
    policy = manifests.named("BackendTLSPolicy", backend["metadata"]["name"])

    assert route["metadata"]["namespace"] == namespace
    assert backend["spec"]["endpoints"] == [{"fqdn": {"hostname": NAMESPACE, "port": 443}}]
    assert policy["spec"]["validation"]["hostname"] == NAMESPACE
    # Nobody may use the route itself.
    [guard] = manifests.kind("SecurityPolicy")
    assert guard["spec"]["targetRefs"][0]["name"] == name
    assert guard["spec"]["authorization"] == {"defaultAction": "Deny"}


def test_higress_makes_the_cluster_of_its_registry() -> None:
    manifests = Manifests.of("higress")
    [bridge] = manifests.kind("McpBridge")
    [registry] = bridge["spec"]["registries"]

    assert manifests.plugins()[0]["cluster"] == f"outbound|443||{registry['name']}.dns"
    assert (registry["domain"], registry["sni"], registry["protocol"]) == (
        *(NAMESPACE, NAMESPACE),
        "https",
    )


@pytest.mark.parametrize("plane", PAIRS)
def test_the_gate_comes_last_and_holds_what_the_sender_takes(plane: str) -> None:
    sender, gate = Manifests.of(plane).plugins()

    assert sender["header_mode"] == "continue"
    assert "role" not in sender
    conditions = [{"name": each["name"], "match": each["match"]} for each in sender["routes"]]
    assert gate == {"role": "gate", "routes": conditions}


def test_the_whole_filter_has_what_plugins_cannot_say() -> None:
    [wasm] = Manifests.of("istio-filter").filters(Path("module.wasm"))
    config = wasm["typed_config"]["config"]

    assert config["allow_on_headers_stop_iteration"] is True
    assert config["failure_policy"] == "FAIL_RELOAD"
    shipped = GatewayConfiguration(Path("module.wasm")).wasm
    restriction = "capability_restriction_config"
    assert config[restriction] == shipped[restriction]


def test_secrets_come_from_the_environment(manifests: Manifests) -> None:
    variable = manifests.plugins()[0]["credentials"]["connection_string"]["env"]
    for wasm in manifests.filters(Path("module.wasm"))[:1]:
        vm = wasm["typed_config"]["config"]["vm_config"]
        assert vm["environment_variables"]["host_env_keys"] == [variable]

    if manifests.plane == "envoy-gateway":
        kubernetes = manifests.kind("EnvoyProxy")[0]["spec"]["provider"]["kubernetes"]
        container = kubernetes["envoyDeployment"]["container"]
    else:
        folder = manifests.plane.partition("-")[0]
        [patch] = documents(f"{folder}/environment.yaml")
        [container] = patch["spec"]["template"]["spec"]["containers"]
    [entry] = container["env"]
    assert entry["name"] == variable
    assert entry["valueFrom"] == {
        "secretKeyRef": {"name": "service-bus", "key": "connection-string"}
    }


def denies_header(name: str) -> dict:
    """Envoy's authorization, which refuses requests with this header."""
    matches = {"header": {"name": name, "present_match": True}}
    policy = {"permissions": [{"any": True}], "principals": [matches]}
    rbac = "envoy.extensions.filters.http.rbac.v3.RBAC"
    return {
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": f"type.googleapis.com/{rbac}",
            "rules": {"action": "DENY", "policies": {"denied": policy}},
        },
    }
