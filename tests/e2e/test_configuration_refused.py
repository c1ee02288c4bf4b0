"""A configuration that cannot work is refused before it serves, with every reason in the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients import http1
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted
from processes import envoy
from servers.upstream import Upstream

# How Envoy itself says that it will not start.
REFUSED = "Unable to create Wasm plugin service_bus"


@pytest.fixture
def configuration(module: Path) -> GatewayConfiguration:
    return GatewayConfiguration(module)


def refusal(envoy_binary: Path, configuration: GatewayConfiguration, folder: Path) -> str:
    """The output of `envoy --mode validate`, which must fail."""
    done = envoy.validate(envoy_binary, configuration, folder)
    assert done.returncode != 0, done.stderr
    assert REFUSED in done.stderr
    return done.stderr


def test_the_shipped_configuration_is_valid(
    envoy_binary: Path, configuration: GatewayConfiguration, tmp_path: Path
) -> None:
    done = envoy.validate(envoy_binary, configuration, tmp_path)

    assert done.returncode == 0, done.stderr
    assert "OK" in done.stdout
    # Neither the filter nor Envoy finds anything worth a warning, but that Envoy 1.40 has another
    # place for this, which 1.36 does not know.
    warnings = [line for line in done.stderr.split("\n") if "[warning]" in line]
    known = "Using deprecated option 'envoy.extensions.wasm.v3.PluginConfig.capability_restriction"
    assert [line for line in warnings if known not in line] == []


def test_every_mistake_is_told_with_its_place(
    envoy_binary: Path, configuration: GatewayConfiguration, tmp_path: Path
) -> None:
    plugin = configuration.plugin
    plugin["delivery"]["timeout"] = "soon"
    plugin["routes"][0]["send"]["broker_properties"]["SequenceNumber"] = "1"
    plugin["routes"][1]["send"]["topic"] = "events"
    plugin["routes"][2]["name"] = "orders"
    plugin["batches"] = True
    configuration.plugin = plugin

    output = refusal(envoy_binary, configuration, tmp_path)

    assert 'delivery.timeout: expected a duration such as "30s", found "soon"' in output
    assert (
        "routes[0].send.broker_properties.SequenceNumber: SequenceNumber is read-only: "
        "Service Bus sets it" in output
    )
    assert "routes[1].send: expected exactly one of queue, topic" in output
    assert 'routes[2].name: the name "orders" is taken by an earlier route' in output
    assert "batches: " in output


def test_a_mistake_in_an_expression_is_pointed_at(
    envoy_binary: Path, configuration: GatewayConfiguration, tmp_path: Path
) -> None:
    plugin = configuration.plugin
    properties = plugin["routes"][0]["send"]["properties"]
    properties["tenant"] = "of ${request.haeders['x-tenant']}"
    properties["sum"] = "${1 + }"
    configuration.plugin = plugin

    output = refusal(envoy_binary, configuration, tmp_path)

    assert (
        "routes[0].send.properties.tenant: at offset 5: unknown name `request.haeders`, expected "
        "one of body, headers, host, id, json, method, path, query, scheme, size, time, url_path"
    ) in output
    assert "routes[0].send.properties.sum: at offset 6: Syntax error" in output


def test_a_struct_is_explained(
    envoy_binary: Path, configuration: GatewayConfiguration, tmp_path: Path
) -> None:
    configuration.wasm["configuration"] = {
        "@type": "type.googleapis.com/google.protobuf.Struct",
        "value": configuration.plugin,
    }

    output = refusal(envoy_binary, configuration, tmp_path)

    assert (
        "the configuration must be a google.protobuf.StringValue that holds a JSON object; "
        "Envoy passes a google.protobuf.Struct on as protobuf bytes" in output
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the configuration must be a google.protobuf.StringValue that holds a JSON object"),
        ("[]", "the configuration must be a google.protobuf.StringValue that holds a JSON object"),
        ("{", "not JSON: EOF while parsing an object at line 1 column 1"),
        ("{}", "namespace: "),
    ],
    ids=["empty", "list", "cut", "no members"],
)
def test_what_is_no_configuration_is_explained(
    envoy_binary: Path, configuration: GatewayConfiguration, tmp_path: Path, text: str, reason: str
) -> None:
    configuration.plugin_text = text

    assert reason in refusal(envoy_binary, configuration, tmp_path)


def test_a_variable_that_the_module_does_not_see_is_named(
    envoy_binary: Path, configuration: GatewayConfiguration, tmp_path: Path
) -> None:
    del configuration.wasm["vm_config"]["environment_variables"]

    output = refusal(envoy_binary, configuration, tmp_path)

    assert (
        "credentials.connection_string.env: the environment variable SB_CONNECTION_STRING is not "
        "set for the module; name it in vm_config.environment_variables.host_env_keys" in output
    )


def test_another_namespace_than_the_connection_strings_is_refused(
    envoy_binary: Path, configuration: GatewayConfiguration, tmp_path: Path
) -> None:
    configuration.merge_plugin({"namespace": "contoso.servicebus.windows.net"})

    output = refusal(envoy_binary, configuration, tmp_path)

    assert (
        'is for the namespace "sbemulatorns.servicebus.windows.net", '
        'but `namespace` is "contoso.servicebus.windows.net"' in output
    )


def test_a_key_in_the_configuration_is_warned_about_and_not_shown(
    envoy_binary: Path, configuration: GatewayConfiguration, tmp_path: Path
) -> None:
    key = "Y2FuYXJ5LXRoYXQtbXVzdC1ub3Qtc2luZw=="
    sas = {"key_name": "send-only", "key": {"inline": key}}
    configuration.merge_plugin({"credentials": {"connection_string": None, "sas": sas}})

    done = envoy.validate(envoy_binary, configuration, tmp_path)

    assert done.returncode == 0, done.stderr
    assert "credentials.sas.key" in done.stderr
    assert "[warning]" in done.stderr
    assert key not in done.stdout + done.stderr


def test_a_gate_needs_only_what_it_matches(
    launch, configuration: GatewayConfiguration, broker: Upstream
) -> None:
    gate = configuration.gate()
    text = '{"role": "gate", "routes": [{"match": {"methods": ["POST"], "path": "/orders"}}]}'
    gate["typed_config"]["config"]["configuration"]["value"] = text
    configuration.add_filter(gate).merge_plugin({"header_mode": "continue"})
    gateway = launch(configuration.send_to(broker.port))

    assert_accepted(http1.request(gateway.port, "POST", "/orders", body=b"x"))
