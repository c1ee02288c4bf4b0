//! The `send` section of a route: the message.

use std::collections::BTreeSet;
use std::time::Duration;

use super::broker_properties::{self, BrokerConfig};
use super::json::Json;
use super::node::{Fields, Node};
use super::reply::{read_template, read_tree};
use crate::message::{ContentTypeFault, Property, Value, check_content_type, limits};
use crate::text::{is_token, percent_encode};

/// The message of a route.
#[derive(Debug)]
pub struct Send {
    /// Where it goes.
    pub entity: Entity,
    /// Its body.
    pub payload: Payload,
    /// Its content type; the request's, when absent.
    pub content_type: Option<String>,
    /// Predefined properties.
    pub broker_properties: BrokerConfig,
    /// The operator's properties.
    pub properties: Vec<Property>,
    /// Request headers, in lower case, that become properties.
    pub forward_headers: Vec<String>,
}

/// A queue or a topic; sends do not tell them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// The path as Service Bus shows it, such as `eu/orders`.
    pub path: String,
    /// `:path` of a send.
    pub messages_path: String,
}

/// The body of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The request's, byte for byte.
    Body,
    /// JSON of the configuration.
    Json(Vec<u8>),
    /// A text of the configuration.
    Text(Vec<u8>),
}

/// When a scheduled message appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At a time since the Unix epoch.
    At(Duration),
    /// So long after the request.
    After(Duration),
}

pub(super) fn read(node: &Node<'_>, entity_path: Option<&str>) -> Option<Send> {
    let mut fields = node.fields()?;
    let entity = read_entity(&mut fields, entity_path);
    let payload =
        fields.optional("payload").map_or(Some(Payload::Body), |node| read_payload(&node));
    let content_type = fields
        .optional("content_type")
        .map_or(Some(None), |node| read_content_type(&node).map(Some));
    let broker = fields
        .optional("broker_properties")
        .map_or_else(|| Some(BrokerConfig::default()), |node| broker_properties::read(&node));
    let properties =
        fields.optional("properties").map_or(Some(vec![]), |node| read_properties(&node));
    let taken = properties.iter().flatten().map(|p| p.name.to_ascii_lowercase()).collect();
    let forward_headers = fields
        .optional("forward_headers")
        .map_or(Some(vec![]), |node| read_forward_headers(&node, taken));
    fields.finish();
    let mut broker_properties = broker?;
    let mut content_type = content_type?;
    if let Some(other) = broker_properties.content_type.take() {
        if content_type.is_some() {
            node.error("content_type and broker_properties.ContentType are the same; set one");
            return None;
        }
        content_type = Some(other);
    }
    Some(Send {
        entity: entity?,
        payload: payload?,
        content_type,
        broker_properties,
        properties: properties?,
        forward_headers: forward_headers?,
    })
}

fn read_entity(fields: &mut Fields<'_>, entity_path: Option<&str>) -> Option<Entity> {
    let queue = fields.optional("queue");
    let topic = fields.optional("topic");
    if let Some(node) = fields.optional("allowed") {
        node.error("goes with a queue or topic that holds an expression, and this one has none");
    }
    let node = match (queue, topic) {
        (Some(node), None) | (None, Some(node)) => node,
        _ => {
            fields.error("expected exactly one of queue, topic");
            return None;
        }
    };
    let path = read_template(&node)?;
    let Some(entity) = Entity::new(path.as_str()) else {
        node.expected(
            "a path of 1 to 260 letters, digits, . - _ and /, with a letter or digit at each end",
        );
        return None;
    };
    if let Some(only) = entity_path.filter(|only| !only.eq_ignore_ascii_case(&entity.path)) {
        node.error(format!("the connection string opens {only:?} only"));
        return None;
    }
    Some(entity)
}

impl Entity {
    /// A queue or topic by its path; `None` when no entity can be called so.
    pub fn new(path: &str) -> Option<Self> {
        let fits = path.len() <= limits::ENTITY_PATH_CHARS
            && path.starts_with(|c: char| c.is_ascii_alphanumeric())
            && path.ends_with(|c: char| c.is_ascii_alphanumeric())
            && path.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/".contains(&b))
            && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        if !fits {
            return None;
        }
        let encoded: Vec<_> = path.split('/').map(|s| percent_encode(s).to_string()).collect();
        let messages_path = format!("/{}/messages", encoded.join("/"));
        Some(Self { path: path.to_owned(), messages_path })
    }
}

fn read_payload(node: &Node<'_>) -> Option<Payload> {
    if node.text_quietly().is_some() {
        return Some(Payload::Text(read_template(node)?.as_str().as_bytes().to_vec()));
    }
    if !matches!(node.json(), Json::Object(_) | Json::List(_)) {
        node.expected("an object, a list or a string");
        return None;
    }
    Some(Payload::Json(read_tree(node)?.to_string().into_bytes()))
}

/// A content type; also read as broker property `ContentType`.
pub(super) fn read_content_type(node: &Node<'_>) -> Option<String> {
    let text = read_template(node)?;
    match check_content_type(text.as_str()) {
        Ok(()) => return Some(text.as_str().to_owned()),
        Err(ContentTypeFault::Malformed) => node.expected("visible ASCII characters"),
        Err(ContentTypeFault::Batch) => {
            node.error("is the type that makes Service Bus read the body as a batch");
        }
    }
    None
}

fn read_properties(node: &Node<'_>) -> Option<Vec<Property>> {
    let read = |(name, node): (&str, Node<'_>)| {
        if name.is_empty() || name.chars().any(char::is_control) {
            node.error("expected a name without control characters");
            return None;
        }
        let value = match node.json() {
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(value) => Value::Number(value.clone()),
            Json::Text(_) => Value::Text(read_template(&node)?.as_str().to_owned()),
            _ => {
                node.expected("a string, a number or a boolean");
                return None;
            }
        };
        Some(Property { name: name.to_owned(), value })
    };
    let properties: Vec<_> = node.members()?.into_iter().map(read).collect();
    properties.into_iter().collect()
}

/// Headers that no message may carry: who the client is, or how the request was framed.
const NEVER_FORWARDED: [&str; 22] = [
    "authorization",
    "brokerproperties",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "cookie2",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
    "x-api-key",
    "x-identity-header",
];

fn read_forward_headers(node: &Node<'_>, mut taken: BTreeSet<String>) -> Option<Vec<String>> {
    let mut read = |node: &Node<'_>| {
        let name = node.text()?.to_ascii_lowercase();
        if !is_token(&name) {
            node.expected("the name of a header");
        } else if NEVER_FORWARDED.contains(&name.as_str()) || name.starts_with("x-envoy-") {
            node.error(format!(
                "{name} is not forwarded: credentials, cookies and headers of the connection stay \
                 out of messages"
            ));
        } else if !taken.insert(name.clone()) {
            node.error(format!("{name} is a property already"));
        } else {
            return Some(name);
        }
        None
    };
    let names: Vec<_> = node.list()?.iter().map(&mut read).collect();
    names.into_iter().collect()
}
