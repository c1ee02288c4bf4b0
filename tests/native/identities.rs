//! What identifies or orders a message, when the request does not say it well.

use std::rc::Rc;

use crate::common::exchange::{Kind, buffer, kind, problem, random};
use crate::common::{START, UUID, request, sender};
use envoy_service_bus::delivery::Sender;
use envoy_service_bus::exchange::{Exchange, Step};
use envoy_service_bus::template::Attributes;
use serde_json::{Value as Json, json};

const IDENTITIES: [&str; 4] = ["MessageId", "SessionId", "PartitionKey", "ReplyToSessionId"];

/// A sender that makes one broker property.
fn with(property: &str, template: &str) -> Rc<Sender> {
    let send = json!({"queue": "orders", "broker_properties": {property: template}});
    sender(send, json!({}), json!({}))
}

fn end(sender: &Rc<Sender>, headers: &[(&str, &[u8])], body: &[u8]) -> Step {
    let mut exchange = Exchange::new(Rc::clone(sender), buffer(), random);
    let step = exchange.headers_arrived(request(headers));
    assert_eq!(kind(&step), Kind::Wait);
    exchange.request_ended(body.to_vec(), START, Attributes::default())
}

/// The broker properties of what is sent.
fn sent(step: Step) -> Json {
    let Step::Send(submission) = step else { panic!("{step:?}") };
    let packed = submission.message.alone();
    let (_, value) = packed.headers.iter().find(|(name, _)| name == "brokerproperties").unwrap();
    serde_json::from_str(value).unwrap()
}

fn refused(step: Step, place: &str, fault: &str) {
    let (status, problem) = problem(step);
    assert_eq!((status, &problem["reason"]), (400, &json!("invalid_message")), "{place}");
    assert_eq!(problem["detail"], format!("{place} {fault}"));
}

#[test]
fn an_id_without_its_parts_is_no_id_of_the_clients() {
    let sender = with("MessageId", "${request.headers['x-user']}/${tracking_id}");
    let key: (&str, &[u8]) = ("idempotency-key", b"alice/order-17");
    refused(
        end(&sender, &[key], b""),
        "broker_properties.MessageId",
        "is missing from the request",
    );
    let broker = sent(end(&sender, &[key, ("x-user", b"bob")], b""));
    assert_eq!(broker["MessageId"], "bob/alice/order-17");
}

#[test]
fn what_is_not_there_identifies_nothing() {
    let templates = [
        "${request.headers['x-absent']}",
        "a ${request.headers['x-absent']}",
        "${request.headers['x-empty']}",
        "${request.json.absent}",
        "${request.json.list[3]}",
        "${request.json.empty}",
        // A null within a text is not left out on purpose.
        "a ${request.json.none}",
        "${'x' in request.json ? request.json.x : request.json.y}",
        "${jwt.sub}",
    ];
    let body = br#"{"list": [1], "empty": "", "none": null}"#;
    for property in IDENTITIES {
        for template in templates {
            let step = end(&with(property, template), &[("x-empty", b"")], body);
            let place = format!("broker_properties.{property}");
            refused(step, &place, "is missing from the request");
        }
    }
}

#[test]
fn null_leaves_out_all_but_the_id() {
    let template = "${has(request.json.x) ? request.json.x : null}";
    for property in IDENTITIES {
        let sender = with(property, template);
        let broker = sent(end(&sender, &[], br#"{"x": "it"}"#));
        assert_eq!(broker[property], "it");
        let step = end(&sender, &[], b"{}");
        if property == "MessageId" {
            refused(step, "broker_properties.MessageId", "is missing from the request");
        } else {
            assert_eq!(sent(step), json!({"MessageId": UUID}));
        }
    }
}

#[test]
fn what_only_describes_may_be_absent() {
    for property in ["CorrelationId", "Label", "ReplyTo", "To", "ViaPartitionKey", "TimeToLive"] {
        for template in ["${request.headers['x-absent']}", "${request.headers['x-empty']}"] {
            let step = end(&with(property, template), &[("x-empty", b"")], b"");
            assert_eq!(sent(step), json!({"MessageId": UUID}), "{property}");
        }
    }
}

#[test]
fn a_lifetime_may_be_a_number_of_seconds() {
    for (life, seconds) in
        [(json!(90), json!(90)), (json!(1.5), json!(1.5)), (json!("90s"), json!(90))]
    {
        let send = json!({"queue": "orders", "broker_properties": {"TimeToLive": life}});
        let sender = sender(send, json!({}), json!({}));
        assert_eq!(sent(end(&sender, &[], b""))["TimeToLive"], seconds);
    }
}

#[test]
fn a_value_that_cannot_be_decoded_is_refused_wherever_it_is_read() {
    let templates = [
        "${path.id}",
        "${request.query.q}",
        "${request.headers['x-raw']}",
        "a ${path.id}",
        "${path.id + 'x'}",
        "${size(request.query)}",
        "${request.headers[string('x-raw')]}",
        "${request.host}",
        "${request.id}",
    ];
    let raw: &[u8] = b"\xff";
    for template in templates {
        let places = [
            (json!({"payload": {"a": template}}), "payload.a"),
            (json!({"payload": template}), "payload"),
            (json!({"properties": {"p": template}}), "properties.p"),
            (json!({"content_type": template}), "content_type"),
            (json!({"broker_properties": {"Label": template}}), "broker_properties.Label"),
            (json!({"broker_properties": {"SessionId": template}}), "broker_properties.SessionId"),
            (
                json!({"broker_properties": {"TimeToLive": template}}),
                "broker_properties.TimeToLive",
            ),
        ];
        for (mut send, place) in places {
            send["queue"] = json!("orders");
            let matches = json!({"path_template": "/orders/{id}"});
            let route = json!({"name": "orders", "match": matches, "send": send});
            let sender = sender(json!({}), json!({}), json!({"routes": [route]}));
            let headers = [
                (":method", &b"POST"[..]),
                (":authority", raw),
                (":path", b"/orders/%ff?q=%ff"),
                ("x-raw", raw),
                ("x-request-id", raw),
            ];
            let mut exchange = Exchange::new(sender, buffer(), random);
            let _ = exchange.headers_arrived(headers.into_iter().collect());
            let step = exchange.request_ended(vec![], START, Attributes::default());
            refused(step, place, "needs a value that is well percent-encoded UTF-8");
        }
    }
}

#[test]
fn a_header_that_is_not_read_need_not_be_text() {
    let template = "${'x-a' in request.headers ? request.headers['x-a'] : 'none'}";
    let label = |headers: &[(&str, &[u8])]| {
        sent(end(&with("Label", template), headers, b""))["Label"].clone()
    };
    assert_eq!(label(&[("x-raw", b"\xff")]), "none");
    assert_eq!(label(&[("x-raw", b"\xff"), ("x-a", b"it")]), "it");
}

#[test]
fn no_key_of_a_clients_json_has_a_meaning() {
    let send = json!({"queue": "orders", "payload": {"o": "${request.json.o}"}});
    let sender = sender(send, json!({}), json!({}));
    for o in [
        r#"{"$serde_json::private::RawValue":"{\"a\":1}"}"#,
        r#"{"$serde_json::private::Number":"15"}"#,
        r#"[{"x":{"$serde_json::private::Number":1.50,"b":2}}]"#,
    ] {
        let body = format!("{{\"o\":{o}}}");
        let Step::Send(submission) = end(&sender, &[], body.as_bytes()) else { panic!("{o}") };
        assert_eq!(std::str::from_utf8(&submission.message.alone().body).unwrap(), body);
    }
    let twice = br#"{"o":1,"o":2}"#;
    refused(
        end(&sender, &[], twice),
        "payload.o",
        "needs a body in JSON, each key once in its object",
    );
}

#[test]
fn a_byte_order_mark_stays_in_a_body_that_is_sent_as_it_is() {
    let body = b"\xef\xbb\xbf{\"customer\":\"c-1\"}";
    let step = end(&with("SessionId", "${request.json.customer}"), &[], body);
    let Step::Send(submission) = step else { panic!("{step:?}") };
    assert_eq!(submission.message.alone().body.as_slice(), body);
}
