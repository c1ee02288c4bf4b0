//! What is sent: the Service Bus message and its two forms on the wire.

mod broker_properties;
mod compose;
mod config;
mod property;
mod wire;

use std::fmt;

use crate::limits;
use crate::template::{EvalError, TreeError};
pub use broker_properties::{BrokerProperties, TextProperty, http_date, time_span};
pub use compose::{READ_HEADERS, compose};
pub(crate) use config::LIFETIMES;
pub use config::{
    BrokerConfig, Entity, EntityConfig, ForwardedHeader, Lifetime, Payload, PropertyConfig,
    Schedule, ScheduleConfig, Send,
};
pub use property::{Property, Value, travels_in_batch_only};
pub(crate) use wire::check_content_type;
pub use wire::{BATCH_CONTENT_TYPE, Form, Outgoing, Packed, batch_headers};

/// A message as Service Bus knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Opaque to Service Bus.
    pub body: Vec<u8>,
    /// Broker property `ContentType`.
    pub content_type: Option<String>,
    /// Predefined properties.
    pub broker: BrokerProperties,
    /// The sender's own properties, names unique.
    pub properties: Vec<Property>,
}

impl Message {
    /// Properties of all kinds, in bytes.
    fn properties_size(&self) -> usize {
        let own: usize = self.properties.iter().map(Property::size).sum();
        own + self.broker.size() + self.content_type.as_ref().map_or(0, String::len)
    }
}

/// Why a message cannot be sent: the request is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// The message is larger than Service Bus takes.
    TooLarge {
        /// Size in bytes, properties included.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A property with its name and what is wrong with it.
    Property(String, PropertyFault),
    /// The properties need a batch for their size, and a body that is not UTF-8 fits in none.
    HeadersTooLarge,
    /// All properties together are over 64 KB.
    PropertiesTooLarge,
    /// The content type of the request.
    ContentType(ContentTypeFault),
    /// `PartitionKey` differs from `SessionId`.
    PartitionKeyIsNotSessionId,
    /// A configured value, by its place, that cannot be made from the request.
    Value(String, ValueFault),
}

/// What is wrong with a value that is made from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFault {
    /// Its expression does not fit the request.
    Eval(EvalError),
    /// The request has nothing of the name.
    Missing,
    /// It is not what its place needs.
    Unfit(&'static str),
}

/// What is wrong with a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyFault {
    /// Longer than so many characters.
    Longer(usize),
    /// Name and value are over 32 KB.
    TooLarge,
    /// It fits in no header, and a body that is not UTF-8 in no batch.
    NeedsUtf8Body,
    /// A header to forward is not UTF-8.
    NotUtf8,
}

/// What is wrong with a content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentTypeFault {
    /// It is the type that makes Service Bus read the body as a batch of messages.
    Batch,
    /// It is not one header of visible ASCII.
    Malformed,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, limit } => {
                write!(formatter, "the message has {size} bytes, the limit is {limit}")
            }
            Self::Property(name, fault) => write!(formatter, "property {name:?} {fault}"),
            Self::HeadersTooLarge => write!(
                formatter,
                "the properties have more than {} bytes, which only a batch can carry, and that \
                 needs a body in UTF-8",
                limits::HEADER_BYTES
            ),
            Self::PropertiesTooLarge => {
                let limit = limits::ALL_PROPERTIES_BYTES;
                write!(formatter, "the properties have more than {limit} bytes together")
            }
            Self::ContentType(ContentTypeFault::Batch) => {
                write!(formatter, "the content type {BATCH_CONTENT_TYPE} is not accepted")
            }
            Self::ContentType(ContentTypeFault::Malformed) => {
                formatter.write_str("content-type is not one value of visible ASCII characters")
            }
            Self::PartitionKeyIsNotSessionId => {
                formatter.write_str("PartitionKey must equal SessionId when both are set")
            }
            Self::Value(place, ValueFault::Eval(error)) => write!(formatter, "{place} {error}"),
            Self::Value(place, ValueFault::Missing) => {
                write!(formatter, "{place} is missing from the request")
            }
            Self::Value(place, ValueFault::Unfit(what)) => {
                write!(formatter, "{place} must be {what}")
            }
        }
    }
}

impl fmt::Display for PropertyFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Longer(limit) => write!(formatter, "has more than {limit} characters"),
            Self::TooLarge => {
                write!(formatter, "has more than {} bytes", limits::PROPERTY_BYTES)
            }
            Self::NeedsUtf8Body => formatter
                .write_str("can be sent in the body of a batch only, which needs a body in UTF-8"),
            Self::NotUtf8 => formatter.write_str("is not UTF-8"),
        }
    }
}

impl std::error::Error for Unsendable {}

impl From<TreeError> for Unsendable {
    fn from(TreeError { place, error }: TreeError) -> Self {
        Self::Value(place, error.map_or(ValueFault::Missing, ValueFault::Eval))
    }
}
