//! Keys and tokens show in nothing that can be printed.

use std::time::Duration;

use crate::common::delivery::{Worker, answer};
use crate::common::sender;
use crate::common::tokens::grant;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use envoy_service_bus::delivery::Effect;
use serde_json::{Value as Json, json};

const CANARY: &str = "c4n/ry+key==";
const TOKEN: &str = "t0ken-c4nary";

/// A secret as it stands, and as it would look in a URL, in base64 and as a list of bytes.
fn forms(secret: &str) -> Vec<String> {
    let percent = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC);
    let bytes = format!("{:?}", secret.as_bytes());
    let base64 = [STANDARD.encode(secret), URL_SAFE.encode(secret)];
    let base64 = base64.map(|text| text.trim_end_matches('=').to_owned());
    let listed = bytes.trim_matches(['[', ']']).to_owned();
    let mut forms = vec![secret.to_owned(), percent.to_string(), listed];
    forms.extend(base64);
    forms
}

fn assert_hidden(shown: &str, kind: &str) {
    let own = ["SharedAccessSignature", "sig=", "Bearer t"].map(str::to_owned);
    for form in forms(CANARY).into_iter().chain(forms(TOKEN)).chain(own) {
        assert!(!shown.contains(&form), "{kind}: {form} in {shown}");
    }
    let signature = "SharedAccessSignature".as_bytes();
    assert!(!shown.contains(format!("{signature:?}").trim_matches(['[', ']'])), "{kind}");
}

fn kinds() -> Vec<(&'static str, Json)> {
    let secret = json!({"inline": CANARY});
    let connection = |end: &str| {
        let text = format!("Endpoint=sb://contoso.servicebus.windows.net/;{end}");
        json!({"connection_string": {"inline": text}})
    };
    vec![
        ("sas", json!({"sas": {"key_name": "send", "key": secret, "secondary_key": secret}})),
        ("key", connection(&format!("SharedAccessKeyName=send;SharedAccessKey={CANARY}"))),
        (
            "signature",
            connection(&format!("SharedAccessSignature=SharedAccessSignature sr=a&sig={CANARY}")),
        ),
        ("imds", json!({"managed_identity": {"cluster": "tokens", "source": "imds"}})),
        (
            "app service",
            json!({"managed_identity": {
                "cluster": "tokens", "source": "app_service", "identity_header": secret
            }}),
        ),
        (
            "client secret",
            json!({"client_secret": {
                "cluster": "tokens", "tenant_id": "t", "client_id": "c", "secret": secret
            }}),
        ),
        ("upstream", json!({"upstream": {}})),
    ]
}

#[test]
fn what_can_be_printed_shows_no_secret() {
    for (kind, credentials) in kinds() {
        let rest = json!({"credentials": credentials});
        let sender = sender(json!({"queue": "orders"}), json!({}), rest);
        assert_hidden(&format!("{sender:?} {sender:#?}"), kind);
        let mut worker = Worker::new(sender);
        worker.submit(1, b"{}");
        worker.pass(Duration::ZERO);
        let mut sends = 0;
        // A token, the message, 401, a fresh token, 401.
        loop {
            assert_hidden(&format!("{:?}", worker.delivery), kind);
            let Some(effect) = worker.delivery.poll() else {
                worker.pass_to_wake();
                continue;
            };
            assert_hidden(&format!("{effect:?} {effect:#?}"), kind);
            match effect {
                Effect::Dispatch(attempt, callout, _) => {
                    let to_tokens = &*callout.cluster == "tokens";
                    sends += usize::from(!to_tokens);
                    let said =
                        if to_tokens { grant(TOKEN, worker.now.wall, 3600) } else { answer("401") };
                    assert_hidden(&format!("{said:?}"), kind);
                    worker.answer(attempt, said);
                }
                Effect::Finish(..) => break,
                Effect::Forget(_) | Effect::Tell(_) => {}
            }
        }
        assert!((1..=3).contains(&sends), "{kind}: {sends}");
    }
}
