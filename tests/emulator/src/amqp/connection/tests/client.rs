//! A client that says what a test wants, and keeps what it is told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::amqp::Connection;
use crate::amqp::codec::{Reader, Value, encode};
use crate::amqp::frame::{self, Inbox, Kind};
use crate::amqp::message::Sections;
use crate::auth::{KeyRule, Trusted};
use crate::broker::Timestamp;
use crate::config;
use crate::http::Peer;
use crate::service::Service;
use crate::wire::Tier;

pub(super) const START: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
/// Ends an hour after the start.
const TOKEN_LIFE: u64 = 3600;

const CONFIG: &str = r#"{"UserConfig": {"Namespaces": [{
    "Name": "ns",
    "Queues": [
        {"Name": "q", "Properties": {"LockDuration": "PT1M", "MaxDeliveryCount": 2}},
        {"Name": "sessions", "Properties": {"RequiresSession": true, "LockDuration": "PT1M"}}
    ],
    "Topics": [{"Name": "t", "Subscriptions": [{"Name": "s"}]}]
}]}}"#;

pub(super) fn service() -> Arc<Service> {
    let config = config::parse(CONFIG.as_bytes(), Tier::Standard).unwrap();
    let keys = ["all=key", "listen=key2;rights=Listen"];
    let keys: Vec<KeyRule> = keys.iter().map(|rule| rule.parse().unwrap()).collect();
    let trusted = Trusted { keys, identities: Vec::new() };
    Arc::new(Service::new(config.namespaces, trusted, Tier::Standard))
}

/// A frame that came: the channel, the performative's number and fields, and what followed.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) code: u64,
    pub(super) fields: Vec<Value>,
    pub(super) payload: Bytes,
}

impl Heard {
    pub(super) fn field(&self, index: usize) -> &Value {
        self.fields.get(index).unwrap_or(&Value::Null)
    }

    /// The condition of the error in a field.
    pub(super) fn condition(&self, index: usize) -> String {
        let (_, error) = self.field(index).described().unwrap_or_else(|| panic!("{self:?}"));
        let fields = error.as_elements().unwrap();
        assert_eq!(fields.len(), 3, "SDKs index three fields");
        fields[0].as_text().unwrap().to_owned()
    }

    pub(super) fn message(&self) -> Sections {
        Sections::parse(&self.payload).unwrap()
    }
}

pub(super) struct Client {
    pub(super) connection: Connection,
    pub(super) now: Timestamp,
    heard: Vec<Heard>,
}

impl Client {
    /// A connection that has sent nothing.
    pub(super) fn silent(service: &Arc<Service>) -> Self {
        let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false, server_name: None };
        let watcher = Arc::new(Notify::new());
        let connection = Connection::new(Arc::clone(service), Arc::new(peer), watcher, START);
        Self { connection, now: START, heard: Vec::new() }
    }

    /// A connection that is open, with a session on channel 0.
    pub(super) fn open(service: &Arc<Service>) -> Self {
        Self::open_with(service, Value::Null)
    }

    /// The same, with the largest frame that the client takes.
    pub(super) fn open_with(service: &Arc<Service>, max_frame: Value) -> Self {
        let mut client = Self::silent(service);
        client.say_raw(b"AMQP\x00\x01\x00\x00");
        assert_eq!(client.read_raw(), b"AMQP\x00\x01\x00\x00");
        let host = Value::string("localhost:5672");
        client.say(0x10, vec![Value::string("client"), host, max_frame]);
        client.begin(0);
        assert_eq!(client.hear(0x10).len(), 1);
        assert_eq!(client.hear(0x11).len(), 1);
        client
    }

    /// The same with a token for everything, of the key `all`.
    pub(super) fn authorized(service: &Arc<Service>) -> Self {
        Self::open(service).with_token()
    }

    pub(super) fn with_token(mut self) -> Self {
        let client = &mut self;
        assert_eq!(client.put_token("sb://localhost/", &sas("all", "key", "sb://localhost/")), 202);
        self
    }

    pub(super) fn say_raw(&mut self, bytes: &[u8]) {
        self.connection.receive(bytes, self.now);
        self.connection.work(self.now);
    }

    pub(super) fn read_raw(&mut self) -> Vec<u8> {
        self.connection.work(self.now);
        self.connection.take_output(self.now)
    }

    pub(super) fn say(&mut self, code: u64, fields: Vec<Value>) {
        self.say_with(0, code, fields, b"");
    }

    pub(super) fn say_with(&mut self, channel: u16, code: u64, fields: Vec<Value>, payload: &[u8]) {
        let kind = if code == 0x41 { Kind::Sasl } else { Kind::Amqp };
        let mut bytes = Vec::new();
        frame::append(&mut bytes, kind, channel, &Value::described_list(code, fields), payload);
        self.say_raw(&bytes);
    }

    /// All frames of a kind that came since they were last asked for; the others stay.
    pub(super) fn hear(&mut self, code: u64) -> Vec<Heard> {
        let mut inbox = Inbox::default();
        inbox.push(&self.read_raw());
        while let Some(frame) = inbox.frame().unwrap() {
            if frame.body.is_empty() {
                continue;
            }
            let mut reader = Reader::new(frame.body);
            let value = reader.value().unwrap();
            let (code, fields) = value.described().unwrap();
            let fields = fields.as_elements().unwrap().to_vec();
            self.heard.push(Heard { code, fields, payload: reader.rest() });
        }
        let (asked, others) =
            std::mem::take(&mut self.heard).into_iter().partition(|heard| heard.code == code);
        self.heard = others;
        asked
    }

    /// The one frame of a kind.
    pub(super) fn only(&mut self, code: u64) -> Heard {
        let mut heard = self.hear(code);
        assert_eq!(heard.len(), 1, "0x{code:x}: {heard:?}, others: {:?}", self.heard);
        heard.remove(0)
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.connection.work(self.now);
    }

    pub(super) fn begin(&mut self, channel: u16) {
        let window = Value::Uint(1000);
        self.say_with(
            channel,
            0x11,
            vec![Value::Null, Value::Uint(0), window.clone(), window],
            b"",
        );
    }

    /// Attaches; `receives` from the address, or sends to it.
    pub(super) fn attach(&mut self, handle: u32, address: &str, receives: bool) {
        self.attach_with(handle, address, receives, |_| {});
    }

    pub(super) fn attach_with(
        &mut self,
        handle: u32,
        address: &str,
        receives: bool,
        change: impl FnOnce(&mut Vec<Value>),
    ) {
        let node = Value::described_list(0x28, vec![Value::string(address)]);
        let own = Value::described_list(0x29, vec![Value::string(format!("client-{handle}"))]);
        let (source, target) = if receives { (node, own) } else { (own, node) };
        let mut fields = vec![
            Value::string(format!("link-{handle}")),
            Value::Uint(handle),
            Value::Boolean(receives),
            Value::Null,
            Value::Null,
            source,
            target,
        ];
        fields.resize(14, Value::Null);
        change(&mut fields);
        self.say(0x12, fields);
    }

    /// Attaches a receiver that asks for a session.
    pub(super) fn attach_session(&mut self, handle: u32, filter: Value) {
        self.attach_with(handle, "sessions", true, |fields| {
            let mut source = vec![Value::Null; 8];
            source[0] = Value::string("sessions");
            source[7] = Value::symbol_map([("com.microsoft:session-filter", filter)]);
            fields[5] = Value::described_list(0x28, source);
            fields[13] = Value::symbol_map([("com.microsoft:timeout", Value::Uint(5000))]);
        });
    }

    /// Gives credit to a link, of which `seen` deliveries have come.
    pub(super) fn credit(&mut self, handle: u32, seen: u32, credit: u32, drain: bool) {
        let fields = vec![
            Value::Uint(1),
            Value::Uint(1000),
            Value::Uint(0),
            Value::Uint(1000),
            Value::Uint(handle),
            Value::Uint(seen),
            Value::Uint(credit),
            Value::Null,
            Value::Boolean(drain),
        ];
        self.say(0x13, fields);
    }

    /// Sends a message on a link.
    pub(super) fn transfer(&mut self, handle: u32, id: u32, payload: &[u8]) {
        let fields = vec![Value::Uint(handle), Value::Uint(id), Value::Binary(Bytes::new())];
        self.say_with(0, 0x14, fields, payload);
    }

    /// Settles deliveries.
    pub(super) fn settle(&mut self, first: u32, last: u32, outcome: Value) {
        let fields =
            vec![Value::Boolean(true), Value::Uint(first), Value::Uint(last), Value::Null, outcome];
        self.say(0x15, fields);
    }

    /// Puts a token and says how it was answered.
    pub(super) fn put_token(&mut self, audience: &str, token: &str) -> i128 {
        self.begin(9);
        for (handle, receives) in [(0, false), (1, true)] {
            let node = Value::described_list(0x28, vec![Value::string("$cbs")]);
            let own = Value::described_list(0x29, vec![Value::string("cbs-client")]);
            let (source, target) = if receives { (node, own) } else { (own, node) };
            let fields = vec![
                Value::string("cbs"),
                Value::Uint(handle),
                Value::Boolean(receives),
                Value::Null,
                Value::Null,
                source,
                target,
            ];
            self.say_with(9, 0x12, fields, b"");
        }
        let flow = [1, 1000, 0, 1000, 1, 0, 10].map(Value::Uint).to_vec();
        self.say_with(9, 0x13, flow, b"");
        let properties = [
            ("operation", Value::string("put-token")),
            ("name", Value::string(audience)),
            ("type", Value::string("servicebus.windows.net:sastoken")),
        ];
        let request = request(Value::Ulong(7), &properties, Value::string(token));
        let fields = vec![Value::Uint(0), Value::Uint(0), Value::Binary(Bytes::new())];
        self.say_with(9, 0x14, fields, &request);
        let answer = self.only(0x14).message();
        self.say_with(9, 0x17, vec![], b"");
        self.hear(0x17);
        self.heard.clear();
        let Value::List(fields) = answer.properties.unwrap().0 else { panic!() };
        assert_eq!(fields[5], Value::Ulong(7), "correlation in the type of the message id");
        let status = answer.application_properties.unwrap().0;
        let Some(Value::Int(code)) = status.get("status-code") else { panic!("{status:?}") };
        i128::from(*code)
    }
}

/// A request with its id, its properties and its body.
pub(super) fn request(id: Value, properties: &[(&str, Value)], body: Value) -> Vec<u8> {
    let described =
        |code: u64, value: Value| Value::Described(Box::new((Value::Ulong(code), value)));
    let mut out = Vec::new();
    encode(&Value::described_list(0x73, vec![id]), &mut out);
    encode(&described(0x74, Value::string_map(properties.iter().cloned())), &mut out);
    encode(&described(0x77, body), &mut out);
    out
}

/// A message with a body, and the session if one is given.
pub(super) fn message(body: &str, session: Option<&str>) -> Vec<u8> {
    let mut properties = vec![Value::Null; 11];
    properties[0] = Value::string(body.get(..8).unwrap_or(body));
    properties[10] = session.map_or(Value::Null, Value::string);
    let data = Value::Binary(Bytes::copy_from_slice(body.as_bytes()));
    let mut out = Vec::new();
    encode(&Value::described_list(0x73, properties), &mut out);
    encode(&Value::Described(Box::new((Value::Ulong(0x75), data))), &mut out);
    out
}

/// A token that ends an hour after the start.
pub(super) fn sas(name: &str, key: &str, resource: &str) -> String {
    sas_until(name, key, resource, START.unix_seconds() + TOKEN_LIFE)
}

pub(super) fn sas_until(name: &str, key: &str, resource: &str, expiry: u64) -> String {
    use base64::Engine as _;
    use hmac::{Hmac, KeyInit, Mac};
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let sr = encode(resource);
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{sr}\n{expiry}").as_bytes());
    let sig = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    format!("SharedAccessSignature sr={sr}&sig={}&se={expiry}&skn={name}", encode(&sig))
}

pub(super) fn accepted() -> Value {
    Value::described_list(0x24, vec![])
}
