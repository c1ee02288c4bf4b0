"""TLS to Service Bus, switched on as the comment in the shipped configuration says."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest
import trustme
import yaml

from clients import http1
from configuration.gateway import SHIPPED, GatewayConfiguration
from contract import assert_accepted, assert_refused
from servers.upstream import Upstream, answers

NAMESPACE = "sbemulatorns.servicebus.windows.net"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The authority that the gateway trusts."""
    return trustme.CA()


@pytest.fixture
def configuration(module: Path, authority: trustme.CA, tmp_path: Path) -> GatewayConfiguration:
    """The shipped configuration with its TLS lines in force."""
    roots = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(str(roots))
    configuration = GatewayConfiguration(module)
    socket = commented_transport_socket()
    context = socket["typed_config"]["common_tls_context"]
    context["validation_context"]["trusted_ca"]["filename"] = str(roots)
    configuration.service_bus["transport_socket"] = socket
    return configuration


def commented_transport_socket() -> dict:
    """The TLS settings that the shipped configuration holds as a comment."""
    found = re.search(r"^    # transport_socket:\n(?:    #   .*\n)+", SHIPPED.read_text(), re.M)
    assert found, "the commented transport_socket is gone"
    uncommented = re.sub(r"^    # ", "", found[0], flags=re.M)
    return yaml.safe_load(uncommented)["transport_socket"]


def served(authority: trustme.CA, name: str) -> Upstream:
    """A broker with a certificate for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return Upstream(answers("201 Created"), context)


def test_name_and_certificate_follow_the_namespace(
    launch, configuration: GatewayConfiguration, authority: trustme.CA
) -> None:
    with served(authority, NAMESPACE) as broker:
        gateway = launch(configuration.send_to(broker.port))

        assert_accepted(http1.request(gateway.port, "POST", "/orders", body=b"x"))

        assert broker.server_names == [NAMESPACE]
        assert broker.requests[0].header("host") == NAMESPACE


def test_a_wildcard_certificate_is_taken(
    launch, configuration: GatewayConfiguration, authority: trustme.CA
) -> None:
    # Service Bus shows one for *.servicebus.windows.net.
    with served(authority, "*.servicebus.windows.net") as broker:
        gateway = launch(configuration.send_to(broker.port))

        assert_accepted(http1.request(gateway.port, "POST", "/orders", body=b"x"))


def test_a_certificate_for_another_name_is_refused(
    launch, configuration: GatewayConfiguration, authority: trustme.CA
) -> None:
    with served(authority, "other.servicebus.windows.net") as broker:
        gateway = launch(configuration.send_to(broker.port))

        answer = http1.request(gateway.port, "POST", "/orders", body=b"x")

        assert_refused(answer, "broker_unreachable")
        assert not broker.requests


def test_a_certificate_of_another_authority_is_refused(
    launch, configuration: GatewayConfiguration
) -> None:
    with served(trustme.CA(), NAMESPACE) as broker:
        gateway = launch(configuration.send_to(broker.port))

        answer = http1.request(gateway.port, "POST", "/orders", body=b"x")

        assert_refused(answer, "broker_unreachable")
        assert not broker.requests


def test_a_broker_without_tls_is_not_spoken_to(launch, configuration: GatewayConfiguration) -> None:
    with Upstream(answers("201 Created")) as broker:
        gateway = launch(configuration.send_to(broker.port))

        answer = http1.request(gateway.port, "POST", "/orders", body=b"x")

        assert_refused(answer, "broker_unreachable")
        assert not broker.requests
