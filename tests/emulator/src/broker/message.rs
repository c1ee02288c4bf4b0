//! What a sender handed over, as it is kept: immutable and shared between subscriptions.

use std::sync::Weak;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{Scalar, Timestamp};
use crate::http::Headers;

/// A message as it was sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// The payload, byte for byte.
    pub body: Bytes,
    /// The payload's type; `None` if the sender gave none.
    pub content_type: Option<Box<str>>,
    /// What the broker itself reads.
    pub broker: BrokerProperties,
    /// Application properties, with names as received.
    pub properties: Properties,
    /// How it came.
    pub form: Form,
    /// The request that brought it, for as long as the journal keeps it.
    pub request: Weak<Headers>,
    /// What it was on the wire, if it came over AMQP.
    pub bare: Option<Box<Bare>>,
}

/// Parts of a message that came over AMQP, as they were encoded: there are types and sections that
/// HTTP has no word for, and receivers over AMQP get them as they were.
#[derive(Clone, Debug, Default)]
pub struct Bare {
    /// The section `properties`; empty if the broker had to add the id, or a rule changed it.
    pub properties: Bytes,
    /// The section `application-properties`; empty if there is none, or a rule changed it.
    pub application_properties: Bytes,
    /// The sections of the body.
    pub body: Bytes,
    /// The section `footer`; empty if there is none.
    pub footer: Bytes,
    /// Annotations that are the sender's own, name and value.
    pub annotations: Vec<(Bytes, Bytes)>,
}

/// Application properties in order.
pub type Properties = Box<[(Box<str>, PropertyValue)]>;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One message a request, properties in headers.
    Single,
    /// An element of a JSON array.
    Batch,
    /// One message a transfer, over AMQP.
    Amqp,
    /// One of several in a transfer.
    AmqpBatch,
}

impl Form {
    /// `single` or `batch`, over HTTP or AMQP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Batch => "batch",
            Self::Amqp => "amqp single",
            Self::AmqpBatch => "amqp batch",
        }
    }
}

/// The broker properties that a sender may set.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)] // Microsoft's names, each its own description
pub struct BrokerProperties {
    /// The sender's, or one that the broker made.
    pub message_id: Box<str>,
    pub correlation_id: Option<Box<str>>,
    pub label: Option<Box<str>>,
    pub partition_key: Option<Box<str>>,
    pub reply_to: Option<Box<str>>,
    pub reply_to_session_id: Option<Box<str>>,
    pub session_id: Option<Box<str>>,
    pub to: Option<Box<str>>,
    pub via_partition_key: Option<Box<str>>,
    pub force_persistence: Option<bool>,
    pub scheduled_enqueue_time: Option<Timestamp>,
    pub time_to_live: Option<Duration>,
}

/// The value of an application property.
#[derive(Clone, Debug, PartialEq)]
pub enum PropertyValue {
    /// Text; dates are text too.
    Text(Box<str>),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A value that only AMQP can send.
    Other(Scalar),
}

impl PropertyValue {
    /// Bytes that it counts for against the limits.
    #[must_use]
    pub const fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Integer(_) | Self::Float(_) => 8,
            Self::Boolean(_) => 1,
            Self::Other(scalar) => scalar.size(),
        }
    }

    /// As text, a whole number, a number with a fraction, true or false, where it is one of these
    /// whatever its size on the wire.
    #[must_use]
    pub fn plain(&self) -> Option<Self> {
        match self {
            Self::Other(scalar) => scalar.plain(),
            plain => Some(plain.clone()),
        }
    }

    /// As a JSON value. What AMQP alone can send becomes text: dates as in RFC 1123, bytes as
    /// base64.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => (**text).into(),
            Self::Integer(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Boolean(value) => (*value).into(),
            Self::Other(scalar) => match (scalar.plain(), scalar) {
                (Some(plain), _) => plain.to_json(),
                (None, Scalar::Ulong(number)) => (*number).into(),
                (None, Scalar::Timestamp(millis)) => {
                    Timestamp::from_unix_millis((*millis).try_into().unwrap_or(0))
                        .to_rfc1123()
                        .into()
                }
                (None, Scalar::Uuid(id)) => id.to_string().into(),
                (None, Scalar::Binary(bytes)) => STANDARD.encode(bytes).into(),
                (None, Scalar::Decimal(bytes)) => STANDARD.encode(bytes).into(),
                (None, _) => serde_json::Value::Null,
            },
        }
    }

    /// Reads a JSON string, number or boolean. A number must fit 64 bits.
    #[must_use]
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        Some(match value {
            serde_json::Value::String(text) => Self::Text(text.as_str().into()),
            serde_json::Value::Bool(value) => Self::Boolean(*value),
            serde_json::Value::Number(number) if number.is_f64() => Self::Float(number.as_f64()?),
            serde_json::Value::Number(number) => Self::Integer(number.as_i64()?),
            _ => return None,
        })
    }
}
