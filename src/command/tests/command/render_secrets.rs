//! `render` shows no secret, whatever the kind of credentials.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value as Json, json};

use crate::render::{config, render};

const CANARY: &str = "c4n/ry+secret==";

/// The secret as it stands, and as it would look in a URL, in base64 and as a list of bytes.
fn forms() -> [String; 5] {
    let percent = percent_encoding::utf8_percent_encode(CANARY, percent_encoding::NON_ALPHANUMERIC);
    let listed = format!("{:?}", CANARY.as_bytes());
    [
        CANARY.to_owned(),
        percent.to_string(),
        STANDARD.encode(CANARY).trim_end_matches('=').to_owned(),
        URL_SAFE_NO_PAD.encode(CANARY),
        listed.trim_matches(['[', ']']).to_owned(),
    ]
}

fn kinds() -> Vec<Json> {
    let secret = json!({"inline": CANARY});
    let connection = |end: &str| {
        let text = format!("Endpoint=sb://contoso.servicebus.windows.net/;{end}");
        json!({"connection_string": {"inline": text}})
    };
    vec![
        json!({"sas": {"key_name": "send", "key": secret, "secondary_key": secret}}),
        connection(&format!("SharedAccessKeyName=send;SharedAccessKey={CANARY}")),
        connection(&format!("SharedAccessSignature=SharedAccessSignature sr=a&sig={CANARY}")),
        json!({"managed_identity": {
            "cluster": "tokens", "source": "app_service", "identity_header": secret
        }}),
        json!({"client_secret": {
            "cluster": "tokens", "tenant_id": "t", "client_id": "c", "secret": secret
        }}),
    ]
}

#[test]
fn no_place_of_a_secret_is_shown_in_text_or_json() {
    let request = b"POST /raw\nhost: a\n\nbody";
    let guard = json!({"header": "x-dry-run", "value": {"inline": CANARY.repeat(2)}});
    for (index, credentials) in kinds().into_iter().enumerate() {
        let general = json!({"credentials": credentials});
        let route = |rest: Json| {
            let mut route = json!({
                "name": "raw", "match": {"path": "/raw"}, "send": {"queue": "raw"},
                "dry_run": guard
            });
            route.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            json!({"credentials": {"upstream": {}}, "routes": [route]})
        };
        let fallback = json!({"fallback": {"queue": "b", "credentials": credentials}});
        for (place, changes) in
            [("general", general.clone()), ("route", route(general)), ("second", route(fallback))]
        {
            for more in [&[][..], &["--json"]] {
                let name = format!("canary-{index}-{place}-{}", more.len());
                let ended = render(&name, &config(changes.clone()), request, more);
                assert_eq!(ended.code, 0, "{ended:?}");
                let shown = format!("{} {}", ended.stdout, ended.stderr);
                for form in forms() {
                    assert!(!shown.contains(&form), "{place}: {form} in {shown}");
                }
            }
        }
    }
}
