//! Tokens over the wire: what the command line's keys allow.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::client::HOST;
use crate::emulator::{Emulator, sign};

const FAR: u64 = 4_102_444_800;

fn keys() -> Emulator {
    Emulator::start_with(&[
        "--sas-key",
        "send-only=c2VuZA==;rights=Send",
        "--sas-key",
        "listen-only=listen;rights=Listen",
        "--sas-key",
        "orders-only=orders;rights=Send,Listen;entity=orders",
    ])
}

fn ask(emulator: &Emulator, line: &str, token: &str) -> (u16, String) {
    let answer = emulator.ask_unsigned(line, &[("Authorization", token)], b"");
    let detail = if answer.status < 300 { String::new() } else { answer.detail() };
    (answer.status, detail)
}

#[test]
fn a_key_allows_what_its_rights_say() {
    let emulator = keys();
    let root = format!("https://{HOST}/");
    let send = sign(&root, "send-only", "c2VuZA==", FAR);
    let listen = sign(&root, "listen-only", "listen", FAR);
    assert_eq!(ask(&emulator, "POST /events/messages", &send).0, 201);
    assert_eq!(ask(&emulator, "DELETE /events/messages/head?timeout=0", &listen).0, 200);
    for (line, token, right) in [
        ("POST /events/messages", &listen, "Send"),
        ("DELETE /events/messages/head", &send, "Listen"),
        ("POST /events/messages/head", &send, "Listen"),
        ("PUT /events/messages/1/67e55044-10b1-426f-9247-bb680e5fe0c8", &send, "Listen"),
    ] {
        assert_eq!(
            ask(&emulator, line, token),
            (
                401,
                format!(
                    "Unauthorized access. '{right}' claim(s) are required to perform this \
                     operation. Resource: 'sb://{HOST}/events'."
                )
            )
        );
    }
}

#[test]
fn a_key_of_an_entity_holds_there_only() {
    let emulator = keys();
    let token = sign(&format!("https://{HOST}/"), "orders-only", "orders", FAR);
    assert_eq!(ask(&emulator, "POST /orders/messages", &token).0, 201);
    assert_eq!(
        ask(&emulator, "POST /events/messages", &token),
        (
            401,
            format!("40103: Invalid authorization token signature, Resource:sb://{HOST}/events.")
        )
    );
}

#[test]
fn the_default_key_is_gone_when_keys_are_named() {
    let emulator = keys();
    assert_eq!(ask(&emulator, "POST /events/messages", &crate::emulator::token()).0, 401);
}

#[test]
fn a_token_must_be_there_be_true_be_fresh_and_fit() {
    let emulator = Emulator::start();
    let (name, key) = ("RootManageSharedAccessKey", "SAS_KEY_VALUE");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let uri = |path: &str| format!("https://{HOST}/{path}");
    let line = "POST /events/messages";

    let answer = emulator.ask_unsigned(line, &[], b"");
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.detail(),
        format!("40102: Missing authorization token, Resource:sb://{HOST}/events.")
    );
    assert_eq!(
        ask(&emulator, line, &sign(&uri(""), name, "wrong", FAR)),
        (
            401,
            format!("40103: Invalid authorization token signature, Resource:sb://{HOST}/events.")
        )
    );
    let (status, detail) = ask(&emulator, line, &sign(&uri(""), name, key, now - 1));
    assert_eq!(status, 401);
    assert!(
        detail.starts_with("ExpiredToken: The token is expired. Expiration time: '"),
        "{detail}"
    );
    assert_eq!(
        ask(&emulator, line, &sign(&uri("orders"), name, key, FAR)),
        (
            401,
            "InvalidAudience: The authorization header contains a token with a wrong audience."
                .to_owned()
        )
    );
    for path in ["", "events", "events/", "Events/Messages"] {
        assert_eq!(ask(&emulator, line, &sign(&uri(path), name, key, FAR)).0, 201, "{path}");
    }
}

#[test]
fn who_may_not_send_is_not_told_what_exists() {
    let emulator = Emulator::start();
    assert_eq!(emulator.ask_unsigned("POST /nothing/messages", &[], b"").status, 401);
}

fn bearer(identity: &str, secret: &str, expiry: u64) -> String {
    let claims = json!({
        "aud": "https://servicebus.azure.net", "oid": identity, "nbf": 0, "exp": expiry
    });
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(json!({"alg": "HS256"})), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[test]
fn an_identity_sends_with_a_bearer_token() {
    let emulator =
        Emulator::start_with(&["--identity", "gateway=secret;rights=Send;entity=events"]);
    let line = "POST /events/messages";
    assert_eq!(ask(&emulator, line, &bearer("gateway", "secret", FAR)).0, 201);
    assert_eq!(ask(&emulator, "POST /orders/messages", &bearer("gateway", "secret", FAR)).0, 401);
    let forged = "InvalidSignature: The token has an invalid signature.".to_owned();
    assert_eq!(ask(&emulator, line, &bearer("gateway", "wrong", FAR)), (401, forged));
    let expired = "ExpiredToken: The token is expired.".to_owned();
    assert_eq!(ask(&emulator, line, &bearer("gateway", "secret", 1)), (401, expired));
}

#[test]
fn keys_and_identities_are_replaced_while_it_runs() {
    let emulator = keys();
    let root = format!("https://{HOST}/");
    let line = "POST /events/messages";
    let old = sign(&root, "send-only", "c2VuZA==", FAR);
    let new = sign(&root, "send-only", "new", FAR);
    emulator.admin("PUT trusted", r#"{"keys": ["send-only=new;rights=Send"]}"#);
    assert_eq!(ask(&emulator, line, &old).0, 401);
    assert_eq!(ask(&emulator, line, &new).0, 201);
    let both = r#"{"keys": ["send-only=new", "send-only=c2VuZA=="], "identities": ["a=b"]}"#;
    emulator.admin("PUT trusted", both);
    for token in [old, new, bearer("a", "b", FAR)] {
        assert_eq!(ask(&emulator, line, &token).0, 201);
    }
    let answer = emulator.ask_admin("PUT trusted", r#"{"keys": ["a"]}"#);
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("expected NAME=KEY")));
}

#[test]
fn its_clock_may_be_ahead() {
    let emulator = Emulator::start_with(&["--clock-ahead", "7200"]);
    let (name, key) = ("RootManageSharedAccessKey", "SAS_KEY_VALUE");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let root = format!("https://{HOST}/");
    let line = "POST /events/messages";
    assert_eq!(ask(&emulator, line, &sign(&root, name, key, now + 7100)).0, 401);
    let later = sign(&root, name, key, now + 7300);
    let answer = emulator.ask_unsigned(line, &[("Authorization", &later)], b"");
    assert_eq!(answer.status, 201);
    let date = httpdate::parse_http_date(answer.header("Date").unwrap()).unwrap();
    assert!(date.duration_since(UNIX_EPOCH).unwrap().as_secs() >= now + 7200);
}
