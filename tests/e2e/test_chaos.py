"""Everything at once: no client is told a thing that the broker does not confirm."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from configuration import chaos
from configuration.gateway import GatewayConfiguration
from processes.emulator import Emulator
from processes.envoy import Envoy
from processes.load_generator import run_load
from servers.incoming import Incoming, Reader
from servers.upstream import Upstream

REQUESTS = 20_000
FORWARDED_REQUESTS = 5_000


def fell_back_at_once(entry: dict) -> bool:
    """Whether the only send of a message went to the second destination."""
    left = entry["service_bus"]
    return (entry["status"], left["destination"], left["attempts"]) == (202, "fallback", "1")


def test_books_balance_when_everything_fails_now_and_then(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator, target_dir: Path
) -> None:
    gateway: Envoy = launch(chaos.with_everything(configure()))
    chaos.arm(emulator, probability=0.04)

    # It fails when a 202 has not exactly one message behind it, in one of the two queues, or when
    # a message is stored whose client was told that it was not.
    summary = run_load(
        target_dir,
        gateway,
        chaos.PATH,
        emulator,
        *("--entity", chaos.FIRST, "--entity", chaos.SECOND),
        *("--requests", str(REQUESTS)),
        *("--abort-percent", "5", "--abort-within", "10ms"),
        *("--chunked-percent", "10"),
        # While the breaker is open, clients that do not rest would use up all requests.
        *("--backoff", "50ms"),
        *("--seed", "20261124"),
    )

    print(json.dumps(summary))
    assert set(summary["statuses"]) == {"202", "503"}
    assert sum(summary["statuses"].values()) + summary["aborted"] == REQUESTS
    assert summary["aborted"] > 100
    # Each part was at work.
    assert "circuit_open" in summary["reasons"]
    assert {"broker_error", "outcome_unknown"} & set(summary["reasons"])
    assert emulator.stored(chaos.SECOND).stored > 0
    opened = gateway.stats("service_bus.namespace.*breaker_opened$")
    assert len(opened) == 2, opened
    # The first destination's breaker was open: no other send came before.
    assert any(fell_back_at_once(entry) for entry in gateway.access_log())
    assert emulator.stored(chaos.FIRST).duplicates > 0
    callouts = "cluster.servicebus.upstream_rq_total"
    assert gateway.stats(f"{callouts}$")[callouts] < REQUESTS / 2
    # Nothing is left behind.
    gauge = "cluster.servicebus.upstream_rq_active"
    gateway.wait_until(lambda: gateway.stats(f"{gauge}$")[gauge] == 0, "end of the callouts")


class Ledger(Upstream):
    """A backend that accepts each request, and counts the ids that it was told."""

    def __init__(self) -> None:
        super().__init__(self._count)
        self.ids: Counter[str] = Counter()
        self._counting = threading.Lock()

    def _count(self, connection: socket.socket, request: Incoming, reader: Reader) -> bool:
        if not reader.body(request):
            return False
        identifier = request.header("x-tracking-id") or ""
        with self._counting:
            self.ids[identifier] += 1
        body = json.dumps({"status": "accepted", "trackingId": identifier}).encode()
        fields = f"content-type: application/json\r\ncontent-length: {len(body)}"
        head = f"HTTP/1.1 202 Accepted\r\n{fields}\r\nx-tracking-id: {identifier}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return True


def test_bus_and_backend_balance_when_everything_fails_now_and_then(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator, target_dir: Path
) -> None:
    with Ledger() as backend:
        configuration = chaos.with_everything(configure()).pass_to(backend.port)
        gateway: Envoy = launch(configuration)
        chaos.arm(emulator, probability=0.04)

        summary = run_load(
            target_dir,
            gateway,
            chaos.FORWARDED_PATH,
            emulator,
            *("--entity", chaos.FIRST, "--entity", chaos.SECOND),
            *("--requests", str(FORWARDED_REQUESTS)),
            *("--abort-percent", "5", "--abort-within", "10ms"),
            *("--chunked-percent", "10"),
            *("--backoff", "50ms"),
            *("--seed", "20261125"),
        )
        gauge = "cluster.servicebus.upstream_rq_active"
        gateway.wait_until(lambda: gateway.stats(f"{gauge}$")[gauge] == 0, "end of the callouts")

    print(json.dumps(summary))
    forwarded = summary["statuses"]["202"]
    # The load generator has held the bus to what clients were told; this holds the backend to it.
    assert set(backend.ids.values()) == {1}
    assert forwarded <= len(backend.ids) <= forwarded + summary["aborted"]
    stored = {
        identifier
        for entity in (chaos.FIRST, chaos.SECOND)
        for identifier in emulator.stored(entity).messages
    }
    assert set(backend.ids) <= stored
    assert sum(summary["statuses"].values()) + summary["aborted"] == FORWARDED_REQUESTS
