"""What the access log tells of a message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from clients import http1
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import Envoy

TRACKING = "3a3a3a3a-aaaa-bbbb-cccc-0123456789ab_G1"


def post(gateway: Envoy, path: str, headers: list[tuple[str, str]]):
    return http1.request(gateway.port, "POST", path, headers, body=b"x")


def test_each_line_tells_what_became_of_its_message(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    route = {
        "name": "named",
        "match": {"path": "/named"},
        "send": {"queue": "raw", "broker_properties": {"MessageId": "id-${tracking_id}"}},
    }
    made = configure().add_plugin_routes([route])
    gateway: Envoy = launch(made.merge_plugin({"delivery": {"retries": {"max": 2}}}))

    emulator.arm({"status": 500}, entity="raw", count=1)
    assert_accepted(post(gateway, "/named", [("idempotency-key", "k-1")]), key="k-1")
    entry = gateway.access_entry(tracking_id="k-1")
    assert entry["service_bus"] == {
        "route": "named",
        "entity": "raw",
        "outcome": "accepted",
        "message_id": "id-k-1",
        "attempts": "2",
        "destination": "primary",
        "broker_tracking_id": None,
    }

    detail = f"40000: Bad. TrackingId:{TRACKING}, SystemTracker:sb"
    emulator.arm({"status": 400, "detail": detail}, entity="raw", count=1)
    answer = post(gateway, "/named", [("idempotency-key", "k-2")])
    assert_refused(answer, "message_rejected", key="k-2")
    entry = gateway.access_entry(tracking_id="k-2")
    assert entry["service_bus"]["outcome"] == "message_rejected"
    assert entry["service_bus"]["broker_tracking_id"] == TRACKING
    assert entry["service_bus"]["attempts"] == "1"


def test_a_client_cannot_break_a_line(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator, tmp_path: Path
) -> None:
    message_id = {"MessageId": "${request.json.id}"}
    route = {
        "name": "chosen",
        "match": {"path": "/chosen"},
        "send": {"queue": "raw", "broker_properties": message_id},
    }
    made = configure().add_plugin_routes([route])
    log = tmp_path / "access.log"
    line = "%RESPONSE_CODE% %FILTER_STATE(wasm.service_bus.message_id:PLAIN)% end\n"
    made.connection_manager["access_log"].append(
        {
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": "type.googleapis.com/"
                "envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": str(log),
                "log_format": {"text_format_source": {"inline_string": line}},
            },
        }
    )
    gateway: Envoy = launch(made)

    chosen = "a\r\n202 forged end\u0085\u007f\u001b[31m"
    answer = http1.request(
        gateway.port, "POST", "/chosen", body=json.dumps({"id": chosen}).encode()
    )
    assert_accepted(answer)
    # The message has the id as it was given.
    assert list(emulator.stored("raw").messages) == [chosen]
    gateway.wait_until(lambda: log.exists() and log.read_text(), "a line of the access log")
    assert log.read_bytes() == b"202 a??202 forged end???[31m end\n"


def test_a_request_that_is_not_ours_leaves_nothing(gateway: Envoy) -> None:
    http1.request(gateway.port, "GET", "/elsewhere", [("x-request-id", "not-ours")])
    entry = gateway.access_entry(path="/elsewhere")
    assert set(entry["service_bus"].values()) == {None}
