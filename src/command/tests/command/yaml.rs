//! YAML as it is written: merge keys, templates.

use crate::check::{GOOD, findings};

/// Two plugins that have all but their names and configurations from one place.
const MERGED: &str = "
apiVersion: v1
kind: List
items:
- apiVersion: extensions.istio.io/v1alpha1
  kind: WasmPlugin
  metadata: { name: service-bus }
  spec:
    <<: &common
      url: oci://registry.example.com/envoy-service-bus:0.1.0
      failStrategy: FAIL_OPEN
      phase: AUTHN
    priority: 10
    pluginConfig:
      role: gate
      routes:
      - match: { path: /orders }
- apiVersion: extensions.istio.io/v1alpha1
  kind: WasmPlugin
  metadata: { name: service-bus-gate }
  spec:
    <<: [{ priority: 9, failStrategy: FAIL_RELOAD }, *common]
    phase: STATS
    pluginConfig:
      role: gate
      routes:
      - match: { path: /orders }
";

#[test]
fn merge_keys_are_what_kubectl_makes_of_them() {
    assert_eq!(
        findings(MERGED),
        [
            "11:7: warning: failStrategy: FAIL_OPEN lets requests pass unsent when the filter \
             fails; use FAIL_RELOAD",
            "2 configurations: 0 errors, 1 warning"
        ]
    );
    let wrong = MERGED.replace("*common]", "1]");
    assert_eq!(findings(&wrong)[0], "22:54: error: a merge key `<<` stands for maps alone");
    // A text in quotes is a key like others.
    let quoted = MERGED.replace("<<: &common", "'<<': &common");
    assert_eq!(findings(&quoted)[0], "2 configurations: 0 errors, 0 warnings");
}

#[test]
fn envoy_itself_refuses_merge_keys() {
    let text = "static_resources:\n  clusters:\n  - &first\n    name: servicebus\n    \
         connect_timeout: 1s\n  - <<: *first\n    name: other\n";
    assert_eq!(
        findings(text)[0],
        "6:5: error: Envoy does not know merge keys and refuses the file: write what `<<` stands \
         for"
    );
    assert_eq!(findings(GOOD).len(), 1);
}
