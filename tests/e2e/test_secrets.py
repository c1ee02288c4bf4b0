"""Keys and tokens show in no log, no answer and no dump of Envoy's."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

import pytest

from clients import http1
from configuration.gateway import GatewayConfiguration, upstream_cluster
from contract import assert_accepted, assert_refused
from processes.emulator import Emulator
from processes.envoy import CONNECTION_STRING, Envoy
from servers import token_service

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


FROM_ENVIRONMENT = {"env": "SB_CANARY"}
OTHER_KEY = {"inline": "b3RoZXI="}
TENANT = {"cluster": "tokens", "tenant_id": "tenant", "client_id": "client"}
SIGNED_ELSEWHERE = (
    "Endpoint=sb://sbemulatorns.servicebus.windows.net/;SharedAccessSignature="
    f"SharedAccessSignature sr=sbemulatorns&sig={KEY}&se=1&skn=send"
)


def sas(key: dict, **rest: dict) -> dict:
    return {"sas": {"key_name": "send", "key": key, **rest}}


@dataclass(frozen=True)
class Place:
    """Where a secret is configured, as a variable of Envoy's environment."""

    credentials: dict = field(default_factory=lambda: sas(OTHER_KEY))
    # More members of the route.
    route: dict = field(default_factory=dict)
    value: str = KEY
    # The secret itself travels in a header, which Envoy's own trace of HTTP shows.
    is_sent: bool = False
    # Whether the first destination is to throttle, so that the second is used.
    throttled: bool = False


PLACES = {
    "connection string": Place({"connection_string": FROM_ENVIRONMENT}, value=CANARY),
    "signature": Place(
        {"connection_string": FROM_ENVIRONMENT}, value=SIGNED_ELSEWHERE, is_sent=True
    ),
    "key": Place(sas(FROM_ENVIRONMENT)),
    "secondary key": Place(sas(OTHER_KEY, secondary_key=FROM_ENVIRONMENT)),
    "client secret": Place({"client_secret": TENANT | {"secret": FROM_ENVIRONMENT}}),
    "identity header": Place(
        {
            "managed_identity": {
                "cluster": "tokens",
                "source": "app_service",
                "identity_header": FROM_ENVIRONMENT,
            }
        },
        is_sent=True,
    ),
    "key of a route": Place(route={"credentials": sas(FROM_ENVIRONMENT)}),
    "key of a second destination": Place(
        route={"fallback": {"queue": "typed", "credentials": sas(FROM_ENVIRONMENT)}},
        throttled=True,
    ),
    "value that shows messages": Place(
        route={"dry_run": {"header": "x-dry-run", "value": FROM_ENVIRONMENT}}
    ),
}


def forms(secret: str) -> set[str]:
    """A secret as it stands, and as it would look in a URL, a form, a token or a dump of bytes."""
    data = secret.encode()
    encoded = [base64.b64encode(data), base64.urlsafe_b64encode(data), data.hex().encode()]
    texts = {secret, quote(secret, safe=""), quote_plus(secret)}
    return texts | {form.decode().rstrip("=") for form in encoded}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_secret_shows_nowhere_at_any_level(
    launch, configure: Callable[[], GatewayConfiguration], emulator: Emulator, place: Place
) -> None:
    service = (
        token_service.app_service({}, KEY)
        if "managed_identity" in place.credentials
        else token_service.entra("tenant", "client", KEY)
    )
    with service:
        made = configure().merge_plugin({"credentials": None})
        made.merge_plugin({"credentials": place.credentials})
        route = {"name": "canary", "match": {"path": "/canary"}, "send": {"queue": "raw"}}
        made.add_plugin_routes([route | place.route])
        made.clusters.append(upstream_cluster("tokens", service.port))
        made.wasm["vm_config"]["environment_variables"]["host_env_keys"].append("SB_CANARY")
        # From the first line on: the module reads its secrets when it is configured.
        gateway: Envoy = launch(made, level="trace", variables={"SB_CANARY": place.value})
        if place.throttled:
            emulator.arm({"status": 429}, entity="raw")
        answer = http1.request(gateway.port, "POST", "/canary", body=b"x")
        tracking_id = assert_refused(answer, "broker_unauthorized")
        line = f"tracking_id={tracking_id}"
        gateway.wait_until(lambda: line in gateway.log(), "line of the failure")
        assert not service.mistakes, service.mistakes

        log = gateway.log()
        assert "[trace]" in log
        if place.is_sent:
            log = "\n".join(each for each in log.split("\n") if "[wasm]" in each)
        pages = ["config_dump?include_eds", "stats", "stats/prometheus", "clusters", "server_info"]
        shown = [log, str(answer), str(gateway.access_log())]
        shown += [gateway.admin(f"/{page}") for page in pages]
        for text in shown:
            for form in forms(KEY):
                assert form not in text


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
