"""What Envoy's statistics tell of the filter's work."""

from __future__ import annotations

from collections.abc import Callable

from clients import http1
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy

NAMESPACE = "namespace.sbemulatorns_servicebus_windows_net"
RAW = "route.raw.entity.raw"
MISSING = "route.missing.entity.no-such-queue"


def metrics(gateway: Envoy) -> dict[str, int]:
    """Counters and gauges of the filter, by their names without Envoy's part."""
    found = gateway.stats(r"^wasmcustom\.service_bus\.")
    return {name.removeprefix("wasmcustom.service_bus."): value for name, value in found.items()}


def post(gateway: Envoy, path: str, body: bytes = b"x"):
    return http1.request(gateway.port, "POST", path, body=body)


def test_requests_are_counted_by_route_entity_and_outcome(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    gateway: Envoy = launch(configure())
    for _ in range(3):
        assert_accepted(post(gateway, "/raw", b"12345"))
    emulator.arm({"status": 503, "detail": "busy"}, entity="raw", count=1)
    assert_refused(post(gateway, "/raw"), "throttled")
    assert_refused(post(gateway, "/missing"), "entity_not_found")
    unfit = http1.request(gateway.port, "POST", "/raw", [("idempotency-key", "é")], body=b"x")
    assert unfit.status == 400
    found = metrics(gateway)
    assert {name: count for name, count in found.items() if name.endswith(".requests")} == {
        f"{RAW}.outcome.accepted.destination.primary.requests": 3,
        f"{RAW}.outcome.throttled.destination.primary.requests": 1,
        "route.raw.entity.none.outcome.invalid_message.destination.primary.requests": 1,
        f"{MISSING}.outcome.entity_not_found.destination.primary.requests": 1,
    }
    assert found[f"{NAMESPACE}.callouts"] == 5
    assert found[f"{NAMESPACE}.bytes_sent"] == 17


def test_durations_are_a_histogram(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    gateway: Envoy = launch(configure())
    for _ in range(3):
        assert_accepted(post(gateway, "/raw"))
    # Envoy leaves out its own prefix and `wasmcustom` there.
    name = 'service_bus_duration_milliseconds_count{route="raw"}'

    def recorded() -> bool:
        lines = gateway.admin("/stats/prometheus?filter=duration_milliseconds").split("\n")
        return any(line.startswith(name) and line.endswith(" 3") for line in lines)

    # Envoy merges the workers' histograms from time to time.
    gateway.wait_until(recorded, "three durations")


def test_what_is_on_its_way_is_seen_and_then_gone(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    made = configure().merge_plugin({"delivery": {"timeout": "60s", "attempt_timeout": "60s"}})
    gateway: Envoy = launch(made)
    emulator.arm({"stall": True}, entity="raw")
    clients = [http1.Connection(gateway.port) for _ in range(5)]
    for client in clients:
        client.send(http1.head("POST", "/raw", [("content-length", "3")]) + b"abc")
    gateway.wait_until(lambda: metrics(gateway).get("in_flight") == 5, "five in flight")
    assert metrics(gateway)["buffered_bytes"] >= 15
    for client in clients:
        client.close()
    gateway.wait_until(
        lambda: metrics(gateway).get("route.raw.clients_gone") == 5, "five clients that left"
    )
    # Their messages are followed to the end all the same.
    assert metrics(gateway)["in_flight"] == 5
