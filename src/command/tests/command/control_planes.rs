//! The filter as Istio, Envoy Gateway and Higress bring it.

use crate::check::findings;

/// A configuration in YAML, as a member of a resource.
const SENDER: &str = "
    header_mode: continue
    max_body_bytes: 16384
    namespace: contoso.servicebus.windows.net
    cluster: outbound|443||contoso.servicebus.windows.net
    credentials: { connection_string: { env: SB } }
    routes:
    - name: orders
      match: { path: /orders }
      send: { queue: orders, properties: { vip: yes, level: 5, code: '5' } }";
const GATE: &str = "
    role: gate
    routes:
    - match: { path: /orders }";
/// Takes what Envoy adds to callouts away.
const PATCH: &str = "---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
spec:
  configPatches:
  - applyTo: CLUSTER
    patch:
      operation: MERGE
      value:
        http_filters:
        - typed_config:
            mutations:
              request_mutations:
              - remove: x-envoy-internal
              - remove: X-Envoy-Expected-Rq-Timeout-Ms
";

fn istio(name: &str, priority: i64, config: &str) -> String {
    format!(
        "---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {{ name: {name} }}
spec:
  url: oci://registry.example.com/filter
  failStrategy: FAIL_RELOAD
  priority: {priority}
  vmConfig: {{ env: [{{ name: SB, valueFrom: HOST }}] }}
  pluginConfig: {config}
"
    )
}

fn envoy_gateway(filters: &[(&str, &str)]) -> String {
    let filters = filters.iter().map(|(name, config)| {
        let config = config.replace('\n', "\n    ");
        format!("  - name: {name}\n    env: {{ hostKeys: [SB] }}\n    config: {config}\n")
    });
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nspec:\n  \
         wasm:\n{}",
        filters.collect::<String>()
    )
}

const UNHELD: &str = "header_mode: continue needs something after the filter that holds the \
                      headers, a second instance with \"role\": \"gate\" or \
                      envoy.filters.http.buffer, and there is none: requests go on before their \
                      message is sent";
const STRAY: &str = "cluster: nothing removes x-envoy-internal and x-envoy-expected-rq-timeout-ms \
                     from what goes to cluster \"outbound|443||contoso.servicebus.windows.net\", \
                     and Service Bus takes what Envoy adds for properties of the message: use a \
                     patch of the cluster";

#[test]
fn istios_gate_comes_after_the_sender_by_its_priority() {
    let sender = istio("service-bus", 10, SENDER);
    let pair = |priority| sender.clone() + &istio("service-bus-gate", priority, GATE) + PATCH;
    assert_eq!(findings(&pair(9)), ["2 configurations: 0 errors, 0 warnings"]);
    assert_eq!(
        findings(&pair(10)),
        [format!("11:5: warning: {UNHELD}"), "2 configurations: 0 errors, 1 warning".to_owned()]
    );
}

#[test]
fn mistakes_in_a_plugin_config_stand_in_their_lines() {
    let config = SENDER.replace("queue: orders", "queue: /orders").replace("yes", "[yes]");
    assert_eq!(
        findings(&(istio("service-bus", 1, &config) + &istio("gate-service-bus", 0, GATE) + PATCH)),
        [
            "19:15: error: routes[0].send.queue: expected a path of 1 to 260 letters, digits, \
             . - _ and /, with a letter or digit at each end, found \"/orders\"",
            "19:45: error: routes[0].send.properties.vip: expected a string, a number or a \
             boolean, found a list",
            "2 configurations: 2 errors, 0 warnings"
        ]
    );
}

#[test]
fn istio_cannot_let_the_filter_hold_the_headers() {
    let config = SENDER.replace("header_mode: continue", "header_mode: pause");
    let text = istio("service-bus", 1, &config).replace("FAIL_RELOAD", "FAIL_OPEN");
    assert_eq!(
        findings(&text),
        [
            "7:3: warning: failStrategy: FAIL_OPEN lets requests pass unsent when the filter \
             fails; use FAIL_RELOAD"
                .to_owned(),
            "11:5: warning: header_mode: pause needs `allow_on_headers_stop_iteration`, which \
             cannot be set here, and requests hang: use \"continue\" and a second instance with \
             \"role\": \"gate\" after this one"
                .to_owned(),
            format!("14:5: warning: {STRAY}"),
            "1 configuration: 0 errors, 3 warnings".to_owned()
        ]
    );
}

#[test]
fn the_filter_is_known_by_its_configuration_too() {
    let text = istio("orders", 10, SENDER) + &istio("orders-gate", 9, GATE) + PATCH;
    assert_eq!(findings(&text), ["2 configurations: 0 errors, 0 warnings"]);
    let higress = text
        .replace("extensions.istio.io", "extensions.higress.io")
        .replace("pluginConfig", "defaultConfig");
    assert_eq!(findings(&higress), ["2 configurations: 0 errors, 0 warnings"]);
    let gateway = envoy_gateway(&[("orders", SENDER), ("orders-gate", GATE)]) + PATCH;
    assert_eq!(findings(&gateway), ["2 configurations: 0 errors, 0 warnings"]);
    // Another's.
    let other = istio("waf", 10, " { rules: [], namespace: a }");
    assert_eq!(findings(&other)[0], "1:1: error: no configuration of the filter in what was given");
}

#[test]
fn a_variable_must_be_given_to_istios_module() {
    let text = istio("service-bus", 10, SENDER) + &istio("service-bus-gate", 9, GATE) + PATCH;
    assert_eq!(
        findings(&text.replace("name: SB,", "name: SC,"))[0],
        "15:41: error: credentials.connection_string.env: the module does not see SB: name it in \
         vmConfig.env"
    );
}

#[test]
fn an_envoy_filter_may_bring_the_filter_and_the_buffer() {
    let config = crate::check::GOOD.replace("SB_KEY", "SB").replace('\n', "");
    let filter = format!(
        "---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    patch:
      operation: INSERT_BEFORE
      value:
        name: service-bus
        typed_config:
          '@type': type.googleapis.com/udpa.type.v1.TypedStruct
          type_url: type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
          value:
            config:
              allow_on_headers_stop_iteration: true
              vm_config: {{ environment_variables: {{ host_env_keys: [SB] }} }}
              configuration:
                '@type': type.googleapis.com/google.protobuf.StringValue
                value: '{config}'
"
    );
    let fine = "1 configuration: 0 errors, 0 warnings";
    assert_eq!(findings(&(filter.clone() + PATCH)), [fine]);
    assert_eq!(findings(&filter).len(), 2);
    let held = format!(
        "---\napiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nspec:\n  patch:\n    \
         value: {{ name: envoy.filters.http.buffer }}\n{PATCH}"
    );
    assert_eq!(findings(&(istio("service-bus", 1, SENDER) + &held)), [fine]);
}

#[test]
fn a_patch_is_for_the_clusters_that_it_names() {
    let pair = istio("service-bus", 10, SENDER) + &istio("service-bus-gate", 9, GATE);
    let with = |matches: &str| {
        let patch = PATCH.replace("    patch:", &format!("    match: {matches}\n    patch:"));
        findings(&(pair.clone() + &patch))
    };
    let fine = "2 configurations: 0 errors, 0 warnings";
    let host = "contoso.servicebus.windows.net";
    for matches in [
        format!("{{ cluster: {{ name: outbound|443||{host} }} }}"),
        format!("{{ cluster: {{ service: {host} }} }}"),
        format!("{{ cluster: {{ service: {host}, portNumber: 443 }} }}"),
        "{ context: GATEWAY }".to_owned(),
    ] {
        assert_eq!(with(&matches), [fine], "{matches}");
    }
    for matches in [
        format!("{{ cluster: {{ name: outbound|80||{host} }} }}"),
        "{ cluster: { service: other.servicebus.windows.net } }".to_owned(),
        format!("{{ cluster: {{ service: {host}, portNumber: 80 }} }}"),
    ] {
        let found = with(&matches);
        assert_eq!(found.len(), 2, "{matches}: {found:?}");
        assert!(found[0].ends_with(STRAY), "{found:?}");
    }
    let downstream = PATCH.replace("applyTo: CLUSTER", "applyTo: HTTP_FILTER");
    assert!(findings(&(pair + &downstream))[0].ends_with(STRAY));
}

#[test]
fn envoy_gateways_list_is_an_order() {
    let both = [("service-bus", SENDER), ("service-bus-gate", GATE)];
    assert_eq!(
        findings(&(envoy_gateway(&both) + PATCH)),
        ["2 configurations: 0 errors, 0 warnings"]
    );
    let turned = [both[1], both[0]];
    assert!(findings(&(envoy_gateway(&turned) + PATCH))[0].ends_with(UNHELD));
    let open = envoy_gateway(&both).replace("env: { host", "failOpen: true\n    env: { host");
    assert_eq!(
        findings(&(open + PATCH))[0],
        "6:5: warning: failOpen: lets requests pass unsent when the filter fails; leave it out"
    );
}

#[test]
fn envoy_gateway_buffers_little() {
    let large = SENDER.replace("16384", "65536");
    let text = envoy_gateway(&[("service-bus", &large), ("service-bus-gate", GATE)]) + PATCH;
    assert_eq!(
        findings(&text)[0],
        "9:9: warning: max_body_bytes: Envoy Gateway buffers 32768 bytes and answers larger \
         bodies with a 413 of its own, unless a ClientTrafficPolicy sets connection.bufferLimit: \
         131072 is twice max_body_bytes"
    );
    let policy = |limit: &str| {
        format!(
            "{text}---\napiVersion: gateway.envoyproxy.io/v1alpha1\nkind: ClientTrafficPolicy\n\
             spec: {{ connection: {{ bufferLimit: {limit} }} }}\n"
        )
    };
    assert_eq!(findings(&policy("128Ki")), ["2 configurations: 0 errors, 0 warnings"]);
    let low = findings(&policy("64Ki"));
    assert!(
        low[0].ends_with(
            "warning: bufferLimit: 65536 is below 131072, twice max_body_bytes: Envoy answers \
             large bodies with a 413 of its own"
        ),
        "{low:?}"
    );
}

#[test]
fn higress_hands_over_its_rules_and_the_filter_does_not_read_them() {
    let text = istio("service-bus", 10, SENDER)
        .replace("extensions.istio.io", "extensions.higress.io")
        .replace("pluginConfig", "matchRules: [{ config: {} }]\n  defaultConfig");
    assert_eq!(
        findings(&text)[0],
        "10:3: error: matchRules: the filter does not read the rules of Higress; put all routes \
         into defaultConfig, where `match` tells them apart"
    );
    let without = text.replace("  matchRules: [{ config: {} }]\n", "");
    assert!(findings(&without).last().unwrap().starts_with("1 configuration: 0 errors, "));
}

#[test]
fn lists_of_resources_and_files_in_config_maps_are_looked_into() {
    let item = istio("service-bus", 1, GATE).replace("---\n", "");
    let list = item.replace('\n', "\n  ");
    let text = format!("apiVersion: v1\nkind: List\nitems:\n- {list}\n");
    assert_eq!(findings(&text), ["1 configuration: 0 errors, 0 warnings"]);
}
