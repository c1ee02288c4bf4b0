//! What is wrong with a configuration, and in which line.

use serde_json::{Value as Json, json};

use crate::program::{Ended, run, run_with};

/// Runs `check` on a text.
pub(crate) fn check(text: &str) -> Ended {
    run_with(&["check", "-"], &[], text)
}

/// The findings without the name of the file, and the summary.
pub(crate) fn findings(text: &str) -> Vec<String> {
    let ended = check(text);
    assert_eq!(ended.stderr, "");
    ended.stdout.lines().map(|line| line.trim_start_matches("<stdin>:").to_owned()).collect()
}

/// A configuration with two mistakes; in a file of its own they stand in lines 6 and 7.
pub(crate) const TWO_MISTAKES: &str = r#"{
  "namespace": "contoso.servicebus.windows.net",
  "cluster": "servicebus",
  "credentials": {"upstream": {}},
  "routes": [{"name": "orders", "match": {"path": "/é"},
    "send": {"queue": "orders", "broker_properties": {"TimeToLive": "soon"},
      "body": 1}}]
}
"#;

pub(crate) const GOOD: &str = r#"{"namespace": "contoso.servicebus.windows.net", "cluster": "servicebus",
 "credentials": {"sas": {"key_name": "send", "key": {"env": "SB_KEY"}}},
 "routes": [{"name": "orders", "match": {"path": "/orders"}, "send": {"queue": "orders"}}]}
"#;

const PATH: &str = "routes[0].match.path: expected a path such as \"/orders\", \
                    percent-encoded and without query, found \"/é\"";
const LIFE: &str = "routes[0].send.broker_properties.TimeToLive: expected a duration such as \
                    \"30s\", found \"soon\"";
const KEY: &str = "routes[0].send.body: unknown key, expected one of queue, topic, allowed, \
                   payload, content_type, broker_properties, properties, forward_headers";

/// The findings for the mistakes above, at these places.
pub(crate) fn expected(path: &str, life: &str, key: &str) -> Vec<String> {
    vec![
        format!("{path}: error: {PATH}"),
        format!("{life}: error: {LIFE}"),
        format!("{key}: error: {KEY}"),
        "1 configuration: 3 errors, 0 warnings".to_owned(),
    ]
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
}

#[test]
fn a_configuration_that_is_right_ends_with_0() {
    assert_eq!(check(GOOD), Ended::quiet(0, "1 configuration: 0 errors, 0 warnings\n"));
}

#[test]
fn each_mistake_is_told_with_its_line_and_place() {
    assert_eq!(check(TWO_MISTAKES).code, 1);
    assert_eq!(findings(TWO_MISTAKES), expected("5:43", "6:55", "7:7"));
}

#[test]
fn a_block_of_yaml_keeps_the_lines() {
    let yaml = |style: &str| {
        format!(
            "# A comment.\n\
             '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n\
             config:\n  \
               name: service_bus\n  \
               configuration:\n    \
                 '@type': type.googleapis.com/google.protobuf.StringValue\n    \
                 value: {style} # JSON\n\n\
             {}  \
               allow_on_headers_stop_iteration: true\n",
            indented(TWO_MISTAKES, 6)
        )
    };
    for style in ["|", "|-", ">", ">-"] {
        assert_eq!(findings(&yaml(style)), expected("13:49", "14:61", "15:13"), "{style}");
    }
}

#[test]
fn a_quoted_text_keeps_the_columns() {
    let quoted = serde_json::to_string(TWO_MISTAKES).unwrap();
    let filter = |value: &str| {
        format!(
            "\"@type\": a/envoy.extensions.filters.http.wasm.v3.Wasm\nconfig:\n  \
             name: service_bus\n  allow_on_headers_stop_iteration: true\n  configuration: \
             {{\"@type\": a/google.protobuf.StringValue,\n    value: {value}}}\n"
        )
    };
    let column = |quoted: &str, needle: &str| {
        let before = quoted.split_once(needle).unwrap().0;
        format!("6:{}", 12 + before.chars().count())
    };
    let at = |needle| column(&quoted, needle);
    let places = (at("\\\"path"), at("\\\"TimeToLive"), at("\\\"body"));
    assert_eq!(findings(&filter(&quoted)), expected(&places.0, &places.1, &places.2));
    let single = format!("'{}'", TWO_MISTAKES.replace('\n', " "));
    let at = |needle| column(&single, needle);
    let places = (at("\"path"), at("\"TimeToLive"), at("\"body"));
    assert_eq!(findings(&filter(&single)), expected(&places.0, &places.1, &places.2));
}

#[test]
fn envoys_json_is_read_in_its_other_style_too() {
    let filter = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "rootId": "service-bus",
            "allowOnHeadersStopIteration": true,
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": TWO_MISTAKES
            }
        }
    });
    let text = serde_json::to_string_pretty(&json!({"resources": [filter]})).unwrap();
    let line = text.lines().position(|line| line.contains("namespace")).unwrap() + 1;
    let found = findings(&text);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[..3].iter().all(|it| it.starts_with(&format!("{line}:"))), "{found:?}");
}

#[test]
fn text_that_is_not_json_is_told_where_it_ends_to_be() {
    let broken = GOOD.replace("\"cluster\": ", "\"cluster\" ");
    assert_eq!(
        findings(&broken),
        ["1:59: error: not JSON: expected `:`", "1 configuration: 1 error, 0 warnings"]
    );
    let yaml = format!(
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  envoy.yaml: |\n    '@type': a/envoy.extensions.filters.http.wasm.v3.Wasm\n    \
         config:\n      name: service_bus\n      configuration:\n        \
         '@type': a/google.protobuf.StringValue\n        value: |\n{}",
        indented(&broken, 10)
    );
    assert_eq!(findings(&yaml)[0], "11:69: error: not JSON: expected `:`");
}

#[test]
fn what_yaml_lets_pass_in_braces_is_no_json_all_the_same() {
    let trailing = GOOD.replace("\"orders\"}}]}", "\"orders\"}}],\n}");
    assert_eq!(findings(&trailing)[0], "4:1: error: not JSON: key must be a string");
    let single = GOOD.replace("\"namespace\"", "'namespace'");
    assert_eq!(findings(&single)[0], "1:2: error: not JSON: key must be a string");
    let bare = GOOD.replace("\"servicebus\"", "servicebus");
    assert_eq!(findings(&bare)[0], "1:60: error: not JSON: expected value");
    let gate = "{\"role\": \"gate\", \"routes\": [{\"match\": {\"path\": \"/a\"}},]}";
    assert_eq!(findings(gate)[0], "1:55: error: not JSON: expected value");
}

#[test]
fn a_key_of_envoys_in_our_own_is_a_mistake_like_others() {
    let ours = GOOD.replacen('{', "{\"name\": \"orders\", ", 1);
    assert!(findings(&ours)[0].starts_with("1:2: error: name: unknown key, expected one of "));
}

#[test]
fn envoys_json_need_not_be_whole() {
    let filter = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": "service_bus",
            "allow_on_headers_stop_iteration": true,
            "vm_config": {"environment_variables": {"host_env_keys": ["SB_KEY"]}},
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": GOOD
            }
        }
    });
    let cluster = json!({"name": "servicebus", "type": "STRICT_DNS", "connect_timeout": "1s"});
    let listener = json!({
        "name": "gateway",
        "per_connection_buffer_limit_bytes": 65536,
        "filter_chains": [{"filters": [{"typed_config": {
            "http_filters": [{"name": "service_bus", "typed_config": filter}]
        }}]}]
    });
    let found = findings(&listener.to_string());
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("warning: per_connection_buffer_limit_bytes: "), "{found:?}");

    let message = "1:1: error: no configuration of the filter in what was given";
    assert_eq!(findings(&cluster.to_string())[0], message);

    let any = |kind: &str, mut value: Json| {
        value["@type"] = format!("type.googleapis.com/{kind}").into();
        value
    };
    let dump = json!({"configs": [
        any("envoy.admin.v3.BootstrapConfigDump", json!({"bootstrap": {"static_resources": {
            "listeners": [listener], "clusters": [cluster]
        }}})),
        any("envoy.admin.v3.ClustersConfigDump", json!({"static_clusters": [
            {"cluster": any("envoy.config.cluster.v3.Cluster", cluster.clone())}
        ]})),
        any("envoy.admin.v3.ListenersConfigDump", json!({"static_listeners": [
            {"listener": any("envoy.config.listener.v3.Listener", listener)}
        ]})),
    ]});
    let found = findings(&dump.to_string());
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().any(|one| one.contains("what goes to cluster \"servicebus\"")));
    assert_eq!(found[2], "1 configuration: 0 errors, 2 warnings");
    // Broken, it is still Envoy's.
    let broken = dump.to_string().replace("static_clusters\":", "static_clusters\"");
    assert!(findings(&broken)[0].contains(": error: not YAML: "), "{:?}", findings(&broken));
}

#[test]
fn files_in_a_config_map_may_be_broken() {
    let map = |key: &str, text: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  {key}: |\n{}", indented(text, 4))
    };
    let wasm = "'@type': a/envoy.extensions.filters.http.wasm.v3.Wasm\nconfig: {\n";
    let found = findings(&map("envoy.yaml", wasm));
    assert!(found[0].starts_with("7:") || found[0].starts_with("6:"), "{found:?}");
    assert!(found[0].contains("error: not YAML: "), "{found:?}");
    assert_eq!(findings(&map("plugin.json", TWO_MISTAKES)), expected("9:47", "10:59", "11:11"));
    // Those of others are none of ours.
    let other = findings(&map("other.yaml", "a: [\n"));
    assert_eq!(other[0], "1:1: error: no configuration of the filter in what was given");
}

#[test]
fn text_that_is_not_yaml_is_told_where() {
    let found = findings("a:\n  b: [1,\nc: 2\n");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("3:"), "{found:?}");
    assert!(found[0].contains(": error: not YAML: "), "{found:?}");
    let found = findings("a: 1\nb: 2\na: 3\n");
    assert_eq!(found[0], "3:1: error: the key \"a\" stands here a second time");
}

#[test]
fn programs_get_json() {
    let ended = run_with(&["check", "--json", "-"], &[], TWO_MISTAKES);
    let told: Json = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
    assert_eq!(told["configurations"], json!([{"file": "<stdin>", "line": 1, "name": null}]));
    assert_eq!((&told["errors"], &told["warnings"]), (&json!(3), &json!(0)));
    assert_eq!(
        told["findings"][1],
        json!({
            "file": "<stdin>",
            "line": 6,
            "column": 55,
            "severity": "error",
            "place": "routes[0].send.broker_properties.TimeToLive",
            "message": "expected a duration such as \"30s\", found \"soon\""
        })
    );
}

#[test]
fn warnings_fail_when_they_shall() {
    let inline = GOOD.replace(r#""env": "SB_KEY""#, r#""inline": "canary""#);
    let lines = "<stdin>:2:54: warning: credentials.sas.key.inline: is shown to anyone who can \
                 read the configuration or Envoy's /config_dump; use {\"env\": NAME}\n\
                 1 configuration: 0 errors, 1 warning\n";
    assert_eq!(check(&inline), Ended::quiet(0, lines));
    let strict = run_with(&["check", "--strict", "-"], &[], &inline);
    assert_eq!(strict, Ended::quiet(1, lines));
}

#[test]
fn files_without_a_configuration_are_not_called_right() {
    assert_eq!(
        findings("kind: Service\napiVersion: v1\n"),
        [
            "1:1: error: no configuration of the filter in what was given",
            "0 configurations: 1 error, 0 warnings"
        ]
    );
    let found = findings("role: gate\nroutes:\n- match: {path: /a}\n");
    assert_eq!(found[0], "1:1: error: the configuration of the filter is JSON, not YAML");
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let missing = run(&["check", "envoy/none.yaml"]);
    let reason = "cannot read envoy/none.yaml: No such file or directory (os error 2)";
    assert_eq!(missing, Ended::unusable(reason));
    assert_eq!(run(&["check"]).code, 2);
}

#[test]
fn neither_aliases_nor_depth_take_the_command_down() {
    let mut bomb = String::from("a0: &a0 [1,2,3,4,5,6,7,8,9]\n");
    for n in 1..12 {
        let aliases = vec![format!("*a{}", n - 1); 9].join(",");
        bomb.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    let found = findings(&bomb);
    assert!(found[0].ends_with("error: more than 1000000 values"), "{found:?}");
    let mut chain = String::from("a0: &a0 [1]\n");
    for n in 1..100_000 {
        chain.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    let found = findings(&chain);
    assert!(found[0].ends_with("error: nested more than 200 levels deep"), "{found:?}");
    let deep = findings(&format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000)));
    assert!(deep[0].contains(": error: "), "{deep:?}");
}

#[test]
fn colours_are_for_terminals() {
    // The tests' standard output is none.
    let ended = run_with(&["check", "-"], &[("TERM", "xterm")], TWO_MISTAKES);
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    let forced = [("TERM", "xterm"), ("CLICOLOR_FORCE", "1")];
    let coloured = run_with(&["check", "-"], &forced, TWO_MISTAKES);
    assert!(coloured.stdout.contains(": \u{1b}[1;31merror\u{1b}[0m: "), "{}", coloured.stdout);
    let without = coloured.stdout.replace("\u{1b}[1;31m", "").replace("\u{1b}[0m", "");
    assert_eq!(without, ended.stdout);
    // What programs read has none, ever.
    let json = run_with(&["check", "--json", "-"], &forced, TWO_MISTAKES);
    assert!(!json.stdout.contains('\u{1b}'), "{}", json.stdout);
}
