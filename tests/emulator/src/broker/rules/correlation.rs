//! Correlation filters: fields and application properties that must all be equal.

use super::super::{BrokerProperties, Message, PropertyValue};

/// Fields and application properties that must all be equal. Names and texts compare exactly,
/// whole numbers of any size by their value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CorrelationFilter {
    /// Fields of the message, with the value each must have.
    pub fields: Vec<(Field, String)>,
    /// Application properties, with the value each must have.
    pub properties: Vec<(String, PropertyValue)>,
}

/// A field of a message that holds text, as rules name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Microsoft's names
pub enum Field {
    ContentType,
    CorrelationId,
    Label,
    MessageId,
    ReplyTo,
    ReplyToSessionId,
    SessionId,
    To,
}

impl Field {
    /// Each field with its name in a configuration file.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("ContentType", Self::ContentType),
        ("CorrelationId", Self::CorrelationId),
        ("Label", Self::Label),
        ("MessageId", Self::MessageId),
        ("ReplyTo", Self::ReplyTo),
        ("ReplyToSessionId", Self::ReplyToSessionId),
        ("SessionId", Self::SessionId),
        ("To", Self::To),
    ];

    /// Its text in a message, if the message has it.
    #[must_use]
    pub fn of(self, message: &Message) -> Option<&str> {
        let BrokerProperties {
            message_id,
            correlation_id,
            label,
            reply_to,
            reply_to_session_id,
            session_id,
            to,
            ..
        } = &message.broker;
        match self {
            Self::ContentType => message.content_type.as_deref(),
            Self::CorrelationId => correlation_id.as_deref(),
            Self::Label => label.as_deref(),
            Self::MessageId => Some(message_id),
            Self::ReplyTo => reply_to.as_deref(),
            Self::ReplyToSessionId => reply_to_session_id.as_deref(),
            Self::SessionId => session_id.as_deref(),
            Self::To => to.as_deref(),
        }
    }
}

impl CorrelationFilter {
    /// Whether every condition holds.
    #[must_use]
    pub fn matches(&self, message: &Message) -> bool {
        let fields = self.fields.iter().all(|(field, wanted)| field.of(message) == Some(wanted));
        fields
            && self.properties.iter().all(|(name, wanted)| {
                let mut named =
                    message.properties.iter().filter(|(present, _)| **present == **name);
                named.any(|(_, value)| equal(value, wanted))
            })
    }
}

fn equal(one: &PropertyValue, other: &PropertyValue) -> bool {
    match (one.plain(), other.plain()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}
