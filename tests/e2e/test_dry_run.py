"""Messages that are shown instead of sent, in real Envoy."""

from __future__ import annotations

from collections.abc import Callable

from clients import http1
from configuration.gateway import GatewayConfiguration
from contract import assert_accepted
from processes.emulator import Emulator
from processes.envoy import Envoy

GUARD = "only-its-owner-knows-it"


def test_a_guarded_header_shows_the_message_and_sends_nothing(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    route = {
        "name": "shown",
        "match": {"path": "/shown"},
        "send": {"queue": "raw", "payload": {"n": "${request.json.n}"}},
        "dry_run": {"header": "x-dry-run", "value": {"env": "SB_DRY_RUN"}},
    }
    made = configure().add_plugin_routes([route])
    made.wasm["vm_config"]["environment_variables"]["host_env_keys"].append("SB_DRY_RUN")
    gateway: Envoy = launch(made, variables={"SB_DRY_RUN": GUARD})

    headers = [("idempotency-key", "k-1"), ("x-dry-run", GUARD)]
    answer = http1.request(gateway.port, "POST", "/shown", headers, body=b'{"n":7}')
    assert answer.status == 200
    shown = answer.json()
    assert shown["dryRun"] is True
    assert shown["request"]["path"] == "/raw/messages"
    assert shown["request"]["headers"]["brokerproperties"] == '{"MessageId":"k-1"}'
    assert shown["request"]["body"] == '{"n":7}'
    assert shown["reply"]["status"] == 202
    assert "authorization" not in shown["request"]["headers"]
    assert emulator.requests() == []
    assert gateway.access_entry(tracking_id="k-1")["details"] == "service_bus_dry_run"

    # What is sent without the header is what was shown.
    sent = http1.request(gateway.port, "POST", "/shown", headers[:1], body=b'{"n":7}')
    assert_accepted(sent, key="k-1")
    assert emulator.message("raw")["body"] == shown["request"]["body"]
