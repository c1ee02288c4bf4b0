//! The two forms of a message on the wire: headers and a body, or a batch of one.

use serde_json::{Map, Value as Json, json};

use super::{ContentTypeFault, Message, PropertyFault, Unsendable, limits};
use crate::text::{ascii_json, is_visible_ascii};

/// The content type that makes Service Bus read a body as a batch, and that alone.
pub const BATCH_CONTENT_TYPE: &str = "application/vnd.microsoft.servicebus.json";

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the body of a request, properties in headers.
    Single,
    /// As the only element of a JSON array, for what headers cannot hold.
    Batch,
}

/// A message ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// How it travels.
    pub form: Form,
    /// Headers of the request, `authorization` aside, in ASCII.
    pub headers: Vec<(String, String)>,
    /// Body of the request.
    pub body: Vec<u8>,
}

/// Packs a message, in headers if they can hold it.
///
/// # Errors
/// When Service Bus would not take it: sizes, lengths, rules, or a property that fits neither form.
pub fn pack(message: Message, limit: usize) -> Result<Packed, Unsendable> {
    check(&message, limit)?;
    match single_headers(&message) {
        Ok(headers) => Ok(Packed { form: Form::Single, headers, body: message.body }),
        Err(obstacle) => pack_batch(message, obstacle, limit),
    }
}

fn check(message: &Message, limit: usize) -> Result<(), Unsendable> {
    message.broker.check()?;
    message.properties.iter().try_for_each(super::Property::check)?;
    if let Some(content_type) = &message.content_type {
        check_content_type(content_type).map_err(Unsendable::ContentType)?;
    }
    let own: usize = message.properties.iter().map(super::Property::size).sum();
    let content_type = message.content_type.as_ref().map_or(0, String::len);
    let properties = own + message.broker.size() + content_type;
    if properties > limits::ALL_PROPERTIES_BYTES {
        return Err(Unsendable::PropertiesTooLarge);
    }
    check_size(message.body.len() + properties, limit)
}

fn check_size(size: usize, limit: usize) -> Result<(), Unsendable> {
    if size > limit { Err(Unsendable::TooLarge { size, limit }) } else { Ok(()) }
}

/// Checks what a request or a configuration gives as content type.
pub(crate) fn check_content_type(value: &str) -> Result<(), ContentTypeFault> {
    if value.is_empty() || !is_visible_ascii(value) {
        return Err(ContentTypeFault::Malformed);
    }
    // Anywhere in it: Envoy joins two lines by a comma, and which one Service Bus would believe is
    // not known.
    if value.to_ascii_lowercase().contains(BATCH_CONTENT_TYPE) {
        return Err(ContentTypeFault::Batch);
    }
    Ok(())
}

/// Why a message does not fit into headers.
enum Obstacle {
    Property(String),
    HeaderBytes,
}

fn single_headers(message: &Message) -> Result<Vec<(String, String)>, Obstacle> {
    let mut headers = Vec::with_capacity(message.properties.len() + 2);
    if let Some(content_type) = &message.content_type {
        headers.push(("content-type".to_owned(), content_type.clone()));
    }
    let broker = Json::Object(message.broker.header_json()).to_string();
    headers.push(("brokerproperties".to_owned(), ascii_json(&broker)));
    for property in &message.properties {
        let value =
            property.header_value().ok_or_else(|| Obstacle::Property(property.name.clone()))?;
        headers.push((property.name.to_ascii_lowercase(), value));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > limits::HEADER_BYTES { Err(Obstacle::HeaderBytes) } else { Ok(headers) }
}

fn pack_batch(message: Message, obstacle: Obstacle, limit: usize) -> Result<Packed, Unsendable> {
    let Ok(body) = String::from_utf8(message.body) else {
        return Err(match obstacle {
            Obstacle::Property(name) => Unsendable::Property(name, PropertyFault::NeedsUtf8Body),
            Obstacle::HeaderBytes => Unsendable::HeadersTooLarge,
        });
    };
    let mut element = Map::new();
    element.insert("Body".to_owned(), body.into());
    let broker = message.broker.batch_json(message.content_type.as_deref());
    element.insert("BrokerProperties".to_owned(), Json::Object(broker));
    if !message.properties.is_empty() {
        let properties = message.properties.iter().map(|p| (p.name.clone(), p.json()));
        element.insert("UserProperties".to_owned(), Json::Object(properties.collect()));
    }
    let body = json!([element]).to_string().into_bytes();
    check_size(body.len(), limit)?;
    let headers = vec![("content-type".to_owned(), BATCH_CONTENT_TYPE.to_owned())];
    Ok(Packed { form: Form::Batch, headers, body })
}
