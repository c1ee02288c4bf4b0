//! Sends of one message: what is taken, and every rule with its text.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::broker::{BrokerProperties, PropertyValue, Timestamp};

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn send(headers: &[(&str, &str)], body: &[u8]) -> Result<Message, Refusal> {
    let raw: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    send_raw(&raw, body)
}

fn send_raw(headers: &[(&str, &[u8])], body: &[u8]) -> Result<Message, Refusal> {
    let headers = Arc::new(Headers::new(headers.iter().copied()));
    parse(&headers, &Bytes::copy_from_slice(body), Tier::Standard).map(|mut messages| {
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    })
}

fn broker(json: &str) -> Result<BrokerProperties, Refusal> {
    send(&[JSON, ("BrokerProperties", json)], b"").map(|message| message.broker)
}

fn refused(result: Result<impl Sized, Refusal>) -> (u16, String) {
    let refusal = result.map(|_| ()).unwrap_err();
    (refusal.status, refusal.detail)
}

fn bad(detail: &str) -> (u16, String) {
    (400, detail.to_owned())
}

#[test]
fn a_message_is_its_body_its_type_and_its_headers() {
    let message = send(
        &[
            ("Host", "h"),
            JSON,
            ("Content-Length", "3"),
            ("User-Agent", "curl/8"),
            ("Accept", "*/*"),
            ("x-ms-retrypolicy", "NoRetry"),
            ("Priority", "5"),
            ("Diagnostic-Id", "\"00-0af7-b7ad-01\""),
        ],
        b"\0\xff\n",
    )
    .unwrap();
    assert_eq!(&message.body[..], b"\0\xff\n");
    assert_eq!(message.content_type.as_deref(), Some("application/json"));
    let expected: [(Box<str>, PropertyValue); 2] = [
        ("Priority".into(), PropertyValue::Integer(5)),
        ("Diagnostic-Id".into(), PropertyValue::Text("00-0af7-b7ad-01".into())),
    ];
    assert_eq!(*message.properties, expected);
    assert_eq!(message.form, Form::Single);
}

#[test]
fn a_message_without_a_type_has_none() {
    assert_eq!(send(&[], b"").unwrap().content_type, None);
    assert_eq!(send(&[("Content-Type", "")], b"").unwrap().content_type, None);
}

#[test]
fn every_broker_property_that_can_be_set_is_taken() {
    let broker = broker(
        r#"{"MessageId":"m","SessionId":"s","PartitionKey":"s","ViaPartitionKey":"v",
            "ReplyToSessionId":"r","CorrelationId":"c","Label":"\u00e9","ReplyTo":"q","To":"t",
            "ForcePersistence":true,"TimeToLive":4.5,
            "ScheduledEnqueueTimeUtc":"Sat, 21 Nov 2026 00:00:00 GMT"}"#
            .replace('\n', " ")
            .as_str(),
    )
    .unwrap();
    assert_eq!(&*broker.message_id, "m");
    let texts = [
        &broker.session_id,
        &broker.partition_key,
        &broker.via_partition_key,
        &broker.reply_to_session_id,
        &broker.correlation_id,
        &broker.label,
        &broker.reply_to,
        &broker.to,
    ];
    let texts: Vec<_> = texts.into_iter().map(|text| text.as_deref().unwrap()).collect();
    assert_eq!(texts, ["s", "s", "v", "r", "c", "é", "q", "t"]);
    assert_eq!(broker.force_persistence, Some(true));
    assert_eq!(broker.time_to_live, Some(Duration::from_millis(4500)));
    let due = Timestamp::from_unix_seconds(1_795_219_200);
    assert_eq!(broker.scheduled_enqueue_time, Some(due));
}

#[test]
fn a_message_without_an_id_gets_one_of_32_hex_digits() {
    let one = broker("{}").unwrap().message_id;
    assert_eq!(one.len(), 32);
    assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_ne!(one, send(&[], b"").unwrap().broker.message_id);
}

#[test]
fn numbers_as_strings_are_taken_where_an_official_client_sends_them() {
    let lenient = broker(r#"{"TimeToLive":"90","ForcePersistence":"false"}"#).unwrap();
    assert_eq!(lenient.time_to_live, Some(Duration::from_secs(90)));
    assert_eq!(lenient.force_persistence, Some(false));
    for wrong in ["\"1e3\"", "\"+5\"", "\" 5\"", "\"soon\"", "\"\"", "\"inf\"", "true", "null"] {
        assert_eq!(
            refused(broker(&format!(r#"{{"TimeToLive":{wrong}}}"#))),
            bad(&format!(
                "BrokerProperties.TimeToLive: expected a number of seconds, found {wrong}."
            ))
        );
    }
}

#[test]
fn broker_properties_that_cannot_be_set_are_refused() {
    for (name, why) in [
        ("SequenceNumber", "is read-only"),
        ("LockToken", "is read-only"),
        ("State", "is read-only"),
        ("EnqueuedTimeUtc", "is read-only"),
        ("DeliveryCount", "is read-only"),
        ("Subject", "is not a broker property; the name is Label"),
        ("ContentType", "is given in the Content-Type header"),
        ("TimeToLiveTimeSpan", "is TimeToLive (seconds) in a header"),
        ("messageId", "is not a broker property"),
        ("Priority", "is not a broker property"),
    ] {
        assert_eq!(
            refused(broker(&format!(r#"{{"{name}":"1"}}"#))),
            bad(&format!("BrokerProperties.{name}: {why}."))
        );
    }
}

#[test]
fn broker_properties_of_the_wrong_type_are_refused() {
    let date = "an RFC 1123 date such as \"Sat, 21 Nov 2026 00:00:00 GMT\"";
    let range = "a number of seconds from 1 to 922337203685";
    for (member, value, expected) in [
        ("MessageId", "5", "a string"),
        ("SessionId", "null", "a string"),
        ("Label", "true", "a string"),
        ("CorrelationId", "{}", "a string"),
        ("ForcePersistence", "1", "true or false"),
        ("ForcePersistence", "\"True\"", "true or false"),
        ("ScheduledEnqueueTimeUtc", "1795219200", date),
        ("ScheduledEnqueueTimeUtc", "\"2026-11-21T00:00:00Z\"", date),
        ("ScheduledEnqueueTimeUtc", "\"Sat, 21 Nov 2026 00:00:00 +0000\"", date),
        ("TimeToLive", "0", range),
        ("TimeToLive", "0.5", range),
        ("TimeToLive", "-1", range),
        ("TimeToLive", "1000000000000.0", range),
    ] {
        assert_eq!(
            refused(broker(&format!(r#"{{"{member}":{value}}}"#))),
            bad(&format!("BrokerProperties.{member}: expected {expected}, found {value}."))
        );
    }
}

#[test]
fn broker_properties_must_be_a_json_object() {
    for (text, reason) in [
        ("[]", "expected a JSON object"),
        ("x", "expected value at line 1 column 1"),
        ("", "EOF while parsing a value at line 1 column 0"),
        (r#"{"Label":"a","Label":"b"}"#, "member `Label` is given twice at line 1 column 25"),
    ] {
        assert_eq!(
            refused(broker(text)),
            bad(&format!(
                "The value '{text}' of the HTTP header 'BrokerProperties' is invalid: {reason}."
            ))
        );
    }
}

#[test]
fn ids_are_limited() {
    let longest = "é".repeat(128);
    for name in ["MessageId", "SessionId", "PartitionKey", "ViaPartitionKey", "ReplyToSessionId"] {
        let escaped = |text: &str| text.replace('é', "\\u00e9");
        assert!(broker(&format!(r#"{{"{name}":"{}"}}"#, escaped(&longest))).is_ok());
        assert_eq!(
            refused(broker(&format!(r#"{{"{name}":"{}x"}}"#, escaped(&longest)))),
            bad(&format!("BrokerProperties.{name}: 129 characters exceed the limit of 128."))
        );
    }
    assert_eq!(
        refused(broker(r#"{"MessageId":""}"#)),
        bad("BrokerProperties.MessageId: must not be empty.")
    );
    assert!(broker(&format!(r#"{{"CorrelationId":"{}"}}"#, "c".repeat(500))).is_ok());
}

#[test]
fn a_partition_is_a_session() {
    assert_eq!(
        refused(broker(r#"{"SessionId":"a","PartitionKey":"b"}"#)),
        bad(
            "BrokerProperties: PartitionKey 'b' and SessionId 'a' must be equal when both are set."
        )
    );
}

#[test]
fn properties_that_cannot_be_read_are_refused() {
    assert_eq!(
        refused(send(&[("Priority", "High")], b"")),
        bad("The value 'High' of the HTTP header 'Priority' is invalid: expected a string in \
             double quotes, a number, true or false.")
    );
    assert_eq!(
        refused(send(
            &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
            b""
        )),
        bad("The value '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' of the HTTP \
             header 'traceparent' is invalid: expected a string in double quotes, a number, true \
             or false.")
    );
    assert_eq!(
        refused(send(&[("path", r#""a\b""#)], b"")),
        bad(
            r#"The value '"a\b"' of the HTTP header 'path' is invalid: a backslash may only stand before a double quote."#
        )
    );
    assert_eq!(
        refused(send_raw(&[("name", b"\"caf\xe9\"")], b"")),
        bad("The value of the HTTP header 'name' holds bytes that are not ASCII.")
    );
    assert_eq!(
        refused(send(&[("User-Agent", "café")], b"")),
        bad("The value of the HTTP header 'User-Agent' holds bytes that are not ASCII.")
    );
}

#[test]
fn stray_headers_are_refused_even_where_they_would_be_valid_properties() {
    for (name, value) in [
        ("x-envoy-internal", "true"),
        ("X-Envoy-Expected-Rq-Timeout-Ms", "5000"),
        ("x-forwarded-proto", "\"https\""),
        ("X-Forwarded-For", "10.0.0.1"),
        ("x-request-id", "\"67e55044\""),
    ] {
        assert_eq!(
            refused(send(&[(name, value)], b"")),
            bad(&format!(
                "The HTTP header '{name}' would become a property of the message; remove it before \
                 the send."
            ))
        );
    }
}

#[test]
fn a_property_is_given_once_and_has_a_name_of_its_own() {
    assert_eq!(
        refused(send(&[("tenant", "1"), ("Tenant", "2")], b"")),
        bad("The HTTP header 'Tenant' is given twice.")
    );
    for name in ["Server", "location", "Keep-Alive", "content-encoding", "Via"] {
        assert_eq!(
            refused(send(&[(name, "\"a\"")], b"")),
            bad(&format!(
                "The HTTP header '{name}' cannot be a property: it has a meaning of its own."
            ))
        );
    }
    assert_eq!(
        refused(send(&[JSON, JSON], b"")),
        bad("The HTTP header 'content-type' is given twice.")
    );
    assert_eq!(
        refused(send(&[("BrokerProperties", "{}"), ("brokerproperties", "{}")], b"")),
        bad("The HTTP header 'brokerproperties' is given twice.")
    );
}

#[test]
fn a_type_that_is_nearly_that_of_a_batch_is_refused() {
    for near in [
        "application/vnd.microsoft.servicebus.json; charset=utf-8",
        "Application/vnd.microsoft.servicebus.json",
    ] {
        assert_eq!(
            refused(send(&[("Content-Type", near)], b"[]")),
            bad(&format!(
                "The value '{near}' of the HTTP header 'Content-Type' is invalid: a batch is named \
                 by exactly 'application/vnd.microsoft.servicebus.json'."
            ))
        );
    }
}

#[test]
fn a_message_has_a_limit_of_size_with_its_properties() {
    let size = |body: usize, tier| {
        let headers = [("BrokerProperties", &br#"{"MessageId":"0123456789"}"#[..]), ("n", b"true")];
        let headers = Arc::new(Headers::new(headers));
        parse(&headers, &Bytes::from(vec![0; body]), tier).map(|_| ())
    };
    // Ten bytes of the id, two of the property.
    assert_eq!(size(262_144 - 12, Tier::Standard), Ok(()));
    assert_eq!(
        refused(size(262_144 - 11, Tier::Standard)),
        (
            403,
            "The message or batch of 262145 bytes exceeds the limit of 262144 bytes of the \
             Standard tier."
                .to_owned()
        )
    );
    assert_eq!(
        refused(size(262_144, Tier::Basic)),
        (
            403,
            "The message or batch of 262156 bytes exceeds the limit of 262144 bytes of the Basic \
             tier."
                .to_owned()
        )
    );
    assert_eq!(size(1_048_576 - 12, Tier::Premium), Ok(()));
    assert_eq!(
        refused(size(1_048_576, Tier::Premium)),
        (
            403,
            "The message or batch of 1048588 bytes exceeds the limit of 1048576 bytes of the \
             Premium tier."
                .to_owned()
        )
    );
}

#[test]
fn properties_have_limits_of_size() {
    let large = format!("\"{}\"", "a".repeat(32 * 1024 - 1));
    assert!(send(&[("n", &large)], b"").is_ok());
    let larger = format!("\"{}\"", "a".repeat(32 * 1024));
    assert_eq!(
        refused(send(&[("n", &larger)], b"")),
        bad("The property 'n' of 32769 bytes exceeds the limit of 32768 bytes for one property.")
    );
    let label = format!(r#"{{"MessageId":"m","Label":"{}"}}"#, "l".repeat(100));
    assert_eq!(
        refused(send(&[("BrokerProperties", &label), ("n", &large), ("m", &large)], b"")),
        bad("The properties of 65637 bytes exceed the limit of 65536 bytes for all properties of \
             a message.")
    );
}
