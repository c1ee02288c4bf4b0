"""The token goes only to who shows the right certificate."""

from __future__ import annotations

import ssl

import trustme

from clients import http1
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from relay import Relay
from servers.upstream import Upstream, answers
from shipped import NAMESPACE, Resources, plugins


def sending_once(found: Resources) -> None:
    """Failures do not add up: neither retries nor the circuit breaker are what is tested."""
    for plugin in plugins(found):
        if plugin.get("role") != "gate":
            plugin["delivery"] = {
                "retries": {"max": 0},
                "circuit_breaker": {"failures": 0},
                # So that the cluster's connect timeout ends a handshake first.
                "timeout": "60s",
                "attempt_timeout": "60s",
            }


def served(authority: trustme.CA, name: str) -> Upstream:
    """A broker that takes everything, with a certificate for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return Upstream(answers("201 Created"), context)


def test_nothing_is_sent_to_somebody_else(
    gateways,
    way: str,
    envoy_binary,
    emulator: Emulator,
    registry,
    relay: Relay,
    authority: trustme.CA,
) -> None:
    gateway = gateways.get(way, envoy_binary, sending_once)

    def order():
        return http1.request(gateway.port, "POST", "/orders", body=b"{}")

    impostors = {
        "another name": served(authority, "fabrikam.servicebus.windows.net"),
        "another authority": served(trustme.CA(), NAMESPACE),
        "no TLS": Upstream(answers("201 Created")),
    }
    for what, impostor in impostors.items():
        with impostor:
            relay.lead_to(impostor.port)
            assert_refused(order(), "broker_unreachable")
            assert not impostor.requests, what
    assert not emulator.requests()

    # Service Bus shows a wildcard.
    with served(authority, "*.servicebus.windows.net") as broker:
        relay.lead_to(broker.port)
        assert_accepted(order())
        assert [each.header("host") for each in broker.requests] == [NAMESPACE]
        assert set(broker.server_names) == {NAMESPACE}

    relay.lead_to(relay.home)
    assert_accepted(order())
    gateway.check_vms()
