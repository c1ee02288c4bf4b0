//! A message: what is sent, and where.

mod headers;
mod policy;
mod request;

use serde_json::{Map, Value as Json, json};

use crate::position::Position;
use crate::report::Report;
use crate::value::{Piece, Value};
pub(crate) use headers::{SetHeader, by_hand, set_header};
pub(crate) use policy::{ignores_errors, of_policy};
pub(crate) use request::{OfRequest, of_request};

/// What is sent, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) at: Position,
    /// `queue` or `topic`.
    pub(crate) kind: &'static str,
    pub(crate) entity: Value,
    pub(crate) entity_at: Position,
    pub(crate) namespace: Option<String>,
    pub(crate) credentials: Json,
    pub(crate) timeout: Option<u64>,
    /// The request's body, where it is not set.
    pub(crate) payload: Option<Value>,
    /// The request's, where it is not set.
    pub(crate) content_type: Option<Value>,
    pub(crate) broker_properties: Vec<(String, Value)>,
    pub(crate) properties: Vec<(String, Value)>,
    /// Whether the policy goes on when the message could not be sent, and where it says so.
    pub(crate) ignores_errors: Option<Position>,
}

impl Message {
    /// The name of its route, where its entity is fixed.
    pub(crate) fn route(&self) -> String {
        match &self.entity {
            Value::Text(path) => {
                let known = path.chars().filter(|c| *c != crate::named::MARK);
                known.map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
            }
            _ => "imported".to_owned(),
        }
    }

    /// The section `send`. An entity that an expression chooses needs a list of what it may yield.
    pub(crate) fn send(&self, allowed: &[String], report: &mut Report) -> Map<String, Json> {
        let mut send = Map::new();
        let texts = self.entity.texts();
        match &self.entity {
            Value::Text(_) => {
                send.insert(self.kind.to_owned(), self.entity.template());
            }
            _ if allowed.is_empty() && texts.is_empty() => {
                let why = "an expression chooses where messages go: name what it may yield with \
                           --allowed";
                report.leave_out(self.entity_at, self.kind, why);
                send.insert(self.kind.to_owned(), UNKNOWN.into());
            }
            _ => {
                send.insert(self.kind.to_owned(), self.entity.template());
                let allowed = if allowed.is_empty() { &texts } else { allowed };
                send.insert("allowed".to_owned(), json!(allowed));
            }
        }
        if let Some(payload) = &self.payload {
            send.insert("payload".to_owned(), payload.clone().or_tree().template());
        }
        if let Some(kind) = &self.content_type {
            send.insert("content_type".to_owned(), kind.template());
        }
        let named = |values: &[(String, Value)]| {
            Json::Object(values.iter().map(|(name, it)| (name.clone(), it.template())).collect())
        };
        if !self.broker_properties.is_empty() {
            let values = self.broker_properties.iter();
            let values = values.map(|(name, value)| (name.clone(), broker_property(name, value)));
            send.insert("broker_properties".to_owned(), Json::Object(values.collect()));
        }
        if !self.properties.is_empty() {
            send.insert("properties".to_owned(), named(&self.properties));
        }
        send
    }

    /// What later expressions know as its id.
    pub(crate) fn id(&self) -> Value {
        let found = self.broker_properties.iter().find(|(name, _)| name == "MessageId");
        found.map_or_else(tracking_id, |(_, value)| value.clone())
    }
}

/// The name of an entity that the policy does not tell.
pub(crate) const UNKNOWN: &str = "unknown";

fn tracking_id() -> Value {
    Value::Cel(crate::value::Cel::plain("tracking_id", true))
}

/// Service Bus's times are in seconds, ours have a unit.
fn broker_property(name: &str, value: &Value) -> Json {
    match (name, value) {
        ("TimeToLive", Value::Json(Json::Number(seconds))) => format!("{seconds}s").into(),
        ("ScheduledEnqueueTimeUtc", Value::Cel(cel)) => match cel.delay {
            Some(seconds) => format!("+{seconds}s").into(),
            None => value.template(),
        },
        _ => value.template(),
    }
}

/// A managed identity, with its client id where it is named.
pub(crate) fn managed_identity(client_id: Option<&str>) -> Json {
    let mut identity = json!({"cluster": "imds", "source": "imds"});
    if let (Some(id), Some(members)) = (client_id, identity.as_object_mut()) {
        members.insert("client_id".to_owned(), id.into());
    }
    json!({"managed_identity": identity})
}

/// The entity of a path `ENTITY/messages`.
pub(crate) fn entity_of(path: Value) -> Option<Value> {
    let mut pieces = path.pieces()?;
    if let Some(Piece::Text(last)) = pieces.last_mut() {
        let path = last.split('?').next().unwrap_or_default().trim_end_matches('/');
        *last = path.strip_suffix("/messages")?.to_owned();
    } else {
        return None;
    }
    if let Some(Piece::Text(first)) = pieces.first_mut() {
        *first = first.trim_start_matches('/').to_owned();
    }
    match Value::joined(pieces) {
        Value::Text(text) if text.is_empty() => None,
        Value::Joined(pieces) => Some(match pieces.as_slice() {
            [Piece::Cel(cel)] => Value::Cel(cel.clone()),
            _ => Value::Joined(pieces),
        }),
        value => Some(value),
    }
}
