"""Claims of a verified token, however Envoy's jwt_authn is told to leave them."""

from __future__ import annotations

import json

import pytest

from clients import http1
from clients.tokens import AUDIENCE, ISSUER, Issuer, bearer
from configuration.gateway import GatewayConfiguration
from conftest import Launch
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy

ROUTE = {
    "name": "user",
    "match": {"path": "/user"},
    "send": {"queue": "raw", "broker_properties": {"SessionId": "${jwt.sub}"}},
}
MISSING = "broker_properties.SessionId is missing from the request"


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """Signs the tokens."""
    return Issuer()


def jwt_authn(issuer: Issuer, **metadata: str) -> dict:
    """Envoy's filter that verifies tokens, and the keys that it writes metadata under."""
    name = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
    provider = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": {"inline_string": json.dumps(issuer.keys)},
        **metadata,
    }
    config = {
        "@type": f"type.googleapis.com/{name}",
        "providers": {"p": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}],
    }
    return {"name": "envoy.filters.http.jwt_authn", "typed_config": config}


def start(
    launch: Launch, configuration: GatewayConfiguration, authn: dict, key: str | None = None
) -> Envoy:
    configuration.add_plugin_routes([ROUTE])
    if key is not None:
        configuration.merge_plugin({"jwt_payload_key": key})
    configuration.http_filters.insert(0, authn)
    return launch(configuration, concurrency=1)


def post(gateway: Envoy, issuer: Issuer):
    return http1.request(gateway.port, "POST", "/user", [bearer(issuer.token("alice"))], b"x")


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        # Envoy's documentation, Istio, and a provider's own name; the header's key sorts first.
        ({"payload_in_metadata": "jwt_payload", "header_in_metadata": "a_header"}, None),
        ({"payload_in_metadata": "payload", "header_in_metadata": "header"}, None),
        ({"payload_in_metadata": "auth0"}, None),
        ({"payload_in_metadata": "auth0", "header_in_metadata": "a_header"}, "auth0"),
    ],
)
def test_claims_are_what_the_token_says(
    launch: Launch, configure, emulator: Emulator, issuer: Issuer, metadata: dict, key: str | None
) -> None:
    gateway = start(launch, configure(), jwt_authn(issuer, **metadata), key)

    assert_accepted(post(gateway, issuer))

    assert emulator.message("raw")["broker_properties"]["SessionId"] == "alice"


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ({"payload_in_metadata": "auth0", "header_in_metadata": "a_header"}, None),
        ({"payload_in_metadata": "auth0"}, "another"),
        ({}, None),
    ],
)
def test_what_may_be_something_else_is_no_claim(
    launch: Launch, configure, emulator: Emulator, issuer: Issuer, metadata: dict, key: str | None
) -> None:
    gateway = start(launch, configure(), jwt_authn(issuer, **metadata), key)

    assert_refused(post(gateway, issuer), "invalid_message", detail=MISSING)

    assert emulator.messages("raw") == []
