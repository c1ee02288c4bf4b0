"""The shipped alerts, played through by Prometheus's own tool: when each fires, and when none."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from processes.program import ROOT
from processes.promtool import promtool

ALERTS = ROOT / "envoy" / "observability" / "alerts.yaml"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]

ORDERS = 'service_bus_requests{route="orders",entity="orders",destination="primary",outcome="%s"}'
NAMESPACE = '%s{namespace="contoso"}'
RELOADS = 'envoy_wasm_vm_reload_%s{plugin="service_bus"}'
ERRORS = 'envoy_http_downstream_rq_xx{envoy_response_code_class="5",instance="edge-1"}'
SLOW = 'service_bus_duration_milliseconds_bucket{route="orders",le="%s"}'

# Series as they are scraped once a minute for half an hour; then what fires, and what it says.
SICK: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "ServiceBusRequestsFail": (
        {ORDERS % "accepted": "0+90x30", ORDERS % "throttled": "0+10x30"},
        {"route": "orders"},
        "10% of the requests of route orders fail",
    ),
    "ServiceBusOutcomeUnknown": (
        # Its first time: there is no step from nothing to one for `increase`.
        {ORDERS % "outcome_unknown": "_x25 1x5"},
        {"route": "orders", "entity": "orders"},
        "Messages of route orders to orders may be stored or not",
    ),
    "ServiceBusRefusesMessages": (
        {ORDERS % "entity_not_found": "0+1x30"},
        {"route": "orders", "entity": "orders", "outcome": "entity_not_found"},
        "Route orders to orders: entity_not_found",
    ),
    "ServiceBusUnauthorized": (
        {ORDERS % "broker_unauthorized": "0+1x30"},
        {"route": "orders"},
        "Route orders has no token that Service Bus takes",
    ),
    "ServiceBusOverloaded": (
        {ORDERS % "overloaded": "0+1x30"},
        {"route": "orders"},
        "Route orders turns requests away: too many are in flight",
    ),
    "ServiceBusSlow": (
        {SLOW % "5000": "0+98x30", SLOW % "10000": "0+100x30", SLOW % "+Inf": "0+100x30"},
        {"route": "orders"},
        "Route orders answers its slowest hundredth after more than 5 s",
    ),
    "ServiceBusCircuitOpen": (
        {NAMESPACE % "service_bus_breaker_open": "0x25 1x5"},
        {"namespace": "contoso"},
        "The circuit breaker of contoso is open: nothing is sent there",
    ),
    "ServiceBusRetriesMuch": (
        {
            NAMESPACE % "service_bus_callouts": "0+100x30",
            NAMESPACE % "service_bus_retries": "0+25x30",
        },
        {"namespace": "contoso"},
        "25% of the sends to contoso are repetitions",
    ),
    "ServiceBusFallbackInUse": (
        {NAMESPACE % "service_bus_fallbacks": "0+1x30"},
        {"namespace": "contoso"},
        "Messages go to contoso, which is a second destination",
    ),
    "ServiceBusTokensNotFetched": (
        {NAMESPACE % "service_bus_token_failures": "0x20 0+1x10"},
        {"namespace": "contoso"},
        "No tokens for contoso: fetching them fails",
    ),
    "ServiceBusSecondaryKeyInUse": (
        {NAMESPACE % "service_bus_secondary_key": "4x90"},
        {"namespace": "contoso"},
        "The secondary key signs for contoso",
    ),
    "ServiceBusClockBehind": (
        {'service_bus_clock_behind_seconds{namespace="contoso",instance="edge-1"}': "90x30"},
        {"namespace": "contoso", "instance": "edge-1"},
        "edge-1: the clock is 1m 30s behind Service Bus's",
    ),
    "ServiceBusModuleFailed": (
        {RELOADS % "success": "0x25 1x5"},
        {"plugin": "service_bus"},
        "A VM of service_bus has failed, and a new one has taken its place",
    ),
    "ServiceBusModuleDown": (
        {RELOADS % "backoff": "0+1x30", RELOADS % "failure": "0x30"},
        {"plugin": "service_bus"},
        "Workers are without service_bus: its VM fails again and again, or does not start",
    ),
    "ServiceBusSilent": (
        {
            ERRORS: "0+9x30",
            (ORDERS % "accepted").replace("{", '{instance="edge-1",'): "0+90x10 900x20",
        },
        {"instance": "edge-1"},
        "edge-1 answers with errors, and none of its answers is the filter's",
    ),
}

# Clients' mistakes, a failure now and then, a breaker that opened for a minute, a key that was
# changed and changed back.
WELL = {
    ORDERS % "accepted": "0+97x90",
    ORDERS % "invalid_message": "0+50x90",
    ORDERS % "payload_too_large": "0+50x90",
    ORDERS % "throttled": "0+3x90",
    ORDERS % "outcome_unknown": "1x90",
    SLOW % "5000": "0+100x90",
    SLOW % "10000": "0+100x90",
    SLOW % "+Inf": "0+100x90",
    NAMESPACE % "service_bus_breaker_open": "0x80 1 0x9",
    NAMESPACE % "service_bus_callouts": "0+100x90",
    NAMESPACE % "service_bus_retries": "0+5x90",
    NAMESPACE % "service_bus_fallbacks": "7x90",
    NAMESPACE % "service_bus_token_failures": "0x80 2x10",
    NAMESPACE % "service_bus_secondary_key": "0x80 1x9 0",
    NAMESPACE % "service_bus_clock_behind_seconds": "2x90",
    RELOADS % "success": "1x90",
    RELOADS % "failure": "0x90",
    RELOADS % "backoff": "3x90",
    # Another plugin's.
    (RELOADS % "backoff").replace("service_bus", "waf"): "0+1x90",
    ERRORS.replace("edge-1", ""): "0+9x90",
}


@pytest.mark.needs("prometheus")
def test_rules_are_well_formed() -> None:
    promtool("check", "rules", str(ALERTS))


def test_each_alert_says_what_to_do_in_a_line() -> None:
    assert sorted(rule["alert"] for rule in RULES) == sorted(SICK)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning"), rule
        runbook = rule["annotations"]["runbook"]
        assert len(runbook) > 40 and "\n" not in runbook, rule


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_fires_and_tells_of_what(rule: dict, tmp_path: Path) -> None:
    series, labels, summary = SICK[rule["alert"]]
    fired = {
        "exp_labels": {**labels, **rule["labels"]},
        "exp_annotations": {**rule["annotations"], "summary": summary},
    }
    minutes = 90 if rule.get("for") == "1h" else 30
    play(tmp_path, series, f"{minutes}m", {rule["alert"]: [fired]})


@pytest.mark.needs("prometheus")
def test_no_alert_fires_when_all_is_well(tmp_path: Path) -> None:
    play(tmp_path, WELL, "90m", {rule["alert"]: [] for rule in RULES})


def play(folder: Path, series: dict[str, str], when: str, expected: dict[str, list[dict]]) -> None:
    """Lets promtool evaluate the rules on these series, and compare what fires then."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": when, "alertname": name, "exp_alerts": alerts}
            for name, alerts in expected.items()
        ],
    }
    file = folder / "test.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]})
    )
    promtool("test", "rules", str(file))
