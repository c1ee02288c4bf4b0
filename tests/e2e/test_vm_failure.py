"""A VM of the module that fails: nothing is promised, and a new one takes its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from clients import http1
from clients.answer import Answer
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted
from processes.emulator import Emulator
from processes.envoy import Envoy

WAITING = 5
IDLE_SECONDS = 5


@pytest.fixture
def failing_gateway(module: Path, envoy_binary: Path, tmp_path: Path) -> Iterator[Envoy]:
    """A gateway whose module fails at each request: there is no cluster, and it may not say so."""
    # Nothing that is warned of at the start.
    route = {"name": "raw", "match": {"path": "/raw"}, "send": {"queue": "raw"}}
    configuration = GatewayConfiguration(module).add_plugin_routes([route])
    configuration.merge_plugin({"cluster": "not-there"})
    restriction = configuration.wasm["capability_restriction_config"]
    del restriction["allowed_capabilities"]["proxy_log"]
    gateway = Envoy(envoy_binary, configuration, tmp_path, concurrency=1, level="warn")
    yield gateway
    gateway.stop()


def test_the_request_of_a_failed_vm_is_refused(failing_gateway: Envoy, emulator: Emulator) -> None:
    answer = http1.request(failing_gateway.port, "POST", "/raw", body=b"x")

    assert answer.status == 503
    assert failing_gateway.access_entry(status=503)["details"] == "wasm_fail_stream"
    assert not emulator.requests()


def test_a_failed_vm_is_replaced(failing_gateway: Envoy, emulator: Emulator) -> None:
    def reloads() -> int:
        # What comes while Envoy holds back from another start is refused as well.
        assert http1.request(failing_gateway.port, "POST", "/raw", body=b"x").status == 503
        return sum(failing_gateway.stats("service_bus.vm_reload_success").values())

    failing_gateway.wait_until(reloads, "new VM")
    assert not emulator.requests()


def test_prometheus_is_told_of_a_failed_vm(failing_gateway: Envoy) -> None:
    def samples(pattern: str) -> dict[str, float]:
        text = failing_gateway.admin("/stats/prometheus")
        return {name: float(value) for name, value in re.findall(pattern, text, re.MULTILINE)}

    def counted() -> bool:
        http1.request(failing_gateway.port, "POST", "/raw", body=b"x")
        found = samples(r"^(envoy_wasm_vm_reload_\w+)\{plugin=\"service_bus\"\} (\d+)$")
        kinds = ["backoff", "failure", "success"]
        assert sorted(found) == [f"envoy_wasm_vm_reload_{kind}" for kind in kinds]
        return bool(found["envoy_wasm_vm_reload_success"] and found["envoy_wasm_vm_reload_backoff"])

    failing_gateway.wait_until(counted, "a new VM, and a wait for the next")
    errors = r"^envoy_(http_downstream_rq_xx)\{envoy_response_code_class=\"5\",.*\} (\d+)$"
    assert samples(errors)["http_downstream_rq_xx"] > 0


@pytest.fixture
def fragile_gateway(
    module: Path, emulator: Emulator, envoy_binary: Path, tmp_path: Path
) -> Iterator[Envoy]:
    """A gateway whose module fails at its first warning: it may not write to the log."""
    # Nothing that is warned of at the start.
    routes = [
        {"name": name, "match": {"path": f"/{name}"}, "send": {"queue": name}}
        for name in ("raw", "missing")
    ]
    configuration = GatewayConfiguration(module).add_plugin_routes(routes).try_once()
    configuration.send_to(emulator.port)
    configuration.connection_manager["stream_idle_timeout"] = f"{IDLE_SECONDS}s"
    restriction = configuration.wasm["capability_restriction_config"]
    del restriction["allowed_capabilities"]["proxy_log"]
    gateway = Envoy(envoy_binary, configuration, tmp_path, concurrency=1, level="warn")
    yield gateway
    gateway.stop()


def test_what_is_on_its_way_when_a_vm_fails_is_not_accepted(
    fragile_gateway: Envoy, emulator: Emulator
) -> None:
    gateway = fragile_gateway
    accepted = {assert_accepted(post(gateway, "/raw"))}
    # Service Bus stores them, and confirms them to a VM that is no more.
    emulator.arm({"delay": "3s"}, entity="raw", operation="send")
    with ExitStack() as stack:
        waiting = [stack.enter_context(http1.Connection(gateway.port)) for _ in range(WAITING)]
        for connection in waiting:
            connection.send(http1.head("POST", "/raw", [("content-length", "1")]) + b"x")
        active = "cluster.servicebus.upstream_rq_active"
        gateway.wait_until(
            lambda: gateway.stats(f"{active}$")[active] == WAITING, "sends in flight"
        )

        assert post(gateway, "/missing").status == 503
        answers = [connection.answer() for connection in waiting]

    # None has a word of the filter's.
    assert {(answer.status, answer.body) for answer in answers} == {(503, b"")}
    assert not any(answer.header("x-tracking-id") for answer in answers)
    emulator.disarm()
    accepted.add(assert_accepted(post(gateway, "/raw")))
    assert sum(gateway.stats("service_bus.vm_reload_success").values()) == 1
    stored = emulator.stored("raw")
    assert accepted <= stored.messages.keys() and stored.stored == WAITING + 2


def post(gateway: Envoy, path: str) -> Answer:
    return http1.request(gateway.port, "POST", path, body=b"x")
