//! The shipped dashboard and alerts ask for what the module counts, and for nothing else.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panic"
)]

mod promql;

use std::collections::{BTreeMap, BTreeSet};

use envoy_service_bus::metrics::{Kind, Metric, NamespaceMetric};
use envoy_service_bus::outcome::{Reason, Served};
use promql::{Names, names};
use saphyr_parser::{Event, Parser};
use serde_json::Value as Json;

const DASHBOARD: &str = include_str!("../../envoy/observability/dashboard.json");
const PROMETHEUS: &str = include_str!("../../envoy/observability/prometheus.yaml");
const ALERTS: &str = include_str!("../../envoy/observability/alerts.yaml");

/// What Prometheus sees of a metric.
struct Exported {
    kind: Kind,
    labels: BTreeSet<String>,
}

/// Everything that the module counts, by its name in Prometheus. The tests in real Envoy show that
/// the `stats_tags` make just this of the names.
fn exported() -> BTreeMap<String, Exported> {
    let of_routes = [
        Metric::Requests {
            route: "r",
            entity: Some("e"),
            outcome: "accepted",
            destination: Served::Primary,
        },
        Metric::Duration { route: "r" },
        Metric::ClientsGone { route: "r" },
        Metric::InFlight,
        Metric::BufferedBytes,
    ];
    let of_namespaces = NamespaceMetric::ALL.map(|metric| Metric::Namespace("n", metric));
    let all = of_routes.iter().chain(&of_namespaces);
    all.map(|metric| {
        let name = metric.name();
        let mut parts = name.split('.');
        let prefix = parts.next().unwrap();
        let mut parts: Vec<_> = parts.collect();
        let last = parts.pop().unwrap();
        let labels = parts.chunks(2).map(|pair| pair[0].to_owned()).collect();
        (format!("{prefix}_{last}"), Exported { kind: metric.kind(), labels })
    })
    .collect()
}

/// What Envoy counts itself, of VMs and of answers. The tests in real Envoy show these names too.
fn of_envoy() -> BTreeMap<String, Exported> {
    let counter = |name: &str, labels: &[&str]| {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        (name.to_owned(), Exported { kind: Kind::Counter, labels })
    };
    BTreeMap::from([
        counter("envoy_wasm_vm_reload_success", &["plugin"]),
        counter("envoy_wasm_vm_reload_failure", &["plugin"]),
        counter("envoy_wasm_vm_reload_backoff", &["plugin"]),
        counter("envoy_http_downstream_rq_xx", &["envoy_response_code_class"]),
    ])
}

/// The words that a label with few values may have.
fn words(label: &str) -> Option<Vec<&'static str>> {
    match label {
        "outcome" => {
            let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
            Some(reasons.chain(["accepted", "forwarded", "found", "dry_run"]).collect())
        }
        "destination" => Some(vec![Served::Primary.as_str(), Served::Fallback.as_str()]),
        _ => None,
    }
}

/// Every expression of the dashboard, as Grafana sends it.
fn dashboard() -> Vec<String> {
    fn collect(value: &Json, found: &mut Vec<String>) {
        match value {
            Json::Object(members) => {
                if let Some(Json::String(expression)) = members.get("expr") {
                    found.push(expression.replace("$__rate_interval", "5m"));
                }
                members.values().for_each(|member| collect(member, found));
            }
            Json::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(DASHBOARD).unwrap(), &mut found);
    found
}

/// Every expression of the alerts.
fn alerts() -> Vec<String> {
    let scalars = Parser::new_from_str(ALERTS).filter_map(|event| match event.unwrap().0 {
        Event::Scalar(text, ..) => Some(text.into_owned()),
        _ => None,
    });
    let scalars: Vec<_> = scalars.collect();
    scalars.windows(2).filter(|pair| pair[0] == "expr").map(|pair| pair[1].clone()).collect()
}

#[test]
fn expressions_name_what_is_counted() {
    let mut exported = exported();
    exported.extend(of_envoy());
    let (dashboard, alerts) = (dashboard(), alerts());
    assert!(dashboard.len() > 20 && alerts.len() > 10, "{} {}", dashboard.len(), alerts.len());
    for expression in dashboard.iter().chain(&alerts) {
        let Names { metrics, labels, matchers } = names(expression);
        assert!(!metrics.is_empty(), "{expression}");
        // Prometheus itself sets the instance.
        let mut known = BTreeSet::from(["le".to_owned(), "instance".to_owned()]);
        for metric in &metrics {
            let (_, exported) = exported
                .iter()
                .find(|(name, exported)| is_series(metric, name, exported.kind))
                .unwrap_or_else(|| panic!("{metric} in {expression}"));
            known.extend(exported.labels.iter().cloned());
        }
        for label in labels {
            assert!(known.contains(&label), "{label} in {expression}");
        }
        for (label, value) in matchers {
            let Some(words) = words(&label) else { continue };
            for word in value.split('|') {
                assert!(words.contains(&word), "{word} in {expression}");
            }
        }
    }
}

/// Whether it is the metric, or one of the three that Prometheus makes of a histogram.
fn is_series(series: &str, metric: &str, kind: Kind) -> bool {
    match kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|end| series.strip_suffix(end).is_some_and(|rest| rest == metric)),
        Kind::Counter | Kind::Gauge => series == metric,
    }
}

#[test]
fn nobody_asks_for_the_growth_of_a_gauge() {
    let exported = exported();
    let gauges: Vec<_> =
        exported.iter().filter(|(_, exported)| exported.kind == Kind::Gauge).collect();
    assert_eq!(gauges.len(), 6);
    for expression in dashboard().iter().chain(&alerts()) {
        for (name, _) in &gauges {
            for function in ["rate", "increase"] {
                let asked = ["{", "["].map(|after| format!("{function}({name}{after}"));
                assert!(!asked.iter().any(|asked| expression.contains(asked)), "{expression}");
            }
        }
    }
}

#[test]
fn the_dashboard_shows_all_that_is_counted() {
    let asked: BTreeSet<_> =
        dashboard().iter().flat_map(|expression| names(expression).metrics).collect();
    for (name, Exported { kind, .. }) in exported() {
        assert!(asked.iter().any(|series| is_series(series, &name, kind)), "{name}");
    }
}

/// Where Envoy makes no labels, the scrape does, and has to know where a name begins.
#[test]
fn the_scrape_knows_every_name_of_a_namespace() {
    let names = NamespaceMetric::ALL.map(|metric| match metric.kind() {
        Kind::Histogram => format!("{}_(?:bucket|sum|count)", metric.as_str()),
        Kind::Counter | Kind::Gauge => metric.as_str().to_owned(),
    });
    let names = names.join("|");
    for groups in [format!("(.+)_(?:{names})"), format!(".+_({names})")] {
        let expected = format!("regex: service_bus_namespace_{groups}\n");
        assert_eq!(PROMETHEUS.matches(&expected).count(), 1, "{expected}");
    }
}

#[test]
fn the_dashboard_chooses_by_labels_that_are_there() {
    let exported = exported();
    let dashboard: Json = serde_json::from_str(DASHBOARD).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let queries: Vec<_> =
        variables.iter().filter_map(|variable| variable["definition"].as_str()).collect();
    assert_eq!(queries.len(), 2);
    for query in queries {
        let inside = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
        let (metric, label) = inside.split_once(", ").unwrap();
        assert!(exported[metric].labels.contains(label), "{query}");
    }
}
