"""What Prometheus reads from Envoys with the shipped configurations, and what Grafana asks it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from clients import http1
from clients.customer import Customer
from configuration.gateway import SHIPPED, GatewayConfiguration
from configuration.orders import OrdersConfiguration
from contract import assert_accepted
from processes.emulator import Emulator
from processes.envoy import Envoy
from processes.program import ROOT
from processes.prometheus import Prometheus
from processes.promtool import promtool

DASHBOARD = ROOT / "envoy" / "observability" / "dashboard.json"

Sample = tuple[str, tuple[tuple[str, str], ...]]


class Scrape:
    """The filter's samples in one answer of `/stats/prometheus`."""

    def __init__(self, gateway: Envoy):
        text = gateway.admin("/stats/prometheus")
        lines = [line for line in text.split("\n") if "service_bus" in line.partition("{")[0]]
        # Envoy counts its VMs, clusters and listeners under names of its own.
        own = [line for line in lines if not re.match(r"(# TYPE )?envoy_", line)]
        types = [line.split(" ")[2:] for line in own if line.startswith("# TYPE")]
        self.types = {name: kind for name, kind in types}
        self.samples: dict[Sample, float] = {}
        for line in own:
            if found := re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line):
                labels = tuple(re.findall(r'(\w+)="([^"]*)"', found[2]))
                self.samples[found[1], labels] = float(found[3])

    def of(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The samples of one name by their labels."""
        return {labels: value for (other, labels), value in self.samples.items() if other == name}


def requests(**labels: str) -> tuple[tuple[str, str], ...]:
    order = ("route", "entity", "outcome", "destination")
    return tuple((name, {"destination": "primary", **labels}[name]) for name in order)


NAMESPACE = (("namespace", "sbemulatorns_servicebus_windows_net"),)


def test_names_become_labels(
    launch: Callable[..., Envoy], module: Path, emulator: Emulator
) -> None:
    shipped = GatewayConfiguration(module).send_to(emulator.port)
    shipped.merge_plugin(
        {"delivery": {"retries": {"max": 1, "base": "1ms"}, "circuit_breaker": {"failures": 2}}}
    )
    gateway = launch(shipped, concurrency=1)
    for path in ("/orders", "/orders", "/events/login"):
        assert_accepted(http1.request(gateway.port, "POST", path, body=b"12345"))
    emulator.arm({"status": 500}, entity="orders")
    assert http1.request(gateway.port, "POST", "/orders", body=b"12345").status == 503
    assert http1.request(gateway.port, "POST", "/orders", body=b"12345").status == 503

    def recorded() -> bool:
        counts = Scrape(gateway).of("service_bus_duration_milliseconds_count")
        return sum(counts.values()) == 5

    # Envoy merges the workers' histograms from time to time.
    gateway.wait_until(recorded, "five durations")
    scrape = Scrape(gateway)
    assert scrape.types == {
        "service_bus_breaker_open": "gauge",
        "service_bus_breaker_opened": "counter",
        "service_bus_buffered_bytes": "gauge",
        "service_bus_bytes_sent": "counter",
        "service_bus_callouts": "counter",
        "service_bus_duration_milliseconds": "histogram",
        "service_bus_in_flight": "gauge",
        "service_bus_requests": "counter",
        "service_bus_retries": "counter",
    }
    assert scrape.of("service_bus_requests") == {
        requests(route="orders", entity="orders", outcome="accepted"): 2,
        requests(route="events", entity="events", outcome="accepted"): 1,
        requests(route="orders", entity="orders", outcome="broker_error"): 1,
        requests(route="orders", entity="orders", outcome="circuit_open"): 1,
    }
    assert scrape.of("service_bus_duration_milliseconds_count") == {
        (("route", "events"),): 1,
        (("route", "orders"),): 4,
    }
    assert all(
        [name for name, _ in labels] == ["route", "le"]
        for labels in scrape.of("service_bus_duration_milliseconds_bucket")
    )
    for name, value in [
        ("callouts", 5),
        ("bytes_sent", 25),
        ("retries", 1),
        ("breaker_open", 1),
        ("breaker_opened", 1),
    ]:
        assert scrape.of(f"service_bus_{name}") == {NAMESPACE: value}, name


def test_a_route_may_be_called_as_a_label_is(
    launch: Callable[..., Envoy], configure: Callable[[], GatewayConfiguration], emulator: Emulator
) -> None:
    route = {"name": "entity", "match": {"path": "/any"}, "send": {"queue": "outcome"}}
    gateway = launch(configure().add_plugin_routes([route]), concurrency=1)
    assert http1.request(gateway.port, "POST", "/any", body=b"x").status == 503
    labels = requests(route="entity", entity="outcome", outcome="entity_not_found")
    assert Scrape(gateway).of("service_bus_requests") == {labels: 1}


def test_the_order_scenario_has_the_same_labels(order_gateway: Envoy, customer: Customer) -> None:
    def submitted() -> float:
        labels = requests(route="submit-order", entity="orders", outcome="accepted")
        return Scrape(order_gateway).of("service_bus_requests").get(labels, 0)

    before = submitted()
    assert customer.submit().status == 202
    assert submitted() == before + 1


def test_all_shipped_tags_are_the_same(module: Path) -> None:
    tags = GatewayConfiguration(module).document["stats_config"]
    assert OrdersConfiguration(module).document["stats_config"] == tags
    shipped = (SHIPPED.parent / "envoy-gateway" / "gateway.yaml").read_text()
    [proxy] = [each for each in yaml.safe_load_all(shipped) if each["kind"] == "EnvoyProxy"]
    assert proxy["spec"]["bootstrap"]["type"] == "Merge"
    assert yaml.safe_load(proxy["spec"]["bootstrap"]["value"]) == {"stats_config": tags}


@pytest.mark.needs("prometheus")
def test_prometheus_makes_the_same_labels_where_envoy_does_not(
    launch: Callable[..., Envoy], module: Path, emulator: Emulator, tmp_path: Path
) -> None:
    def shipped() -> GatewayConfiguration:
        configuration = GatewayConfiguration(module).send_to(emulator.port)
        return configuration.merge_plugin({"delivery": {"retries": {"base": "1ms"}}})

    bare = shipped()
    del bare.document["stats_config"]
    gateways = {"tagged": launch(shipped()), "bare": launch(bare)}
    for gateway in gateways.values():
        emulator.arm({"status": 500}, entity="events", count=1)
        for path in ("/orders", "/events/login"):
            assert_accepted(http1.request(gateway.port, "POST", path, body=b"{}"))
    prometheus = Prometheus(gateways, tmp_path)
    try:
        metrics = ["requests", "duration_milliseconds_bucket", "duration_milliseconds_count"]
        metrics += ["callouts", "bytes_sent", "retries", "in_flight"]

        def series(name: str) -> list[list[dict[str, str]]]:
            return [prometheus.series(f"service_bus_{name}", gateway) for gateway in gateways]

        for name in metrics:
            prometheus.wait_until(lambda name=name: all(series(name)), f"series of {name}")
            tagged, relabelled = series(name)
            assert by_labels(relabelled) == by_labels(tagged), name
        assert by_labels(series("requests")[1]) == sorted(
            requests(route=name, entity=name, outcome="accepted") for name in ("events", "orders")
        )
        reloads = [prometheus.series("envoy_wasm_vm_reload_success", name) for name in gateways]
        assert reloads == [[{"plugin": "service_bus"}]] * 2
        alerts = prometheus.rules()
        assert len(alerts) > 10 and {rule["type"] for rule in alerts} == {"alerting"}
    finally:
        prometheus.stop()


def by_labels(series: list[dict[str, str]]) -> list[tuple[tuple[str, str], ...]]:
    order = ["route", "entity", "outcome", "destination", "namespace", "le"]
    return sorted(
        tuple(sorted(labels.items(), key=lambda label: order.index(label[0]))) for labels in series
    )


@pytest.mark.needs("prometheus")
def test_grafana_asks_in_prometheus_language(tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert len(expressions) > 20
    # Rules of their own, so that the tool reads them.
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(expressions)
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))


def test_panels_neither_overlap_nor_repeat_an_id() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
