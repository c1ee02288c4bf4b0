"""Without one of the powers on the shipped list, a gateway does not pretend to work.

That the list is enough is shown by all other tests: their gateways have it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clients import http1
from configuration.gateway import GatewayConfiguration
from contract import assert_refused
from processes.emulator import Emulator
from processes.envoy import validate

BODY = b"x"


@pytest.fixture
def without(configure: Callable[[], GatewayConfiguration]) -> Callable[[str], GatewayConfiguration]:
    """Makes the shipped configuration with one capability taken off its list."""

    def make(capability: str) -> GatewayConfiguration:
        configuration = configure()
        allowed = configuration.wasm["capability_restriction_config"]["allowed_capabilities"]
        del allowed[capability]
        return configuration

    return make


def test_a_filter_that_may_not_send_says_so(launch, without, emulator: Emulator) -> None:
    gateway = launch(without("proxy_http_call"))

    answer = http1.request(gateway.port, "POST", "/raw", body=BODY)

    assert_refused(answer, "broker_unreachable")
    assert not emulator.requests()


def test_a_filter_that_gets_no_request_lets_none_through(
    launch, without, emulator: Emulator
) -> None:
    gateway = launch(without("proxy_on_request_headers"))

    # Envoy's route for what the filter should have answered leads nowhere.
    assert http1.request(gateway.port, "POST", "/orders", body=BODY).status == 503
    assert not emulator.requests()


@pytest.mark.parametrize("capability", ["environ_get", "proxy_get_buffer_bytes", "random_get"])
def test_a_filter_that_cannot_start_keeps_envoy_from_starting(
    without, envoy_binary: Path, tmp_path: Path, capability: str
) -> None:
    result = validate(envoy_binary, without(capability), tmp_path)

    assert result.returncode == 1
    assert "Unable to create Wasm plugin service_bus" in result.stderr
