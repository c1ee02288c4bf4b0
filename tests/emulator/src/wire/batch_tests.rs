//! Sends of several messages: what is taken, and every rule with its text.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::broker::PropertyValue;

const BATCH: (&str, &[u8]) = ("Content-Type", b"application/vnd.microsoft.servicebus.json");

fn send(body: &str) -> Result<Vec<Message>, Refusal> {
    send_with(&[BATCH], body)
}

fn send_with(headers: &[(&str, &[u8])], body: &str) -> Result<Vec<Message>, Refusal> {
    let headers = Arc::new(Headers::new(headers.iter().copied()));
    parse(&headers, &Bytes::copy_from_slice(body.as_bytes()), Tier::Standard)
}

fn refused(body: &str) -> String {
    let refusal = send(body).unwrap_err();
    assert_eq!(refusal.status, 400);
    refusal.detail
}

#[test]
fn a_batch_is_an_array_of_messages() {
    let messages = send(
        r#"[{"Body": "é", "BrokerProperties": {"MessageId": "a", "Label": "l",
                "TimeToLiveTimeSpan": "0.00:00:40", "ContentType": "application/json"},
             "UserProperties": {"Priority": "High", "cloudEvents:id": "ü", "n": 5, "x": 2.5, "b": true}},
            {"Body": ""}]"#,
    )
    .unwrap();
    let [first, second] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(&first.body[..], "é".as_bytes());
    assert_eq!(first.content_type.as_deref(), Some("application/json"));
    assert_eq!(&*first.broker.message_id, "a");
    assert_eq!(first.broker.time_to_live, Some(Duration::from_secs(40)));
    assert_eq!(first.form, Form::Batch);
    let mut properties = first.properties.to_vec();
    properties.sort_by(|(one, _), (other, _)| one.cmp(other));
    let expected: [(Box<str>, PropertyValue); 5] = [
        ("Priority".into(), PropertyValue::Text("High".into())),
        ("b".into(), PropertyValue::Boolean(true)),
        ("cloudEvents:id".into(), PropertyValue::Text("ü".into())),
        ("n".into(), PropertyValue::Integer(5)),
        ("x".into(), PropertyValue::Float(2.5)),
    ];
    assert_eq!(properties, expected);
    assert_eq!((second.content_type.as_deref(), second.properties.len()), (None, 0));
    assert_eq!(second.broker.message_id.len(), 32);
}

#[test]
fn anything_but_messages_is_refused_with_its_place() {
    for (body, detail) in [
        ("", "The batch is invalid: EOF while parsing a value at line 1 column 0."),
        ("{}", "The batch is invalid: expected a JSON array."),
        ("[]", "The batch is invalid: it holds no message."),
        ("[1]", "[0]: expected an object, found 1."),
        ("[{}]", "[0].Body: it is missing."),
        (r#"[{"Body": 5}]"#, "[0].Body: expected a string, found 5."),
        (
            r#"[{"Body": ""}, {"Body": "", "Properties": {}}]"#,
            "[1].Properties: unknown member; expected Body, BrokerProperties or UserProperties.",
        ),
        (
            r#"[{"Body": "", "body": ""}]"#,
            "[0].body: unknown member; expected Body, BrokerProperties or UserProperties.",
        ),
        (
            r#"[{"Body": "", "BrokerProperties": "{}"}]"#,
            "[0].BrokerProperties: expected an object, found \"{}\".",
        ),
        (
            r#"[{"Body": "", "UserProperties": null}]"#,
            "[0].UserProperties: expected an object, found null.",
        ),
        (
            r#"[{"Body": "a", "Body": "b"}]"#,
            "The batch is invalid: member `Body` is given twice at line 1 column 27.",
        ),
    ] {
        assert_eq!(refused(body), detail, "{body}");
    }
}

#[test]
fn broker_properties_of_a_batch_have_rules_of_their_own() {
    let span = "a time span of at least one second as in \"0.00:00:40\"";
    for (member, detail) in [
        (
            r#""TimeToLive": 40"#,
            "TimeToLive: is TimeToLiveTimeSpan (\"d.hh:mm:ss\") in a batch.".to_owned(),
        ),
        (
            r#""TimeToLiveTimeSpan": "40""#,
            format!("TimeToLiveTimeSpan: expected {span}, found \"40\"."),
        ),
        (
            r#""TimeToLiveTimeSpan": "0.00:00:00""#,
            format!("TimeToLiveTimeSpan: expected {span}, found \"0.00:00:00\"."),
        ),
        (r#""TimeToLiveTimeSpan": 40"#, format!("TimeToLiveTimeSpan: expected {span}, found 40.")),
        (r#""SequenceNumber": 1"#, "SequenceNumber: is read-only.".to_owned()),
        (r#""Subject": "a""#, "Subject: is not a broker property; the name is Label.".to_owned()),
        (r#""Priority": 5"#, "Priority: is not a broker property of a batch.".to_owned()),
    ] {
        let body = format!(r#"[{{"Body": "", "BrokerProperties": {{{member}}}}}]"#);
        assert_eq!(refused(&body), format!("[0].BrokerProperties.{detail}"));
    }
}

#[test]
fn user_properties_are_strings_numbers_and_booleans_under_names_that_can_be_told_apart() {
    let expected = "expected a string, a number of at most 64 bits, true or false";
    for (members, detail) in [
        (r#""a": null"#, format!("a: {expected}, found null.")),
        (r#""a": [1]"#, format!("a: {expected}, found [1].")),
        (r#""a": 18446744073709551615"#, format!("a: {expected}, found 18446744073709551615.")),
        (r#""": 1"#, ": a name must not be empty.".to_owned()),
    ] {
        let body = format!(r#"[{{"Body": "", "UserProperties": {{{members}}}}}]"#);
        assert_eq!(refused(&body), format!("[0].UserProperties.{detail}"));
    }
    for name in ["Date", "transfer-encoding", "user-agent", "content-encoding", "x-ms-a"] {
        let body = format!(r#"[{{"Body": "", "UserProperties": {{"{name}": "x"}}}}]"#);
        assert_eq!(&*send(&body).unwrap()[0].properties[0].0, name);
    }
    let twice = refused(r#"[{"Body": "", "UserProperties": {"a": 1, "A": 2}}]"#);
    assert!(twice.ends_with(": another name differs only in case."), "{twice}");
}

#[test]
fn a_batch_has_limits_of_size() {
    let body = format!(r#"[{{"Body": "{}"}}]"#, "a".repeat(262_144 - 14));
    assert_eq!(body.len(), 262_144);
    assert!(send(&body).is_ok());
    let refusal = send(&(body + " ")).unwrap_err();
    assert_eq!(refusal.status, 403);
    assert_eq!(
        refusal.detail,
        "The message or batch of 262145 bytes exceeds the limit of 262144 bytes of the Standard \
         tier."
    );
    let large = "a".repeat(32 * 1024);
    assert_eq!(
        refused(&format!(r#"[{{"Body": "", "UserProperties": {{"n": "{large}"}}}}]"#)),
        "[0]: The property 'n' of 32769 bytes exceeds the limit of 32768 bytes for one property."
    );
}

#[test]
fn what_azure_would_ignore_is_refused() {
    for (name, value) in [("tenant", &b"\"a\""[..]), ("BrokerProperties", b"{}")] {
        let refusal = send_with(&[BATCH, (name, value)], r#"[{"Body": ""}]"#).unwrap_err();
        assert_eq!(
            refusal.detail,
            format!(
                "The HTTP header '{name}' would be ignored with a batch; properties belong to its \
                 elements."
            )
        );
    }
    let refusal = send_with(&[BATCH, ("x-envoy-internal", b"true")], "[]").unwrap_err();
    assert_eq!(
        refusal.detail,
        "The HTTP header 'x-envoy-internal' would become a property of the message; remove it \
         before the send."
    );
}
