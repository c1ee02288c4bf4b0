//! What the filter would make of a request.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::program::{Ended, run_with};

const AT: &str = "2026-01-31T12:00:00Z";

/// A file of this process, gone when the test is.
pub(crate) struct Temporary(pub(crate) PathBuf);

impl Temporary {
    pub(crate) fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn config(changes: Json) -> String {
    let mut config = json!({
        "namespace": "contoso.servicebus.windows.net",
        "cluster": "servicebus",
        "credentials": {"sas": {"key_name": "send", "key": {"env": "SB_KEY"}}},
        "routes": [
            {
                "name": "orders",
                "match": {"methods": ["POST"], "path_template": "/orders/{id}"},
                "send": {
                    "topic": "eu/orders",
                    "payload": {"order": "${path.id}", "who": "${jwt.sub}", "at": "${now}"},
                    "content_type": "application/json",
                    "properties": {"text": "it's", "from": "${source.address}"}
                },
                "reply": {"headers": {"location": "/orders/${tracking_id}"}}
            },
            {"name": "raw", "match": {"path": "/raw"}, "send": {"queue": "raw"}},
            {
                "name": "status",
                "match": {"path": "/status"},
                "lookup": {"cluster": "store", "authority": "store:80", "path": "/s"}
            }
        ]
    });
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    config.to_string()
}

/// Runs `render` with the request as its input.
pub(crate) fn render(name: &str, config: &str, request: &[u8], more: &[&str]) -> Ended {
    let file = Temporary::new(name, config);
    let request = std::str::from_utf8(request).unwrap();
    let own = ["render", "--config", file.path(), "--request", "-", "--now", AT];
    let ended = run_with(&[&own[..], more].concat(), &[], request);
    let hide = |text: &str| text.replace(file.path(), "CONFIG");
    Ended { code: ended.code, stdout: hide(&ended.stdout), stderr: hide(&ended.stderr) }
}

pub(crate) fn rendered_json(name: &str, config: &str, request: &str) -> Json {
    let ended = render(name, config, request.as_bytes(), &["--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    serde_json::from_str(&ended.stdout).unwrap()
}

const ORDER: &str = "# A comment.\nPOST /orders/7%2F8?a=b HTTP/1.1\r\nHost: api.example.com\r\n\
                     Idempotency-Key: k1\r\n\r\n{}";

#[test]
fn the_callout_and_the_reply_are_those_of_the_filter() {
    let claims = Temporary::new("claims", r#"{"sub": "ann"}"#);
    let more = ["--claims", claims.path(), "--source", "192.0.2.7:1"];
    let ended = render("exact", &config(json!({})), ORDER.as_bytes(), &more);
    let payload = r#"{"order":"7/8","who":"ann","at":"2026-01-31T12:00:00.000Z"}"#;
    assert_eq!(
        ended,
        Ended::quiet(
            0,
            format!(
                r#"### route orders: callout to cluster servicebus

POST /eu/orders/messages HTTP/1.1
host: contoso.servicebus.windows.net
authorization: (hidden)
content-type: application/json
brokerproperties: {{"MessageId":"k1"}}
text: "it's"
from: "192.0.2.7:1"

{payload}

### by hand

curl -X POST 'https://contoso.servicebus.windows.net/eu/orders/messages' \
  -H 'accept:' \
  -H 'user-agent:' \
  -H "authorization: $(envoy-service-bus sas --namespace contoso.servicebus.windows.net --entity eu/orders --key-name 'send' --key-env SB_KEY)" \
  -H 'content-type: application/json' \
  -H 'brokerproperties: {{"MessageId":"k1"}}' \
  -H 'text: "it'\''s"' \
  -H 'from: "192.0.2.7:1"' \
  --data-raw '{payload}'

### reply to the client, after the answer 201

HTTP/1.1 202
location: /orders/k1
content-type: application/json
x-tracking-id: k1

{{"status":"accepted","trackingId":"k1"}}
"#
            )
        )
    );
}

#[test]
fn programs_get_json() {
    let request = "POST http://api.example.com/raw\nContent-Type: a/b\nidempotency-key: k1\n\nbody";
    let told = rendered_json("json", &config(json!({})), request);
    assert_eq!((&told["outcome"], &told["route"]), (&json!("sent"), &json!("raw")));
    assert_eq!(told["cluster"], "servicebus");
    assert_eq!(
        told["callout"],
        json!({
            "headers": [
                [":method", "POST"],
                [":path", "/raw/messages"],
                [":authority", "contoso.servicebus.windows.net"],
                [":scheme", "https"],
                ["authorization", "(hidden)"],
                ["content-type", "a/b"],
                ["brokerproperties", "{\"MessageId\":\"k1\"}"]
            ],
            "body": "body"
        })
    );
    assert_eq!(told["reply"]["status"], 202);
}

#[test]
fn no_kind_of_credentials_needs_or_shows_a_secret() {
    let entra = json!({"client_secret": {"cluster": "entra", "tenant_id": "t", "client_id": "c",
                                         "secret": {"inline": "canary"}}});
    let identity = json!({"managed_identity": {"cluster": "imds", "source": "imds"}});
    let inline = json!({"sas": {"key_name": "send", "key": {"inline": "canary"}}});
    let string = json!({"connection_string": {"env": "SB"}});
    let az = "Bearer $(az account get-access-token";
    for (index, (credentials, token, signed)) in [
        (entra, az, true),
        (identity, az, true),
        (inline, "$AUTHORIZATION", true),
        (string, "$(envoy-service-bus sas --entity raw --connection-string-env SB)", true),
        (json!({"upstream": {}}), "$AUTHORIZATION", false),
    ]
    .into_iter()
    .enumerate()
    {
        let config = config(json!({"credentials": credentials}));
        let name = format!("credentials-{index}");
        let told = rendered_json(&name, &config, "POST /raw\nhost: a\n\nbody");
        let text = told.to_string();
        assert!(!text.contains("canary") && !text.contains("sig="), "{text}");
        let curl = told["curl"].as_str().unwrap();
        assert!(curl.contains(&format!("-H \"authorization: {token}")), "{curl}");
        assert_eq!(text.contains(r#"["authorization","(hidden)"]"#), signed, "{text}");
    }
}

#[test]
fn a_message_that_waits_for_company_leaves_alone() {
    let config = config(json!({"delivery": {"batch": {"linger": "1s"}}}));
    let told = rendered_json("batch", &config, "POST /raw\nhost: a\n\nbody");
    assert_eq!(told["callout"]["body"], "body");
}

#[test]
fn a_lookup_is_shown_with_the_reply_to_what_it_finds() {
    let request = b"GET /status\nhost: a\nidempotency-key: k1\n\n";
    let callout = "### route status: callout to cluster store\n\nGET /s HTTP/1.1\nhost: store:80\n\
                   accept: application/json\n\n### by hand\n\ncurl -X GET 'https://store:80/s' \\\n  \
                   -H 'content-type:' \\\n  -H 'user-agent:' \\\n  \
                   -H 'accept: application/json'\n";
    let ended = render("lookup", &config(json!({})), request, &[]);
    assert_eq!(ended, Ended::quiet(0, callout));
    let found = Temporary::new("found", r#"{"a": 1}"#);
    let ended = render("found-it", &config(json!({})), request, &["--found", found.path()]);
    let reply = "\n### reply to the client, after what was found\n\nHTTP/1.1 200\n\
                 content-type: application/json\nx-tracking-id: k1\n\n{\"a\":1}\n";
    assert_eq!(ended, Ended::quiet(0, format!("{callout}{reply}")));
}

#[test]
fn a_request_that_is_not_sent_ends_with_1() {
    let config = config(json!({}));
    let ended = render("passed", &config, b"GET /raws\nhost: a\n", &[]);
    let text = "### no route matches: the request goes on untouched\n";
    assert_eq!(ended, Ended::quiet(1, text));
    let ended = render("refused", &config, ORDER.as_bytes(), &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
    let start = "### route orders: nothing is sent\n\nHTTP/1.1 400\n";
    assert!(ended.stdout.starts_with(start), "{}", ended.stdout);
    assert!(ended.stdout.contains("payload.who is missing from the request"), "{}", ended.stdout);
}

#[test]
fn the_configuration_may_stand_in_any_file() {
    let request = "POST /orders\nhost: a\nidempotency-key: k1\n\n{}";
    let own = ["render", "--config", "envoy/envoy.yaml", "--request", "-"];
    let ended = run_with(&own, &[], request);
    let start = "### route orders: callout to cluster servicebus\n\nPOST /orders/messages HTTP/1.1\n\
                 host: sbemulatorns.servicebus.windows.net\nauthorization: (hidden)\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.starts_with(start), "{}", ended.stdout);
}

#[test]
fn one_sender_is_chosen_among_several() {
    let plugin = |name: &str| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: \
             {name}}}\nspec: {{url: oci://a/service-bus, pluginConfig: {}}}\n---\n",
            config(json!({}))
        )
    };
    let both = plugin("first") + &plugin("second");
    let request = b"POST /raw\nhost: a\n\nbody";
    let ended = render("two", &both, request, &[]);
    assert_eq!(ended, Ended::unusable("choose a sender with --name: first, second"));
    assert_eq!(render("one-of-two", &both, request, &["--name", "second"]).code, 0);
    let ended = render("none-of-two", &both, request, &["--name", "third"]);
    assert_eq!(ended, Ended::unusable("CONFIG has no such sender"));
}
