//! What bites around the filter in Envoy's configuration.

use std::path::{Path, PathBuf};

use crate::check::findings;
use crate::program::{Ended, run};

pub(crate) const SHIPPED: &str = include_str!("../../../../envoy/envoy.yaml");
pub(crate) const FINE: &str = "1 configuration: 0 errors, 0 warnings";
const PAIR: &str = "2 configurations: 0 errors, 0 warnings";

/// The shipped configuration with a change, and the line of it that holds `line`.
fn changed(from: &str, to: &str, line: &str) -> (String, usize) {
    assert!(SHIPPED.contains(from), "{from}");
    let text = SHIPPED.replace(from, to);
    let number = text.lines().position(|it| it.contains(line)).unwrap_or_else(|| panic!("{line}"));
    (text, number + 1)
}

/// Expects one warning, in the line that holds `line`.
fn warned(from: &str, to: &str, (line, column): (&str, usize), message: &str) {
    let (text, line) = changed(from, to, line);
    assert_eq!(
        findings(&text),
        [
            format!("{line}:{column}: warning: {message}"),
            "1 configuration: 0 errors, 1 warning".to_owned()
        ],
    );
}

fn fine(from: &str, to: &str) {
    assert_eq!(findings(&changed(from, to, "").0), [FINE]);
}

#[test]
fn what_is_shipped_is_fine() {
    let mut checked = 0;
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../envoy"))];
    while let Some(folder) = folders.pop() {
        let mut brings = vec![];
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let marks = ["http.wasm.v3.Wasm", "kind: WasmPlugin", "EnvoyExtensionPolicy"];
                if marks.iter().any(|mark| text.contains(mark)) {
                    brings.push(path);
                }
            }
        }
        for path in &brings {
            let ended = check_file(path);
            // What a chart renders is checked where it is rendered.
            if path.components().any(|part| part.as_os_str() == "templates") {
                assert!(ended.stdout.contains("render it first"), "{}", ended.stdout);
                continue;
            }
            assert_eq!(ended.code, 0, "{}", ended.stdout);
            assert!(ended.stdout.contains(" 0 errors, "), "{}", ended.stdout);
            checked += 1;
        }
    }
    assert!(checked >= 2, "{checked}");
    let together: [(&str, &[&str]); 7] = [
        (FINE, &["envoy/envoy.yaml"]),
        (FINE, &["envoy/orders.yaml"]),
        (FINE, &["envoy/istio/filter.yaml", "envoy/istio/service-bus.yaml"]),
        (PAIR, &["envoy/istio/sender-and-gate.yaml", "envoy/istio/service-bus.yaml"]),
        (PAIR, &["envoy/istio/traffic-extension.yaml", "envoy/istio/service-bus.yaml"]),
        (
            PAIR,
            &[
                "envoy/envoy-gateway/filter.yaml",
                "envoy/envoy-gateway/gateway.yaml",
                "envoy/envoy-gateway/service-bus.yaml",
            ],
        ),
        (PAIR, &["envoy/higress/service-bus.yaml"]),
    ];
    for (summary, files) in together {
        let ended = run(&[&["check", "--strict"], files].concat());
        assert_eq!(ended, Ended::quiet(0, format!("{summary}\n")), "{files:?}");
    }
}

fn check_file(path: &Path) -> Ended {
    run(&["check", path.to_str().unwrap()])
}

#[test]
fn a_filter_that_fails_must_not_let_requests_pass() {
    let message = "FAIL_OPEN lets requests pass unsent when the filter fails; use FAIL_RELOAD";
    warned(
        "failure_policy: FAIL_RELOAD",
        "failure_policy: FAIL_OPEN",
        ("failure_policy: FAIL_OPEN", 17),
        &format!("failure_policy: {message}"),
    );
    warned(
        "failure_policy: FAIL_RELOAD",
        "fail_open: true",
        ("fail_open: true", 17),
        &format!("fail_open: {message}"),
    );
    fine("failure_policy: FAIL_RELOAD", "fail_open: false");

    // Whatever else is wrong: nobody should have to mend that first to hear of it.
    let text = SHIPPED.replace("FAIL_RELOAD", "FAIL_OPEN").replace("\"1h\"", "\"soon\"");
    let found = findings(&text);
    assert!(found.iter().any(|line| line.contains(message)), "{found:?}");
    assert_eq!(found.last().unwrap(), "1 configuration: 1 error, 1 warning");
}

#[test]
fn a_filter_that_holds_the_headers_needs_the_body_all_the_same() {
    warned(
        "allow_on_headers_stop_iteration: true",
        "root_id: a",
        ("                name: service_bus", 17),
        "header_mode: pause needs `allow_on_headers_stop_iteration: true` on the plugin: without \
         it Envoy keeps the body back, and requests hang",
    );
}

#[test]
fn a_filter_that_lets_the_headers_go_needs_one_that_holds_them() {
    let namespace = "                      \"namespace\"";
    let goes_on = format!("                      \"header_mode\": \"continue\",\n{namespace}");
    warned(
        namespace,
        &goes_on,
        ("\"header_mode\"", 23),
        "header_mode: continue needs something after the filter that holds the headers, a second \
         instance with \"role\": \"gate\" or envoy.filters.http.buffer, and there is none: \
         requests go on before their message is sent",
    );
    let router = "          - name: envoy.filters.http.router";
    let with = |filter: &str| {
        let text = SHIPPED.replace(namespace, &goes_on);
        findings(&text.replace(router, &format!("{filter}{router}")))
    };
    let buffer = "          - name: envoy.filters.http.buffer\n";
    assert_eq!(with(buffer), [FINE]);
    let gate = "          - name: service_bus_gate
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                configuration:
                  '@type': type.googleapis.com/google.protobuf.StringValue
                  value: '{\"role\": \"gate\",
                    \"routes\": [{\"match\": {\"path\": \"/orders\", \"methods\": [\"POST\"]}}]}'
";
    // Methods have no order.
    let both = "\"methods\": [\"POST\", \"PUT\"], \"path_prefix\": \"/events/\"";
    assert!(SHIPPED.contains(both));
    let events = gate.replace("}}]}'", "}},{\"match\": {\"path_prefix\": \"/events/\",\n                    \"methods\": [\"PUT\", \"POST\", \"PUT\"]}}]}'");
    assert_eq!(with(&events).len(), 2, "{:?}", with(&events));
    // Of three routes the gate holds one.
    let found = with(gate);
    assert_eq!(found.len(), 3, "{found:?}");
    let message = "no gate after the filter has the same `match`: requests of this route go on \
                   before their message is sent";
    for (index, finding) in found.iter().take(2).enumerate() {
        let place = format!("warning: routes[{}].match: {message}", index + 1);
        assert!(finding.ends_with(&place), "{finding}");
    }
    let before = "          # Authentication, authorization and rate limits belong before";
    let text = SHIPPED.replace(namespace, &goes_on).replace(before, &format!("{gate}{before}"));
    let found = findings(&text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("header_mode: continue needs something after"), "{found:?}");
}

#[test]
fn what_envoy_adds_must_not_reach_the_bus() {
    let message = |names: &str| {
        format!(
            "nothing removes {names} from what goes to cluster \"servicebus\", and Service Bus \
             takes what Envoy adds for properties of the message: use an upstream header_mutation \
             filter"
        )
    };
    let cluster = ("  - name: servicebus", 5);
    warned("- remove: x-envoy-internal", "- remove: x-a", cluster, &message("x-envoy-internal"));
    warned(
        "request_mutations:",
        "response_mutations:",
        cluster,
        &message("x-envoy-internal and x-envoy-expected-rq-timeout-ms"),
    );
}

#[test]
fn the_cluster_must_be_there() {
    warned(
        "\"cluster\": \"servicebus\"",
        "\"cluster\": \"service-bus\"",
        ("\"cluster\": \"service-bus\"", 23),
        "cluster: there is no cluster \"service-bus\"",
    );
    let (text, _) = changed("\"cluster\": \"servicebus\"", "\"cluster\": \"later\"", "");
    let dynamic = format!("dynamic_resources:\n  cds_config: {{ ads: {{}} }}\n{text}");
    assert_eq!(findings(&dynamic), [FINE]);
}

#[test]
fn envoys_limits_must_leave_room_for_the_body() {
    let message = "is below 524288, twice max_body_bytes: Envoy answers large bodies with a 413 \
                   of its own";
    for (key, value, column) in [
        ("per_connection_buffer_limit_bytes", "262144", 5),
        ("initial_stream_window_size", "65535", 13),
    ] {
        let (from, to) = (format!("{key}: 524288"), format!("{key}: {value}"));
        warned(&from, &to, (&to, column), &format!("{key}: {value} {message}"));
    }
    let (text, _) = changed("\"max_body_bytes\": 262144", "\"max_body_bytes\": 262145", "");
    assert_eq!(findings(&text).len(), 3);
}

#[test]
fn a_buffers_limit_is_that_of_the_request() {
    let namespace = "                      \"namespace\"";
    let goes_on = format!("                      \"header_mode\": \"continue\",\n{namespace}");
    let router = "          - name: envoy.filters.http.router";
    let with = |bytes: usize| {
        let buffer = format!(
            "          - name: envoy.filters.http.buffer\n            typed_config:\n              \
             max_request_bytes: {bytes}\n{router}"
        );
        let text = SHIPPED.replace(namespace, &goes_on).replace(router, &buffer);
        text.replace("per_connection_buffer_limit_bytes: 524288", "address_: 1")
    };
    assert_eq!(findings(&with(262_144)), [FINE]);
    let found = findings(&with(262_143));
    assert_eq!(found.len(), 2, "{found:?}");
    let message = "max_request_bytes: 262143 is below max_body_bytes, 262144: Envoy answers larger \
                   bodies with a 413 of its own";
    assert!(found[0].ends_with(message), "{found:?}");
    // Without the headers it has no say.
    let pauses = with(262_143).replace("\"continue\"", "\"pause\"");
    assert_eq!(findings(&pauses), [FINE]);
}

#[test]
fn envoy_must_wait_for_as_long_as_the_filter_does() {
    let message = "10s is not longer than the 10s that the filter may take: Envoy ends the \
                   request while its message may be stored";
    let idle = "stream_idle_timeout: 10s";
    warned(
        "stream_idle_timeout: 30s",
        idle,
        (idle, 11),
        &format!("stream_idle_timeout: {message}"),
    );
    fine("stream_idle_timeout: 30s", "stream_idle_timeout: 0s");
    let whole = "request_timeout: 10s";
    let without_body = message.replace("the request", "a request without body");
    warned("request_timeout: 30s", whole, (whole, 11), &format!("request_timeout: {without_body}"));
    let route = "- match: { prefix: /events/ }\n                route: { cluster: nowhere";
    let short = format!("{route}, idle_timeout: 10s");
    warned(route, &short, ("idle_timeout: 10s", 44), &format!("idle_timeout: {message}"));
    // What a route sets takes the place of what is for all.
    let long = format!("{route}, idle_timeout: 1m");
    let (text, _) = changed(route, &long, "");
    let text = text.replace("stream_idle_timeout: 30s", idle);
    assert_eq!(findings(&text).len(), 2, "the other routes");
    let only_events = text.replace("\"/orders\"", "\"/events/a\"").replace("/tenants/", "/events/");
    assert_eq!(findings(&only_events), [FINE]);
    // Another service's route may be as short as it likes.
    let other = "- match: { prefix: /other/ }\n                route: { cluster: nowhere";
    fine(route, &format!("{other}, idle_timeout: 1s }}\n              {route}"));
}

#[test]
fn envoy_has_an_idle_timeout_of_its_own() {
    let text = SHIPPED.replace("          stream_idle_timeout: 30s\n", "");
    assert_eq!(findings(&text), [FINE]);
    let text = text.replace("request_timeout: 30s", "request_timeout: 1h");
    let text = text.replace("\"timeout\": \"10s\"", "\"timeout\": \"5m\"");
    let found = findings(&text);
    assert!(found[0].contains("warning: stream_idle_timeout: 300s is not longer"), "{found:?}");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_struct_is_no_json() {
    let text = "'@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
config:
  vm_config: { code: { local: { filename: envoy_service_bus.wasm } } }
  configuration:
    '@type': type.googleapis.com/google.protobuf.Struct
    value:
      role: gate
      routes: [{ match: { path: orders } }]
";
    assert_eq!(
        findings(text),
        [
            "4:3: error: configuration: must be a google.protobuf.StringValue that holds JSON; \
             Envoy hands a google.protobuf.Struct over as protobuf bytes, which the filter refuses",
            "8:27: error: routes[0].match.path: expected a path such as \"/orders\", \
             percent-encoded and without query, found \"orders\"",
            "1 configuration: 2 errors, 0 warnings"
        ]
    );
    let without = text.split_once("  configuration").unwrap().0;
    assert_eq!(findings(without)[0], "3:3: error: configuration: is required");
}

#[test]
fn a_variable_must_be_given_to_the_module() {
    let (text, line) = changed("host_env_keys: [SB_", "host_env_keys: [SB_OTHER_", "{ \"env\":");
    assert_eq!(
        findings(&text)[0],
        format!(
            "{line}:48: error: credentials.connection_string.env: the module does not see \
             SB_CONNECTION_STRING: name it in vm_config.environment_variables"
        )
    );
}

#[test]
fn filters_of_others_are_left_alone() {
    let other = SHIPPED
        .replace("name: service_bus", "name: waf")
        .replace("envoy_service_bus.wasm", "waf.wasm")
        .replace("\"routes\"", "\"rules\"");
    assert_eq!(findings(&other)[0], "1:1: error: no configuration of the filter in what was given");
}

#[test]
fn what_is_not_checked_is_told() {
    let (text, line) = changed("\"Label\": \"order\"", "\"Label\": \"\\ud83d\\ude00\"", "ud83d");
    let found = findings(&text);
    let message = "what stands around the filter was not checked: not YAML: ";
    assert!(found[0].starts_with(&format!("{line}:")), "{found:?}");
    assert!(found[0].contains(&format!(": warning: {message}")), "{found:?}");
    assert_eq!(found[1..], ["1 configuration: 0 errors, 1 warning"]);
}
