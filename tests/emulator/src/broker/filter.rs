//! Subscription rules: which messages of a topic a subscription gets.

use super::{BrokerProperties, Message, PropertyValue};

/// The filter of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Every message.
    True,
    /// No message.
    False,
    /// Messages with equal fields.
    Correlation(CorrelationFilter),
}

/// Fields and application properties that must all be equal. Names and values compare exactly.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CorrelationFilter {
    /// Fields of the message, with the value each must have.
    pub fields: Vec<(Field, String)>,
    /// Application properties, with the value each must have.
    pub properties: Vec<(String, PropertyValue)>,
}

/// A field that a correlation filter can name.
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

    fn of(self, message: &Message) -> Option<&str> {
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

impl Filter {
    /// Whether the message passes.
    #[must_use]
    pub fn matches(&self, message: &Message) -> bool {
        match self {
            Self::True => true,
            Self::False => false,
            Self::Correlation(filter) => filter.matches(message),
        }
    }
}

impl CorrelationFilter {
    fn matches(&self, message: &Message) -> bool {
        let fields = self.fields.iter().all(|(field, wanted)| field.of(message) == Some(wanted));
        fields
            && self.properties.iter().all(|(name, wanted)| {
                let mut named =
                    message.properties.iter().filter(|(present, _)| **present == **name);
                named.any(|(_, value)| value == wanted)
            })
    }
}
