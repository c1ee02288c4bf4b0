"""Load with clients that go away: every 202 has exactly one message behind it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from configuration.gateway import GatewayConfiguration
from processes.emulator import Emulator
from processes.envoy import Envoy
from processes.load_generator import run_load

Load = Callable[..., dict]


@pytest.fixture
def load(launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator, target_dir):
    """Runs the load generator through a fresh Envoy, and lets it settle with the emulator."""

    def run(*options: str) -> tuple[dict, Envoy]:
        gateway: Envoy = launch(configure())
        entity = ("--entity", "load")
        return run_load(target_dir, gateway, "/load", emulator, *entity, *options), gateway

    return run


def test_each_202_has_one_message_while_clients_leave(load: Load, emulator: Emulator) -> None:
    summary, gateway = load(
        *("--requests", "30000"),
        *("--abort-percent", "5", "--abort-within", "2ms"),
        *("--chunked-percent", "20"),
        *("--duplicate-percent", "2"),
        *("--seed", "20261121"),
    )

    print(json.dumps(summary))
    # Nothing failed but what clients broke off themselves.
    assert set(summary["statuses"]) == {"202"}
    assert summary["statuses"]["202"] + summary["aborted"] == 30_000
    assert summary["aborted"] > 300
    assert summary["settlement"]["violations"] == 0
    # Clients that left have left nothing behind.
    gauge = "cluster.servicebus.upstream_rq_active"
    gateway.wait_until(lambda: gateway.stats(f"{gauge}$")[gauge] == 0, "end of the callouts")


def test_books_balance_while_the_broker_fails(load: Load, emulator: Emulator) -> None:
    faults = [
        {"status": 503},
        {"status": 500, "store": True},
        {"status": 403},
        {"reset": "before_reading"},
        {"reset": "after_storing"},
        {"reset": "after_headers"},
        {"delay": "20ms"},
    ]
    for seed, fault in enumerate(faults):
        emulator.arm(fault, entity="load", operation="send", probability=0.03, seed=seed)

    summary, _ = load(
        *("--requests", "10000"),
        *("--abort-percent", "5", "--abort-within", "5ms"),
        *("--duplicate-percent", "5"),
        *("--seed", "7"),
    )

    print(json.dumps(summary))
    assert set(summary["statuses"]) == {"202", "503"}
    assert set(summary["reasons"]) == {
        "broker_error",
        "outcome_unknown",
        "quota_exceeded",
        "throttled",
    }
