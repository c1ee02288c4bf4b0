//! The message of `send-service-bus-message`, or of a `send-request` to Service Bus.

use envoy_service_bus::json;
use serde_json::{Map, Value as Json, json};

use super::lexer::{Kind, Piece as LexedPiece, Token};
use super::made::{Made, Piece};
use super::policy::{Importer, timeout};
use super::xml::{Content, ContentKind, Element};
use crate::position::Position;

/// What is sent, and where.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) at: Position,
    pub(super) route: String,
    pub(super) namespace: Option<String>,
    pub(super) credentials: Json,
    pub(super) timeout: Option<Json>,
    pub(super) send: Map<String, Json>,
}

/// Reads `send-service-bus-message`.
pub(super) fn of_policy(importer: &mut Importer, policy: &Element) -> Message {
    let mut send = Map::new();
    let queue = policy.attribute("queue-name").map(|content| ("queue", "queue-name", content));
    let topic = policy.attribute("topic-name").map(|content| ("topic", "topic-name", content));
    let mut route = None;
    if let Some((kind, what, content)) = queue.or(topic)
        && let Some(made) = importer.made(what, content)
    {
        route = entity(importer, &mut send, content.at, kind, made.template());
    } else {
        importer.leave_out(policy.at, &policy.name, "needs a queue-name or topic-name");
        send.insert("queue".to_owned(), "unknown".into());
    }
    for child in &policy.children {
        match child.name.as_str() {
            "message-properties" => properties(importer, child, &mut send),
            "payload" => body(importer, child, &mut send),
            name => importer.leave_out(child.at, name, "has no counterpart here"),
        }
    }
    let namespace = policy.attribute("namespace").and_then(|content| {
        match importer.made("namespace", content)? {
            Made::Text(text) => Some(text),
            _ => {
                importer.leave_out(content.at, "namespace", "must not depend on the request");
                None
            }
        }
    });
    let client_id = policy.attribute("client-id");
    let client_id = client_id.and_then(|content| importer.made("client-id", content));
    Message {
        at: policy.at,
        route: route.unwrap_or_else(|| "imported".to_owned()),
        namespace,
        credentials: managed_identity(client_id),
        timeout: None,
        send,
    }
}

/// Reads a `send-request` to an entity of a namespace.
pub(super) fn of_request(
    importer: &mut Importer,
    policy: &Element,
    host: &str,
    path: &str,
) -> Message {
    let mut send = Map::new();
    let at = policy.child("set-url").map_or(policy.at, |child| child.at);
    let route = entity(importer, &mut send, at, "queue", path.into());
    let mut credentials = None;
    for child in &policy.children {
        match child.name.as_str() {
            "set-url" | "set-method" => {}
            "authentication-managed-identity" => {
                let id = child.attribute("client-id");
                let id = id.and_then(|content| importer.made("client-id", content));
                credentials = Some(managed_identity(id));
            }
            "set-body" => body(importer, child, &mut send),
            "set-header" => {
                if let Some(found) = header(importer, child, &mut send) {
                    credentials = Some(found);
                }
            }
            name => importer.leave_out(child.at, name, "has no counterpart here"),
        }
    }
    let credentials = credentials.unwrap_or_else(|| {
        importer.leave_out(policy.at, "send-request", "shows no credentials that are understood");
        managed_identity(None)
    });
    Message {
        at: policy.at,
        route: route.unwrap_or_else(|| "imported".to_owned()),
        namespace: (!host.contains("${")).then(|| host.to_owned()),
        credentials,
        timeout: timeout(policy),
        send,
    }
}

/// The entity of a URL, if it is one of Service Bus.
pub(super) fn entity_of<'a>(host: &str, path: &'a str) -> Option<&'a str> {
    let path = path.split('?').next().unwrap_or_default();
    let entity = path.strip_suffix("/messages");
    entity.filter(|entity| !entity.is_empty() && host.contains(".servicebus."))
}

/// Sets the entity; its name, where it is fixed, is that of the route.
fn entity(
    importer: &mut Importer,
    send: &mut Map<String, Json>,
    at: Position,
    kind: &str,
    template: Json,
) -> Option<String> {
    let text = template.as_str().unwrap_or_default().to_owned();
    if !text.contains("${") {
        send.insert(kind.to_owned(), template);
        return Some(text.chars().map(|c| if c == '/' || c == '.' { '-' } else { c }).collect());
    }
    if importer.allowed.is_empty() {
        let why = "an expression chooses where messages go: name what it may yield with --allowed";
        importer.leave_out(at, kind, why);
        send.insert(kind.to_owned(), "unknown".into());
    } else {
        send.insert(kind.to_owned(), template);
        send.insert("allowed".to_owned(), json!(importer.allowed));
    }
    None
}

fn properties(importer: &mut Importer, element: &Element, send: &mut Map<String, Json>) {
    let mut found = Map::new();
    for property in &element.children {
        let Some(name) = property.text_of("name").map(str::to_owned) else {
            importer.leave_out(property.at, &property.name, "needs a name");
            continue;
        };
        let made = match &property.content {
            Some(content) => importer.made(&property.name, content),
            None => Some(Made::Text(String::new())),
        };
        if let Some(made) = made {
            found.insert(name, made.template());
        }
    }
    send.insert("properties".to_owned(), Json::Object(found));
}

/// The body of the message; where it is that of the request, nothing is to be set.
fn body(importer: &mut Importer, element: &Element, send: &mut Map<String, Json>) {
    if element.attribute("template").is_some() {
        return importer.leave_out(element.at, &element.name, "Liquid is not turned");
    }
    let Some(content) = &element.content else { return };
    match importer.made(&element.name, content) {
        Some(Made::Cel(cel)) if cel.code == "request.body" => {}
        Some(made) => {
            send.insert("payload".to_owned(), made.or_tree().template());
        }
        None => {
            let why = "the message holds the body of the request instead";
            importer.leave_out(element.at, &element.name, why);
        }
    }
}

/// A header of a request to Service Bus; yields credentials where it holds them.
fn header(
    importer: &mut Importer,
    element: &Element,
    send: &mut Map<String, Json>,
) -> Option<Json> {
    let name = element.text_of("name").unwrap_or_default().to_ascii_lowercase();
    let content = element.child("value").unwrap_or(element).content.as_ref()?;
    match name.as_str() {
        "authorization" if mentions(content, "SharedAccessSignature") => {
            // The key is in a text that must not stand here.
            return Some(json!({"connection_string": {"env": "SB_CONNECTION_STRING"}}));
        }
        "authorization" if mentions(content, "Bearer") => return Some(managed_identity(None)),
        "authorization" => {
            importer.leave_out(element.at, "set-header", "its credentials are not understood");
        }
        "content-type" => {
            if let Some(made) = importer.made("set-header", content) {
                send.insert("content_type".to_owned(), made.template());
            }
        }
        "brokerproperties" => match importer.made("set-header", content).map(Made::or_tree) {
            Some(Made::Object(members)) => {
                let properties = members.into_iter().map(broker_property);
                send.insert("broker_properties".to_owned(), Json::Object(properties.collect()));
            }
            Some(_) => importer.leave_out(element.at, "set-header", "is no JSON object"),
            None => {}
        },
        _ => {
            if let Some(made) = importer.made("set-header", content) {
                let properties = send.entry("properties").or_insert_with(|| json!({}));
                if let Json::Object(properties) = properties {
                    properties.insert(name, property(made));
                }
            }
        }
    }
    None
}

/// Service Bus's times are in seconds, ours have a unit.
fn broker_property((name, made): (String, Made)) -> (String, Json) {
    let value = match (name.as_str(), &made) {
        ("TimeToLive", Made::Json(Json::Number(seconds))) => format!("{seconds}s").into(),
        _ => made.template(),
    };
    (name, value)
}

/// The value of a property from its header, where texts stand in quotes.
fn property(made: Made) -> Json {
    match made {
        Made::Text(text) => json::read(text.as_bytes())
            .ok()
            .filter(|value: &Json| !value.is_object() && !value.is_array() && !value.is_null())
            .map_or_else(
                || Made::Text(text),
                |value| match value {
                    Json::String(text) => Made::Text(text),
                    value => Made::Json(value),
                },
            )
            .template(),
        Made::Joined(mut pieces) => {
            if let [Piece::Text(start), _, .., Piece::Text(end)] = pieces.as_mut_slice()
                && start.starts_with('"')
                && end.ends_with('"')
            {
                start.remove(0);
                end.pop();
            }
            Made::joined(pieces).template()
        }
        other => other.template(),
    }
}

fn managed_identity(client_id: Option<Made>) -> Json {
    match client_id {
        Some(Made::Text(id)) => {
            json!({"managed_identity": {"cluster": "imds", "source": "imds", "client_id": id}})
        }
        _ => json!({"managed_identity": {"cluster": "imds", "source": "imds"}}),
    }
}

/// Whether a word stands in any text of a content.
fn mentions(content: &Content, word: &str) -> bool {
    fn any(tokens: &[Token], word: &str) -> bool {
        tokens.iter().any(|token| match &token.kind {
            Kind::Text(text) => text.contains(word),
            Kind::Joined(pieces) => pieces.iter().any(|piece| match piece {
                LexedPiece::Text(text) => text.contains(word),
                LexedPiece::Code(tokens) => any(tokens, word),
            }),
            _ => false,
        })
    }
    match &content.kind {
        ContentKind::Text(text) => text.contains(word),
        ContentKind::Expression(tokens) | ContentKind::Statements(tokens) => any(tokens, word),
        ContentKind::Unreadable(_) => false,
    }
}
