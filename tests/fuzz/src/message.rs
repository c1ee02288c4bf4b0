//! A request before a configuration: what is sent parses back to what went in.

use std::rc::Rc;
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use envoy_service_bus::config::{Config, Environment, Role};
use envoy_service_bus::delivery::Sender;
use envoy_service_bus::exchange::{Exchange, Step};
use envoy_service_bus::http::Headers;
use envoy_service_bus::message::{Form, Packed};
use envoy_service_bus::template::Attributes;
use serde_json::Value;
use service_bus_emulator::broker::Message;
use service_bus_emulator::http::Headers as Received;
use service_bus_emulator::wire::{self, Tier};

use crate::{NOW, random};

const SENDS: [&str; 4] = [
    r#"{"queue": "orders"}"#,
    r#"{"queue": "orders", "payload": {"b": "${request.json}", "h": "${request.headers['x-a']}"},
        "content_type": "application/json"}"#,
    r#"{"queue": "orders", "properties": {"a": "${request.headers['x-a']}", "Ä b": "${request.path}"},
        "broker_properties": {"Label": "${request.headers['x-b']}", "TimeToLive": "1h"}}"#,
    r#"{"queue": "orders", "forward_headers": ["x-a", "x-b"],
        "broker_properties": {"SessionId": "${request.headers['x-s']}"}}"#,
];

#[derive(Debug, Arbitrary)]
struct Request {
    send: u8,
    is_batch: bool,
    a: Option<Vec<u8>>,
    b: Option<Vec<u8>>,
    session: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    content_type: Option<Vec<u8>>,
    query: Vec<u8>,
    body: Vec<u8>,
}

/// What the filter sends, the broker takes; ids and bodies arrive as they went in.
pub fn run(bytes: &[u8]) {
    let Ok(request) = Request::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let index = usize::from(request.send) % SENDS.len();
    let mut exchange = Exchange::new(sender(SENDS[index], request.is_batch), random);
    let path = [b"/orders?", request.query.as_slice()].concat();
    let mut headers: Vec<(&str, &[u8])> =
        vec![(":method", b"POST"), (":authority", b"a"), (":path", &path)];
    for (name, value) in [
        ("x-a", &request.a),
        ("x-b", &request.b),
        ("x-s", &request.session),
        ("idempotency-key", &request.key),
        ("content-type", &request.content_type),
    ] {
        headers.extend(value.as_deref().map(|value| (name, value)));
    }
    match exchange.headers_arrived(headers.into_iter().collect::<Headers>()) {
        Step::Wait => {}
        Step::Reply(reply, _) => return assert!((400..500).contains(&reply.status)),
        other => panic!("{other:?}"),
    }
    match exchange.request_ended(request.body.clone(), NOW, Attributes::default()) {
        Step::Send(submission) => {
            let message = &submission.message;
            let packed = message.alone();
            let received = parse(packed);
            assert_eq!(received.broker.message_id.as_ref(), message.message_id());
            if let Some(key) = &request.key {
                assert_eq!(received.broker.message_id.as_bytes(), key.as_slice());
            }
            compare(index, &request, &received);
            if let Some(element) = message.element() {
                let batch = [b"[", element.as_slice(), b"]"].concat();
                compare(index, &request, &parse_batch(batch));
            }
        }
        Step::Reply(reply, _) => assert!((400..500).contains(&reply.status), "{reply:?}"),
        other => panic!("{other:?}"),
    }
}

fn compare(index: usize, request: &Request, received: &Message) {
    match index {
        1 => {
            let sent: Value = serde_json::from_slice(&received.body).expect("a payload is JSON");
            let body = request.body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&request.body);
            let body: Value = serde_json::from_slice(body).expect("what was taken is JSON");
            assert_eq!(sent["b"], body);
        }
        _ => assert_eq!(received.body, request.body),
    }
    if index == 3 {
        let session = received.broker.session_id.as_deref().map(str::as_bytes);
        assert_eq!(session, request.session.as_deref());
    }
}

fn parse(packed: &Packed) -> Message {
    let headers = packed.headers.iter().map(|(n, v)| (n.as_ref(), v.as_bytes()));
    let headers = Arc::new(Received::new(headers));
    let body = Bytes::from(packed.body.to_vec());
    let expected = match packed.form {
        Form::Single => service_bus_emulator::broker::Form::Single,
        Form::Batch => service_bus_emulator::broker::Form::Batch,
    };
    assert_eq!(wire::form(&headers), expected);
    one(wire::parse(&headers, &body, Tier::Standard), &headers)
}

fn parse_batch(body: Vec<u8>) -> Message {
    let batch: [(&str, &[u8]); 1] = [("content-type", wire_type())];
    let headers = Arc::new(Received::new(batch));
    one(wire::parse(&headers, &Bytes::from(body), Tier::Premium), &headers)
}

fn wire_type() -> &'static [u8] {
    envoy_service_bus::message::BATCH_CONTENT_TYPE.as_bytes()
}

fn one<E: std::fmt::Debug>(parsed: Result<Vec<Message>, E>, headers: &Received) -> Message {
    let mut messages = parsed.unwrap_or_else(|refusal| panic!("refused: {refusal:?} {headers:?}"));
    assert_eq!(messages.len(), 1);
    messages.remove(0)
}

fn sender(send: &str, is_batch: bool) -> Rc<Sender> {
    let batch = if is_batch { r#""batch": {}"# } else { "" };
    let text = format!(
        r#"{{"namespace": "contoso.servicebus.windows.net", "cluster": "servicebus",
        "credentials": {{"upstream": {{}}}}, "delivery": {{{batch}}},
        "routes": [{{"name": "orders", "match": {{"path": "/orders"}}, "send": {send}}}]}}"#
    );
    let config = Config::parse(text.as_bytes(), Environment::Unknown);
    match config.unwrap_or_else(|errors| panic!("{errors}")).role {
        Role::Sender(sender) => sender,
        Role::Gate(_) => panic!("a gate"),
    }
}
