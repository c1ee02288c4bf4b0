//! What goes on the wire.

use crate::common::{NOW, request, sender};
use envoy_service_bus::delivery::Sender;
use envoy_service_bus::http::Headers;
use envoy_service_bus::message::Payload;
use envoy_service_bus::message::{
    BrokerProperties, Form, Message, Outgoing, Packed, Property, TextProperty, Unsendable, Value,
    compose,
};
use envoy_service_bus::route::Action;
use envoy_service_bus::template::{Attributes, Scope};
use proptest::prelude::*;
use serde_json::{Map, Number, Value as Json, json};

const LIMIT: usize = 262_144;

fn packed(send: Json, headers: &[(&str, &[u8])], body: &[u8]) -> Result<Packed, String> {
    let sender = sender(send, json!({}), json!({}));
    compose_and_pack(&sender, &request(headers), body).map_err(|error| error.to_string())
}

fn compose_and_pack(sender: &Sender, request: &Headers, body: &[u8]) -> Result<Packed, Unsendable> {
    let Action::Send(send, _) = &sender.routes[0].action else { panic!("a lookup") };
    let attributes = Attributes::default();
    let mut scope = Scope::new(request, &attributes, || None);
    scope.tracking_id = "id-1";
    scope.now = Some(NOW);
    scope.body = body;
    let (_, mut message) = compose(send, &scope)?;
    if matches!(send.payload, Payload::Body) {
        message.body = body.to_vec();
    }
    Ok(Outgoing::new(message, LIMIT)?.alone().clone())
}

fn pairs(packed: &Packed) -> Vec<(&str, &str)> {
    packed.headers.iter().map(|(name, value)| (&**name, &**value)).collect()
}

fn everything() -> Json {
    json!({
        "queue": "orders",
        "broker_properties": {
            "SessionId": "séssion", "TimeToLive": "90s", "ScheduledEnqueueTimeUtc": "+10m",
            "Label": "order"
        },
        "properties": {"tenant": "say \"hi\"", "priority": 5, "ratio": 0.5, "vip": true},
        "forward_headers": ["x-tenant-id", "x-absent"]
    })
}

#[test]
fn a_message_of_texts_that_fit_headers_goes_by_headers() {
    let body = b"\x00\xff binary";
    let headers: &[(&str, &[u8])] = &[
        ("content-type", b"application/octet-stream"),
        ("x-tenant-id", b"a"),
        ("x-tenant-id", b"b"),
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", b"vendor=1"),
        ("authorization", b"Bearer canary"),
        ("cookie", b"canary"),
    ];
    let packed = packed(everything(), headers, body).unwrap();
    assert_eq!(packed.form, Form::Single);
    assert_eq!(*packed.body, body);
    let trace = "\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"";
    assert_eq!(
        pairs(&packed),
        [
            ("content-type", "application/octet-stream"),
            (
                "brokerproperties",
                "{\"MessageId\":\"id-1\",\"SessionId\":\"s\\u00e9ssion\",\"Label\":\"order\",\
                 \"ScheduledEnqueueTimeUtc\":\"Sat, 21 Nov 2026 00:10:00 GMT\",\"TimeToLive\":90}"
            ),
            ("tenant", "\"say \\\"hi\\\"\""),
            ("priority", "5"),
            ("ratio", "0.5"),
            ("vip", "true"),
            ("x-tenant-id", "\"a,b\""),
            ("traceparent", trace),
            ("diagnostic-id", trace),
            ("tracestate", "\"vendor=1\""),
        ]
    );
}

#[test]
fn a_property_that_fits_no_header_goes_by_a_batch_of_one() {
    for (name, value) in [
        ("Priority", "high"),
        ("cloudEvents:id", "1"),
        ("tenant", "日本"),
        ("tenant", "a\\b"),
        ("tenant", "a\nb"),
        ("host", "a"),
    ] {
        let send = json!({"topic": "t", "properties": {name: value},
                          "broker_properties": {"TimeToLive": "1h"}});
        let headers: &[(&str, &[u8])] = &[("content-type", b"text/plain"), ("traceparent", b"00")];
        let packed = packed(send, headers, "über".as_bytes()).unwrap();
        assert_eq!(packed.form, Form::Batch, "{name}");
        assert_eq!(pairs(&packed), [("content-type", "application/vnd.microsoft.servicebus.json")]);
        let body: Json = serde_json::from_slice(&packed.body).unwrap();
        assert_eq!(
            body,
            json!([{
                "Body": "über",
                "BrokerProperties": {
                    "MessageId": "id-1", "TimeToLiveTimeSpan": "0.01:00:00",
                    "ContentType": "text/plain"
                },
                "UserProperties": {name: value, "traceparent": "00", "Diagnostic-Id": "00"}
            }])
        );
    }
}

#[test]
fn what_fits_neither_form_is_the_clients_fault() {
    let send = json!({"queue": "q", "properties": {"Priority": "high"}});
    assert_eq!(
        packed(send, &[], b"\xff").unwrap_err(),
        "property \"Priority\" can be sent in the body of a batch only, which needs a body in UTF-8"
    );
    let send = json!({"queue": "q", "properties": {"a": "x".repeat(9_000)}});
    assert_eq!(packed(send.clone(), &[], b"text").unwrap().form, Form::Batch);
    assert_eq!(
        packed(send, &[], b"\xff").unwrap_err(),
        "the properties have more than 8192 bytes, which only a batch can carry, and that needs a \
         body in UTF-8"
    );
}

#[test]
fn a_header_to_forward_must_be_text() {
    let send = json!({"queue": "q", "forward_headers": ["x-a"]});
    assert_eq!(
        packed(send.clone(), &[("x-a", b"\xff")], b"").unwrap_err(),
        "property \"x-a\" is not UTF-8"
    );
    // The others may hold what they like.
    assert!(packed(send, &[("x-b", b"\xff")], b"").is_ok());
}

#[test]
fn the_content_type_is_the_routes_or_the_requests() {
    let content_type = |send: Json, headers: &[(&str, &[u8])]| {
        packed(send, headers, b"{}").map(|packed| {
            let found = pairs(&packed).into_iter().find(|(name, _)| *name == "content-type");
            found.map(|(_, value)| value.to_owned())
        })
    };
    let plain = json!({"queue": "q"});
    let own = json!({"queue": "q", "content_type": "text/csv"});
    let json_payload = json!({"queue": "q", "payload": {"a": 1}});
    let sent: &[(&str, &[u8])] = &[("content-type", b"text/plain; charset=utf-8")];
    let some = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(content_type(plain.clone(), sent), some("text/plain; charset=utf-8"));
    assert_eq!(content_type(plain.clone(), &[]), Ok(None));
    assert_eq!(content_type(own, sent), some("text/csv"));
    assert_eq!(content_type(json_payload.clone(), &[]), some("application/json"));
    assert_eq!(content_type(json_payload, sent), some("text/plain; charset=utf-8"));
    let malformed = Err("content-type is not one value of visible ASCII characters".to_owned());
    assert_eq!(content_type(plain.clone(), &[("content-type", b"\xff")]), malformed);
    let twice: &[(&str, &[u8])] = &[("content-type", b"a/b"), ("content-type", b"a/b")];
    assert_eq!(content_type(plain.clone(), twice), malformed);
    // Envoy joins two lines into one.
    for batch in [
        &b"Application/Vnd.Microsoft.ServiceBus.json ;a=b"[..],
        b"application/json,application/vnd.microsoft.servicebus.json",
    ] {
        assert_eq!(
            content_type(plain.clone(), &[("content-type", batch)]),
            Err("the content type application/vnd.microsoft.servicebus.json is not accepted"
                .to_owned())
        );
    }
}

#[test]
fn a_fixed_payload_takes_the_place_of_the_body() {
    let body = |payload: Json| {
        let send = json!({"queue": "q", "payload": payload});
        packed(send, &[], b"ignored").unwrap().body.to_vec()
    };
    assert_eq!(body(json!({"b": 1, "a": [true, "$${x}"]})), br#"{"b":1,"a":[true,"${x}"]}"#);
    assert_eq!(body(json!("plain text")), b"plain text");
}

fn message(broker: BrokerProperties, properties: Vec<Property>, body: usize) -> Message {
    Message { body: vec![b'a'; body], content_type: None, broker, properties }
}

fn refusal(message: Message) -> Option<String> {
    Outgoing::new(message, LIMIT).err().map(|error| error.to_string())
}

#[test]
fn limits_hold_to_the_byte() {
    let id = |length| BrokerProperties::new("m".repeat(length));
    assert_eq!(refusal(message(id(128), vec![], 0)), None);
    assert_eq!(
        refusal(message(id(129), vec![], 0)).as_deref(),
        Some("property \"MessageId\" has more than 128 characters")
    );
    // .NET counts UTF-16 units.
    let wide = |count| {
        let mut broker = id(1);
        broker.texts.push((TextProperty::SessionId, "😀".repeat(count)));
        broker
    };
    assert_eq!(refusal(message(wide(64), vec![], 0)), None);
    assert_eq!(
        refusal(message(wide(65), vec![], 0)).as_deref(),
        Some("property \"SessionId\" has more than 128 characters")
    );
    let text = |name: &str, size: usize| Property::text(name, "x".repeat(size - name.len()));
    assert_eq!(refusal(message(id(1), vec![text("a", 32_768)], 0)), None);
    assert_eq!(
        refusal(message(id(1), vec![text("a", 32_769)], 0)).as_deref(),
        Some("property \"a\" has more than 32768 bytes")
    );
    // "MessageId" and its one character take ten bytes.
    let two = |second| vec![text("a", 32_768), text("b", second)];
    assert_eq!(refusal(message(id(1), two(32_758), 0)), None);
    assert_eq!(
        refusal(message(id(1), two(32_759), 0)).as_deref(),
        Some("the properties have more than 65536 bytes together")
    );
    assert_eq!(refusal(message(id(1), vec![], LIMIT - 10)), None);
    assert_eq!(
        refusal(message(id(1), vec![], LIMIT - 9)).as_deref(),
        Some("the message has 262145 bytes, the limit is 262144")
    );
}

#[test]
fn a_partition_key_is_the_session_id() {
    let broker = |partition: &str| BrokerProperties {
        texts: vec![
            (TextProperty::SessionId, "s".to_owned()),
            (TextProperty::PartitionKey, partition.to_owned()),
        ],
        ..BrokerProperties::new("1".to_owned())
    };
    assert_eq!(refusal(message(broker("s"), vec![], 0)), None);
    assert_eq!(
        refusal(message(broker("t"), vec![], 0)).as_deref(),
        Some("PartitionKey must equal SessionId when both are set")
    );
}

#[test]
fn a_batch_counts_as_it_travels() {
    let property = Property::text("Upper", "x");
    // Each quote of the body takes two bytes in the batch.
    let mut large = message(BrokerProperties::new("1".to_owned()), vec![property], 0);
    large.body = vec![b'"'; LIMIT / 2];
    let error = refusal(large).unwrap();
    assert!(error.ends_with("bytes, the limit is 262144"), "{error}");
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Number(number.into())),
        any::<f64>().prop_filter_map("finite", Number::from_f64).prop_map(Value::Number),
        any::<String>().prop_map(Value::Text),
        "[ -~]*".prop_map(Value::Text),
    ]
}

proptest! {
    /// Whatever the texts, the wire says the same: no text can break JSON or a header line.
    #[test]
    fn any_text_arrives_as_it_was(
        id in "\\PC{1,40}",
        label in any::<String>(),
        properties in prop::collection::btree_map("[a-zA-Z:é_-]{1,12}", value(), 0..4),
        body in any::<String>(),
    ) {
        let mut broker = BrokerProperties::new(id.clone());
        broker.texts.push((TextProperty::Label, label.clone()));
        let properties: Vec<_> =
            properties.into_iter().map(|(name, value)| Property { name, value }).collect();
        let message = Message {
            body: body.clone().into_bytes(), content_type: None, broker, properties: properties.clone(),
        };
        let packed = Outgoing::new(message, LIMIT).unwrap().alone().clone();
        for (name, value) in &*packed.headers {
            prop_assert!(!name.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii_graphic()));
            prop_assert!(value.bytes().all(|b| (b' '..=b'~').contains(&b)), "{value:?}");
        }
        let (broker, found, found_body) = unpack(&packed);
        prop_assert_eq!(&broker["MessageId"], &json!(id));
        prop_assert_eq!(&broker["Label"], &json!(label));
        prop_assert_eq!(found_body, body.into_bytes());
        let expected: Map<_, _> = properties.into_iter().map(|p| {
            let value = match p.value {
                Value::Bool(value) => json!(value),
                Value::Number(value) => json!(value),
                Value::Text(value) => json!(value),
            };
            (p.name, value)
        }).collect();
        prop_assert_eq!(Json::Object(found), Json::Object(expected));
    }
}

/// Reads a message back from the wire: broker properties, properties, body.
fn unpack(packed: &Packed) -> (Json, Map<String, Json>, Vec<u8>) {
    match packed.form {
        Form::Batch => {
            let body: Json = serde_json::from_slice(&packed.body).unwrap();
            let properties = body[0]["UserProperties"].as_object().cloned().unwrap_or_default();
            let text = body[0]["Body"].as_str().unwrap().as_bytes().to_vec();
            (body[0]["BrokerProperties"].clone(), properties, text)
        }
        Form::Single => {
            let mut broker = Json::Null;
            let mut properties = Map::new();
            for (name, value) in &*packed.headers {
                if name == "brokerproperties" {
                    broker = serde_json::from_str(value).unwrap();
                } else {
                    // A quoted text escapes nothing but quotes, which JSON reads alike.
                    properties.insert(name.to_string(), serde_json::from_str(value).unwrap());
                }
            }
            (broker, properties, packed.body.to_vec())
        }
    }
}
