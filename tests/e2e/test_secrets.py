"""Keys and tokens show in no log, no answer and no dump of Envoy's."""

from __future__ import annotations

from clients import http1
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import CONNECTION_STRING, Envoy

KEY = "Y2FuYXJ5LWtleS10aGF0LW11c3Qtbm90LXNpbmc="
CANARY = CONNECTION_STRING.replace("SAS_KEY_VALUE", KEY)


def test_the_key_and_its_signatures_stay_inside(launch, configure, emulator: Emulator) -> None:
    gateway: Envoy = launch(configure(), connection_string=CANARY)
    gateway.admin("/logging?wasm=trace", "POST")
    gateway.admin("/logging?http=debug", "POST")

    # The emulator has another key, so that the failure is logged too.
    answer = http1.request(gateway.port, "POST", "/raw", body=b"body-canary")
    tracking_id = assert_refused(answer, "broker_unauthorized")
    gateway.access_entry(tracking_id=tracking_id)

    # The failure itself is told; the filter writes it after its answer.
    line = f"broker_unauthorized: route=raw entity=raw tracking_id={tracking_id}"
    gateway.wait_until(lambda: line in gateway.log(), "line of the failure")

    shown = [
        gateway.log(),
        str(gateway.access_log()),
        str(answer),
        gateway.admin("/config_dump?include_eds"),
        gateway.admin("/stats"),
        gateway.admin("/clusters"),
        gateway.admin("/server_info"),
    ]
    for text in shown:
        assert KEY not in text
        assert "SharedAccessKey=" not in text
        assert "body-canary" not in text
    # Envoy's own debug log of HTTP prints headers of callouts; the filter's lines do not.
    ours = [line for line in shown[0].split("\n") if "[wasm]" in line]
    assert ours
    assert not [line for line in ours if "SharedAccessSignature" in line or "sig=" in line]


def test_what_a_client_sends_cannot_forge_a_line_of_the_log(
    launch, configure, emulator: Emulator
) -> None:
    gateway: Envoy = launch(configure())
    emulator.arm({"status": 400, "detail": "first\r\n[error] forged line"}, entity="raw")

    assert_refused(http1.request(gateway.port, "POST", "/raw", body=b"x"), "message_rejected")

    gateway.wait_until(lambda: "forged line" in gateway.log(), "line of the failure")
    assert not [line for line in gateway.log().split("\n") if line.startswith("[error] forged")]
    emulator.disarm()
    assert_accepted(http1.request(gateway.port, "POST", "/raw", body=b"x"))
