//! Limits of size.

use crate::broker::{BrokerProperties, PropertyValue};
use crate::refusal::Refusal;

/// Longest id, in characters.
const MAX_ID_CHARS: usize = 128;
/// Largest single application property.
pub(super) const MAX_PROPERTY_BYTES: usize = 32 * 1024;
/// Largest total of application and broker properties.
pub(super) const MAX_PROPERTIES_BYTES: usize = 64 * 1024;

/// What the namespace was bought as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Tier {
    /// Queues only, without sessions and duplicate detection.
    Basic,
    /// Everything, messages of up to 256 KB.
    Standard,
    /// Everything, messages of up to 1 MB over HTTP.
    Premium,
}

impl Tier {
    /// Largest message or batch, properties included.
    #[must_use]
    pub const fn max_message_bytes(self) -> usize {
        match self {
            Self::Basic | Self::Standard => 256 * 1024,
            Self::Premium => 1024 * 1024,
        }
    }

    /// Microsoft's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Standard => "Standard",
            Self::Premium => "Premium",
        }
    }

    /// Holds a message, or a whole batch, against the limit.
    pub(crate) fn check_message(self, size: usize) -> Result<(), Refusal> {
        let limit = self.max_message_bytes();
        if size <= limit {
            return Ok(());
        }
        let tier = self.name();
        Err(Refusal::new(
            403,
            format!(
                "The message or batch of {size} bytes exceeds the limit of {limit} bytes of the \
                 {tier} tier."
            ),
        ))
    }
}

/// Holds an id against its limit.
pub(crate) fn check_id(place: &str, id: &str) -> Result<(), Refusal> {
    let length = id.chars().count();
    if length <= MAX_ID_CHARS {
        return Ok(());
    }
    Err(Refusal::bad_request(format!(
        "{place}: {length} characters exceed the limit of {MAX_ID_CHARS}."
    )))
}

/// Holds properties against their limits and says how many bytes they take.
pub(crate) fn check_properties(
    broker: &BrokerProperties,
    properties: &[(Box<str>, PropertyValue)],
) -> Result<usize, Refusal> {
    let mut total = broker_size(broker);
    for (name, value) in properties {
        let size = name.len() + value.size();
        if size > MAX_PROPERTY_BYTES {
            return Err(Refusal::bad_request(format!(
                "The property '{name}' of {size} bytes exceeds the limit of {MAX_PROPERTY_BYTES} \
                 bytes for one property."
            )));
        }
        total += size;
    }
    if total > MAX_PROPERTIES_BYTES {
        return Err(Refusal::bad_request(format!(
            "The properties of {total} bytes exceed the limit of {MAX_PROPERTIES_BYTES} bytes for \
             all properties of a message."
        )));
    }
    Ok(total)
}

fn broker_size(broker: &BrokerProperties) -> usize {
    let BrokerProperties {
        message_id,
        correlation_id,
        label,
        partition_key,
        reply_to,
        reply_to_session_id,
        session_id,
        to,
        via_partition_key,
        force_persistence: _,
        scheduled_enqueue_time: _,
        time_to_live: _,
    } = broker;
    let texts = [
        correlation_id,
        label,
        partition_key,
        reply_to,
        reply_to_session_id,
        session_id,
        to,
        via_partition_key,
    ];
    message_id.len() + texts.into_iter().flatten().map(|text| text.len()).sum::<usize>()
}
