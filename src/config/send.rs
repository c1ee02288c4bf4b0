//! The `send` section of a route: the message.

use crate::message::{BrokerConfig, Entity, EntityConfig, Payload, PropertyConfig, Send};
use std::rc::Rc;

use super::broker_properties;
use super::forward_headers;
use super::json::Json;
use super::node::{Fields, Node};
use super::template::{read_template, read_tree};
use crate::limits;
use crate::message::{ContentTypeFault, Value, check_content_type};
use crate::template::{Names, Template};
use crate::text::percent_encode;

pub(super) fn read(node: &Node<'_>, names: &Names, entity_path: Option<&str>) -> Option<Send> {
    let mut fields = node.fields()?;
    let entity = read_entity(&mut fields, names, entity_path);
    let payload =
        fields.optional("payload").map_or(Some(Payload::Body), |node| read_payload(&node, names));
    let content_type = fields
        .optional("content_type")
        .map_or(Some(None), |node| read_content_type(&node, names).map(Some));
    let broker = fields.optional("broker_properties").map_or_else(
        || Some(BrokerConfig::default()),
        |node| broker_properties::read(&node, names),
    );
    let properties =
        fields.optional("properties").map_or(Some(vec![]), |node| read_properties(&node, names));
    let taken = properties.iter().flatten().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let forward_headers = fields
        .optional("forward_headers")
        .map_or(Some(vec![]), |node| forward_headers::read(&node, taken));
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

fn read_entity(
    fields: &mut Fields<'_>,
    names: &Names,
    entity_path: Option<&str>,
) -> Option<EntityConfig> {
    let queue = fields.optional("queue");
    let topic = fields.optional("topic");
    let allowed = fields.optional("allowed");
    let node = match (queue, topic) {
        (Some(node), None) | (None, Some(node)) => node,
        _ => {
            fields.error("expected exactly one of queue, topic");
            return None;
        }
    };
    let path = read_template(&node, names)?;
    let Some(path) = path.literal() else {
        let Some(allowed) = allowed else {
            node.error("holds an expression, so `allowed` must list what it may yield");
            return None;
        };
        return read_allowed(&allowed, entity_path).map(|all| EntityConfig::Chosen(path, all));
    };
    if let Some(node) = allowed {
        node.error("goes with a queue or topic that holds an expression, and this one has none");
    }
    read_entity_path(&node, path, entity_path).map(|entity| EntityConfig::Fixed(Rc::new(entity)))
}

fn read_allowed(node: &Node<'_>, entity_path: Option<&str>) -> Option<Vec<Rc<Entity>>> {
    let nodes = node.list()?;
    if nodes.is_empty() {
        node.error("expected at least one queue or topic");
        return None;
    }
    let read = |node: &Node<'_>| read_entity_path(node, node.text()?, entity_path).map(Rc::new);
    let entities: Vec<_> = nodes.iter().map(read).collect();
    entities.into_iter().collect()
}

pub(super) fn read_entity_path(
    node: &Node<'_>,
    path: &str,
    entity_path: Option<&str>,
) -> Option<Entity> {
    let Some(entity) = Entity::new(path) else {
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
        let messages_path = format!("/{}/messages", encoded.join("/")).into();
        Some(Self { path: path.to_owned(), messages_path })
    }
}

fn read_payload(node: &Node<'_>, names: &Names) -> Option<Payload> {
    if node.text_quietly().is_some() {
        return read_template(node, names).map(Payload::Text);
    }
    if !matches!(node.json(), Json::Object(_) | Json::List(_)) {
        node.expected("an object, a list or a string");
        return None;
    }
    read_tree(node, names).map(Payload::Json)
}

/// A content type; also read as broker property `ContentType`.
pub(super) fn read_content_type(node: &Node<'_>, names: &Names) -> Option<Template> {
    let template = read_template(node, names)?;
    let Some(text) = template.literal() else { return Some(template) };
    match check_content_type(text) {
        Ok(()) => return Some(template),
        Err(ContentTypeFault::Malformed) => node.expected("visible ASCII characters"),
        Err(ContentTypeFault::Batch) => {
            node.error("is the type that makes Service Bus read the body as a batch");
        }
    }
    None
}

/// Checks the name of a property, which a batch can carry whatever it is.
pub(super) fn read_property_name<'a>(name: &'a str, node: &Node<'_>) -> Option<&'a str> {
    if name.is_empty() || name.chars().any(char::is_control) {
        node.error("expected a name without control characters");
        return None;
    }
    Some(name)
}

fn read_properties(node: &Node<'_>, names: &Names) -> Option<Vec<(String, PropertyConfig)>> {
    let read = |(name, node): (&str, Node<'_>)| {
        read_property_name(name, &node)?;
        let property = match node.json() {
            Json::Bool(value) => PropertyConfig::Fixed(Value::Bool(*value)),
            Json::Number(value) if value.as_f64().is_some_and(f64::is_finite) => {
                PropertyConfig::Fixed(Value::Number(value.clone()))
            }
            Json::Text(_) => {
                let template = read_template(&node, names)?;
                match template.literal() {
                    Some(text) => PropertyConfig::Fixed(Value::Text(text.to_owned())),
                    None => PropertyConfig::Computed(template),
                }
            }
            _ => {
                node.expected("a string, a number or a boolean");
                return None;
            }
        };
        Some((name.to_owned(), property))
    };
    let properties: Vec<_> = node.members()?.into_iter().map(read).collect();
    properties.into_iter().collect()
}
