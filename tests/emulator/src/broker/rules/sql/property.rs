//! Properties by name, as an expression reads and an action writes them.

use crate::broker::{Message, PropertyValue, Scalar};

/// The longest id that a message may have, in characters.
const LONGEST_ID: usize = 128;

/// A property of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Property {
    /// An application property. Case does not matter.
    User(String),
    /// A field of the message itself.
    System(SystemProperty),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SystemProperty {
    ContentType,
    CorrelationId,
    ForcePersistence,
    Label,
    MessageId,
    PartitionKey,
    ReplyTo,
    ReplyToSessionId,
    SessionId,
    To,
    ViaPartitionKey,
}

/// Names with the property of each, some under two names: that of the wire and that of newer SDKs.
const SYSTEM: [(&str, SystemProperty); 13] = [
    ("ContentType", SystemProperty::ContentType),
    ("CorrelationId", SystemProperty::CorrelationId),
    ("ForcePersistence", SystemProperty::ForcePersistence),
    ("Label", SystemProperty::Label),
    ("Subject", SystemProperty::Label),
    ("MessageId", SystemProperty::MessageId),
    ("PartitionKey", SystemProperty::PartitionKey),
    ("ReplyTo", SystemProperty::ReplyTo),
    ("ReplyToSessionId", SystemProperty::ReplyToSessionId),
    ("SessionId", SystemProperty::SessionId),
    ("To", SystemProperty::To),
    ("ViaPartitionKey", SystemProperty::ViaPartitionKey),
    ("TransactionPartitionKey", SystemProperty::ViaPartitionKey),
];

/// Properties of the class in Microsoft's SDKs that rules here cannot name: times, which only a
/// parameter could be compared with, and what is not set before the message is stored.
const NOT_SUPPORTED: [&str; 16] = [
    "DeadLetterSource",
    "DeliveryCount",
    "EnqueuedSequenceNumber",
    "EnqueuedTime",
    "EnqueuedTimeUtc",
    "ExpiresAt",
    "ExpiresAtUtc",
    "LockedUntil",
    "LockedUntilUtc",
    "LockToken",
    "ScheduledEnqueueTime",
    "ScheduledEnqueueTimeUtc",
    "SequenceNumber",
    "Size",
    "State",
    "TimeToLive",
];

impl SystemProperty {
    /// The property of a name; case does not matter.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        let found = SYSTEM.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        if let Some((_, property)) = found {
            return Ok(*property);
        }
        if NOT_SUPPORTED.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(format!("sys.{name} in a rule is not supported by this emulator"));
        }
        Err(format!("there is no system property {name:?}"))
    }

    fn field(self, message: &mut Message) -> Option<&mut Option<Box<str>>> {
        let broker = &mut message.broker;
        Some(match self {
            Self::ForcePersistence | Self::MessageId => return None,
            Self::ContentType => &mut message.content_type,
            Self::CorrelationId => &mut broker.correlation_id,
            Self::Label => &mut broker.label,
            Self::PartitionKey => &mut broker.partition_key,
            Self::ReplyTo => &mut broker.reply_to,
            Self::ReplyToSessionId => &mut broker.reply_to_session_id,
            Self::SessionId => &mut broker.session_id,
            Self::To => &mut broker.to,
            Self::ViaPartitionKey => &mut broker.via_partition_key,
        })
    }

    /// Whether `REMOVE` can take it.
    pub(super) const fn is_removable(self) -> bool {
        !matches!(self, Self::MessageId)
    }

    const fn is_id(self) -> bool {
        matches!(
            self,
            Self::MessageId
                | Self::PartitionKey
                | Self::ReplyToSessionId
                | Self::SessionId
                | Self::ViaPartitionKey
        )
    }

    fn get(self, message: &Message) -> Option<PropertyValue> {
        let broker = &message.broker;
        let text = match self {
            Self::ForcePersistence => return broker.force_persistence.map(PropertyValue::Boolean),
            Self::MessageId => Some(&broker.message_id),
            Self::ContentType => message.content_type.as_ref(),
            Self::CorrelationId => broker.correlation_id.as_ref(),
            Self::Label => broker.label.as_ref(),
            Self::PartitionKey => broker.partition_key.as_ref(),
            Self::ReplyTo => broker.reply_to.as_ref(),
            Self::ReplyToSessionId => broker.reply_to_session_id.as_ref(),
            Self::SessionId => broker.session_id.as_ref(),
            Self::To => broker.to.as_ref(),
            Self::ViaPartitionKey => broker.via_partition_key.as_ref(),
        };
        text.cloned().map(PropertyValue::Text)
    }

    fn set(self, message: &mut Message, value: Option<PropertyValue>) -> Result<(), String> {
        let text = match (self, value) {
            (Self::ForcePersistence, Some(PropertyValue::Boolean(value))) => {
                message.broker.force_persistence = Some(value);
                return Ok(());
            }
            (Self::ForcePersistence, None) => {
                message.broker.force_persistence = None;
                return Ok(());
            }
            (_, Some(PropertyValue::Text(text))) if self != Self::ForcePersistence => Some(text),
            (_, None) => None,
            (_, Some(other)) => return Err(format!("{self:?} cannot be set to {}", kind(&other))),
        };
        let length = text.as_ref().map_or(0, |text| text.chars().count());
        if self.is_id() && length > LONGEST_ID {
            return Err(format!("{self:?} cannot be set to a text of {length} characters"));
        }
        match (self.field(message), text) {
            (Some(field), text) => *field = text,
            (None, Some(text)) if !text.is_empty() => message.broker.message_id = text,
            (None, _) => return Err(format!("{self:?} cannot be empty")),
        }
        Ok(())
    }
}

impl Property {
    /// Whether a message has it, be it null.
    pub(super) fn is_in(&self, message: &Message) -> bool {
        match self {
            Self::System(property) => property.get(message).is_some(),
            Self::User(name) => message.properties.iter().any(|(other, _)| same_name(other, name)),
        }
    }

    /// Its value in a message; `None` if the message does not have it, or has null.
    pub(super) fn get(&self, message: &Message) -> Option<PropertyValue> {
        match self {
            Self::System(property) => property.get(message),
            Self::User(name) => user(message, name),
        }
    }

    /// Gives it a value; `None` takes it away.
    pub(super) fn set(
        &self,
        message: &mut Message,
        value: Option<PropertyValue>,
    ) -> Result<(), String> {
        let name = match self {
            Self::System(property) => return property.set(message, value),
            Self::User(name) => name,
        };
        let mut properties = std::mem::take(&mut message.properties).into_vec();
        let index = properties.iter().position(|(other, _)| same_name(other, name));
        match (index, value) {
            (Some(index), None) => drop(properties.remove(index)),
            (None, None) => {}
            (None, Some(value)) => properties.push((name.as_str().into(), value)),
            (Some(index), Some(value)) => {
                if let Some((_, present)) = properties.get_mut(index) {
                    *present = converted(value, present);
                }
            }
        }
        message.properties = properties.into();
        Ok(())
    }
}

/// The value of an application property; case does not matter.
pub(super) fn user(message: &Message, name: &str) -> Option<PropertyValue> {
    let mut named = message.properties.iter().filter(|(other, _)| same_name(other, name));
    let (_, value) = named.next()?;
    match value.plain() {
        None if *value == PropertyValue::Other(Scalar::Null) => None,
        None => Some(value.clone()),
        plain => plain,
    }
}

fn same_name(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

/// The value in the type that the property has, where it fits: `SET n = n / 2` leaves an `int`.
fn converted(value: PropertyValue, present: &PropertyValue) -> PropertyValue {
    let PropertyValue::Integer(number) = value else { return value };
    let scalar = match present {
        #[allow(clippy::cast_precision_loss)] // as C# converts
        PropertyValue::Float(_) => return PropertyValue::Float(number as f64),
        PropertyValue::Other(Scalar::Ubyte(_)) => number.try_into().ok().map(Scalar::Ubyte),
        PropertyValue::Other(Scalar::Ushort(_)) => number.try_into().ok().map(Scalar::Ushort),
        PropertyValue::Other(Scalar::Uint(_)) => number.try_into().ok().map(Scalar::Uint),
        PropertyValue::Other(Scalar::Ulong(_)) => number.try_into().ok().map(Scalar::Ulong),
        PropertyValue::Other(Scalar::Byte(_)) => number.try_into().ok().map(Scalar::Byte),
        PropertyValue::Other(Scalar::Short(_)) => number.try_into().ok().map(Scalar::Short),
        PropertyValue::Other(Scalar::Int(_)) => number.try_into().ok().map(Scalar::Int),
        _ => None,
    };
    scalar.map_or(value, PropertyValue::Other)
}

/// The type of a value, in words.
pub(super) const fn kind(value: &PropertyValue) -> &'static str {
    match value {
        PropertyValue::Text(_) => "a string",
        PropertyValue::Integer(_) => "a whole number",
        PropertyValue::Float(_) => "a number with a fraction",
        PropertyValue::Boolean(_) => "a boolean",
        PropertyValue::Other(Scalar::Timestamp(_)) => "a time",
        PropertyValue::Other(Scalar::Uuid(_)) => "a UUID",
        PropertyValue::Other(Scalar::Binary(_)) => "bytes",
        PropertyValue::Other(Scalar::Decimal(_)) => "a decimal",
        PropertyValue::Other(other) => other.name(),
    }
}
