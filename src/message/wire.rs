//! The two forms of a message on the wire: headers and a body, or a batch of one.

use std::cell::OnceCell;
use std::rc::Rc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{ContentTypeFault, Message, Property, PropertyFault, Unsendable};
use crate::http::{Header, header};
use crate::limits;
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

/// What a callout carries of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// How it travels.
    pub form: Form,
    /// Headers of the request, `authorization` aside, in ASCII.
    pub headers: Rc<Vec<Header>>,
    /// Body of the request. Each attempt sends the same.
    pub body: Rc<Vec<u8>>,
}

/// A message that Service Bus takes, as far as can be told, to be sent by itself or among others.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Without its body.
    message: Message,
    body: Rc<Vec<u8>>,
    alone: OnceCell<Packed>,
}

impl Outgoing {
    /// Checks a message and packs it, in headers if they can hold it.
    ///
    /// # Errors
    /// When Service Bus would not take it: sizes, lengths, rules, or a property that fits neither
    /// form.
    pub fn new(message: Message, limit: usize) -> Result<Self, Unsendable> {
        let outgoing = Self::unpacked(message, limit)?;
        let packed = outgoing.pack(limit)?;
        let _ = outgoing.alone.set(packed);
        Ok(outgoing)
    }

    /// As [`Outgoing::new`], but a plain message is packed when it is sent: among others it needs
    /// no headers.
    ///
    /// # Errors
    /// As [`Outgoing::new`].
    pub fn for_batch(message: Message, limit: usize) -> Result<Self, Unsendable> {
        let plain = message.properties.is_empty()
            && message.properties_size() * LONGEST_ESCAPE <= limits::HEADER_BYTES / 2;
        if plain { Self::unpacked(message, limit) } else { Self::new(message, limit) }
    }

    fn unpacked(mut message: Message, limit: usize) -> Result<Self, Unsendable> {
        check(&message, limit)?;
        let body = Rc::new(std::mem::take(&mut message.body));
        Ok(Self { message, body, alone: OnceCell::new() })
    }

    /// The message in a callout of its own.
    pub fn alone(&self) -> &Packed {
        // Only a plain message is not packed yet, and nothing of it can fail to fit.
        self.alone.get_or_init(|| self.single(plain_headers(&self.message)))
    }

    /// The message as an element of a batch's array; `None` when its body is not text.
    pub fn element(&self) -> Option<Vec<u8>> {
        let body = std::str::from_utf8(&self.body).ok()?;
        // Room for what is not the body, of most messages.
        let mut json = Vec::with_capacity(body.len() + 160);
        serde_json::to_writer(&mut json, &Element { body, message: &self.message }).ok()?;
        Some(json)
    }

    /// What duplicate detection compares.
    pub fn message_id(&self) -> &str {
        &self.message.broker.message_id
    }

    /// What messages of a batch have in common: a session, or else a partition.
    pub fn partition(&self) -> Option<&str> {
        self.message.broker.partition()
    }

    /// Bytes of body and properties, and of what they are packed into.
    pub fn size(&self) -> usize {
        let packed = self.alone.get().map_or(0, |packed| match packed.form {
            Form::Single => {
                packed.headers.iter().map(|(name, value)| name.len() + value.len()).sum()
            }
            Form::Batch => packed.body.len(),
        });
        self.body.len() + self.message.properties_size() + packed
    }

    fn single(&self, headers: Vec<Header>) -> Packed {
        Packed { form: Form::Single, headers: Rc::new(headers), body: Rc::clone(&self.body) }
    }

    fn pack(&self, limit: usize) -> Result<Packed, Unsendable> {
        let obstacle = match single_headers(&self.message) {
            Ok(headers) => return Ok(self.single(headers)),
            Err(obstacle) => obstacle,
        };
        let element = self.element().ok_or(match obstacle {
            Obstacle::Property(name) => Unsendable::Property(name, PropertyFault::NeedsUtf8Body),
            Obstacle::HeaderBytes => Unsendable::HeadersTooLarge,
        })?;
        let body = [b"[", element.as_slice(), b"]"].concat();
        check_size(body.len(), limit)?;
        Ok(Packed { form: Form::Batch, headers: batch_headers(), body: Rc::new(body) })
    }
}

/// A message in a batch.
struct Element<'a> {
    body: &'a str,
    message: &'a Message,
}

impl Serialize for Element<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Message { content_type, broker, properties, .. } = self.message;
        let mut json = serializer.serialize_map(None)?;
        json.serialize_entry("Body", self.body)?;
        json.serialize_entry("BrokerProperties", &broker.in_batch(content_type.as_deref()))?;
        if !properties.is_empty() {
            json.serialize_entry("UserProperties", &UserProperties(properties))?;
        }
        json.end()
    }
}

struct UserProperties<'a>(&'a [Property]);

impl Serialize for UserProperties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|property| (&property.name, &property.value)))
    }
}

/// Headers of a batch: the properties are in its body.
pub fn batch_headers() -> Rc<Vec<Header>> {
    Rc::new(vec![header("content-type", BATCH_CONTENT_TYPE)])
}

/// `\u` and four digits.
const LONGEST_ESCAPE: usize = 6;

fn check(message: &Message, limit: usize) -> Result<(), Unsendable> {
    message.broker.check()?;
    message.properties.iter().try_for_each(Property::check)?;
    if let Some(content_type) = &message.content_type {
        check_content_type(content_type).map_err(Unsendable::ContentType)?;
    }
    let properties = message.properties_size();
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
    let batch = BATCH_CONTENT_TYPE.as_bytes();
    let mut parts = value.as_bytes().windows(batch.len());
    if parts.any(|part| part.eq_ignore_ascii_case(batch)) {
        return Err(ContentTypeFault::Batch);
    }
    Ok(())
}

/// Why a message does not fit into headers.
enum Obstacle {
    Property(String),
    HeaderBytes,
}

fn plain_headers(message: &Message) -> Vec<Header> {
    let mut headers = Vec::with_capacity(message.properties.len() + 2);
    if let Some(content_type) = &message.content_type {
        headers.push(header("content-type", content_type.clone()));
    }
    headers.push(header("brokerproperties", ascii_json(message.broker.header_json())));
    headers
}

fn single_headers(message: &Message) -> Result<Vec<Header>, Obstacle> {
    let mut headers = plain_headers(message);
    for property in &message.properties {
        let value =
            property.header_value().ok_or_else(|| Obstacle::Property(property.name.clone()))?;
        headers.push(header(property.name.to_ascii_lowercase(), value));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > limits::HEADER_BYTES { Err(Obstacle::HeaderBytes) } else { Ok(headers) }
}
