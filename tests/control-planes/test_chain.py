"""Order in the chain: what the gateway refuses never reaches the filter."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from clients import http1
from clients.tokens import AUDIENCE, ISSUER, Issuer, bearer, unsigned
from contract import assert_accepted
from processes.emulator import Emulator
from proxy import Proxy
from shipped import Resources, plugins

TOKENS = Issuer()
GATEWAYS = {"higress": "higress-system", "envoy-gateway": "default"}
ALLOWED = 3


def guarded_by_istio(found: Resources) -> None:
    """Requests need a token, and one for `alice`."""
    namespace = found[0]["metadata"]["namespace"]
    rule = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": json.dumps(TOKENS.keys)}
    who = {"principals": [], "requestPrincipals": [f"{ISSUER}/alice"]}
    found += [
        {
            "apiVersion": "security.istio.io/v1",
            "kind": kind,
            "metadata": {"name": "tokens", "namespace": namespace},
            "spec": spec,
        }
        for kind, spec in {
            "RequestAuthentication": {"jwtRules": [rule]},
            "AuthorizationPolicy": {
                "action": "ALLOW",
                "rules": [{"from": [{"source": {"requestPrincipals": who["requestPrincipals"]}}]}],
            },
        }.items()
    ]
    tell_who(found)


def guarded_by_envoy_gateway(found: Resources) -> None:
    """Requests need a token, and one for `alice`; of those, some are let through."""
    route = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "orders"}
    provider = {
        "name": "entra",
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "localJWKS": {"type": "Inline", "inline": json.dumps(TOKENS.keys)},
    }
    claim = {"name": "sub", "values": ["alice"]}
    permit = {"action": "Allow", "principal": {"jwt": {"provider": "entra", "claims": [claim]}}}
    limit = {"limit": {"requests": ALLOWED, "unit": "Hour"}}
    found += [
        {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": "orders", "namespace": "default"},
            "spec": {"targetRefs": [route], **spec},
        }
        for kind, spec in {
            "SecurityPolicy": {
                "jwt": {"providers": [provider]},
                "authorization": {"defaultAction": "Deny", "rules": [permit]},
            },
            "BackendTrafficPolicy": {
                "rateLimit": {"type": "Local", "local": {"rules": [limit]}},
            },
        }.items()
    ]
    tell_who(found)


def tell_who(found: Resources) -> None:
    """Puts the token's subject into the message."""
    for plugin in plugins(found):
        for route in plugin["routes"]:
            if "send" in route:
                route["send"]["properties"]["who"] = "${jwt.sub}"


@pytest.fixture
def guarded(
    gateways, way: str, envoy_binary, emulator: Emulator, registry, relay
) -> Iterator[Proxy]:
    """A gateway that asks for a token and for permission."""
    change = guarded_by_envoy_gateway if way == "envoy-gateway" else guarded_by_istio
    proxy = gateways.get(way, envoy_binary, change, workers=1)
    proxy.wait_until(lambda: any("rbac" in each["name"] for each in proxy.filters()), "rbac")
    yield proxy
    proxy.check_vms()


def order(gateway: Proxy, *tokens: str):
    fields = [bearer(token) for token in tokens]
    return http1.request(gateway.port, "POST", "/orders", fields, b"{}")


def test_only_who_is_let_in_becomes_a_message(guarded: Proxy, way: str, emulator: Emulator) -> None:
    good = TOKENS.token("alice")
    refused = {
        "none": order(guarded).status,
        "unsigned": order(guarded, unsigned(good)).status,
        "of another issuer": order(guarded, Issuer().token("alice")).status,
        "for another audience": order(guarded, TOKENS.token("alice", aud="api://other")).status,
        "old": order(guarded, TOKENS.token("alice", exp=1)).status,
        "of somebody else": order(guarded, TOKENS.token("bob")).status,
    }
    nobody = 401 if way == "envoy-gateway" else 403
    assert refused.pop("none") == nobody
    assert refused.pop("of somebody else") == 403
    assert set(refused.values()) <= {401, 403}, refused
    assert not emulator.requests()

    assert_accepted(order(guarded, good))
    assert emulator.message("orders")["properties"] == {
        "source": "web",
        "priority": 5,
        "who": "alice",
    }

    if way == "envoy-gateway":
        answers = [order(guarded, good).status for _ in range(ALLOWED)]
        assert answers == [202] * (ALLOWED - 1) + [429]
        assert len(emulator.messages("orders")) == ALLOWED


def test_the_filters_stand_after_what_refuses(guarded: Proxy, way: str) -> None:
    names = [each["name"] for each in guarded.filters()]
    ours = [index for index, each in enumerate(guarded.filters()) if "vm_config" in str(each)]
    refusing = [
        index
        for index, name in enumerate(names)
        if any(each in name for each in ("jwt_authn", "rbac", "local_ratelimit"))
    ]
    assert len(refusing) == (3 if way == "envoy-gateway" else 2), names
    assert max(refusing) < min(ours), names
