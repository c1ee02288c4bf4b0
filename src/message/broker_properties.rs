//! The predefined properties that a sender may set.

use std::time::Duration;

use chrono::DateTime;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

use super::{PropertyFault, Unsendable};
use crate::limits;

/// The settable broker properties that are texts, but for `MessageId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TextProperty {
    /// Relates a reply to its request.
    CorrelationId,
    /// The message's purpose; AMQP's subject.
    Label,
    /// Chooses the partition.
    PartitionKey,
    /// Where a reply is to go.
    ReplyTo,
    /// The session of the reply.
    ReplyToSessionId,
    /// The session of the message.
    SessionId,
    /// Reserved for routing.
    To,
    /// Chooses the partition of the transfer queue.
    ViaPartitionKey,
}

impl TextProperty {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 8] = [
        Self::CorrelationId,
        Self::Label,
        Self::PartitionKey,
        Self::ReplyTo,
        Self::ReplyToSessionId,
        Self::SessionId,
        Self::To,
        Self::ViaPartitionKey,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CorrelationId => "CorrelationId",
            Self::Label => "Label",
            Self::PartitionKey => "PartitionKey",
            Self::ReplyTo => "ReplyTo",
            Self::ReplyToSessionId => "ReplyToSessionId",
            Self::SessionId => "SessionId",
            Self::To => "To",
            Self::ViaPartitionKey => "ViaPartitionKey",
        }
    }

    /// Whether it says which messages belong together: these must never be another's by mistake.
    pub const fn identifies(self) -> bool {
        matches!(self, Self::PartitionKey | Self::ReplyToSessionId | Self::SessionId)
    }

    /// Most characters, where there is a limit of its own.
    pub const fn max_chars(self) -> Option<usize> {
        match self {
            Self::PartitionKey
            | Self::ReplyToSessionId
            | Self::SessionId
            | Self::ViaPartitionKey => Some(limits::ID_CHARS),
            Self::CorrelationId | Self::Label | Self::ReplyTo | Self::To => None,
        }
    }
}

/// The broker properties of one message; `ContentType` has its own place.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerProperties {
    /// Duplicate detection compares it; always set, as each attempt must repeat it.
    pub message_id: String,
    /// Each at most once.
    pub texts: Vec<(TextProperty, String)>,
    /// Lifetime from the moment of storage.
    pub time_to_live: Option<Duration>,
    /// When the message appears, since the Unix epoch.
    pub scheduled_enqueue_time: Option<Duration>,
}

impl BrokerProperties {
    /// Properties with nothing but an id.
    pub fn new(message_id: String) -> Self {
        Self { message_id, texts: vec![], time_to_live: None, scheduled_enqueue_time: None }
    }

    fn text(&self, property: TextProperty) -> Option<&str> {
        self.texts.iter().find(|(name, _)| *name == property).map(|(_, text)| text.as_str())
    }

    /// What Service Bus chooses the partition by: the session, else the partition key.
    pub(super) fn partition(&self) -> Option<&str> {
        self.text(TextProperty::SessionId).or_else(|| self.text(TextProperty::PartitionKey))
    }

    /// Checks lengths and rules.
    pub(super) fn check(&self) -> Result<(), Unsendable> {
        check_chars("MessageId", &self.message_id, Some(limits::ID_CHARS))?;
        for (property, text) in &self.texts {
            check_chars(property.name(), text, property.max_chars())?;
        }
        let session = self.text(TextProperty::SessionId);
        let partition = self.text(TextProperty::PartitionKey);
        if session.is_some() && partition.is_some() && session != partition {
            return Err(Unsendable::PartitionKeyIsNotSessionId);
        }
        Ok(())
    }

    /// Names and values in bytes.
    pub(super) fn size(&self) -> usize {
        let texts = self.texts.iter().map(|(property, text)| property.name().len() + text.len());
        // The two times take about their names and eight bytes.
        let times = [self.time_to_live.is_some(), self.scheduled_enqueue_time.is_some()];
        let times = times.into_iter().filter(|set| *set).count() * 32;
        "MessageId".len() + self.message_id.len() + texts.sum::<usize>() + times
    }

    /// The JSON object of the `BrokerProperties` header.
    pub(super) fn header_json(&self) -> String {
        let written = Written { broker: self, in_batch: false, content_type: None };
        // Texts and numbers under names, which JSON can always say.
        serde_json::to_string(&written).unwrap_or_default()
    }

    /// The JSON object of a batch's element, where the lifetime is a time span.
    pub(super) fn in_batch<'a>(&'a self, content_type: Option<&'a str>) -> impl Serialize + 'a {
        Written { broker: self, in_batch: true, content_type }
    }
}

/// Broker properties as one of the two forms writes them.
struct Written<'a> {
    broker: &'a BrokerProperties,
    in_batch: bool,
    content_type: Option<&'a str>,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let BrokerProperties { message_id, texts, time_to_live, scheduled_enqueue_time } =
            self.broker;
        let mut json = serializer.serialize_map(None)?;
        json.serialize_entry("MessageId", message_id)?;
        for (property, text) in texts {
            json.serialize_entry(property.name(), text)?;
        }
        if let Some(date) = scheduled_enqueue_time.and_then(http_date) {
            json.serialize_entry("ScheduledEnqueueTimeUtc", &date)?;
        }
        match time_to_live {
            Some(lifetime) if self.in_batch => {
                json.serialize_entry("TimeToLiveTimeSpan", &time_span(*lifetime))?;
            }
            Some(lifetime) => json.serialize_entry("TimeToLive", &seconds(*lifetime))?,
            None => {}
        }
        if let Some(content_type) = self.content_type {
            json.serialize_entry("ContentType", content_type)?;
        }
        json.end()
    }
}

fn check_chars(name: &str, text: &str, limit: Option<usize>) -> Result<(), Unsendable> {
    let fault = |fault| Err(Unsendable::Property(name.to_owned(), fault));
    // No text has more UTF-16 units than bytes.
    let is_longer = |limit: &usize| text.len() > *limit && text.encode_utf16().count() > *limit;
    if let Some(limit) = limit.filter(is_longer) {
        return fault(PropertyFault::Longer(limit));
    }
    if name.len() + text.len() > limits::PROPERTY_BYTES {
        return fault(PropertyFault::TooLarge);
    }
    Ok(())
}

/// Seconds as a JSON number, whole where they are.
fn seconds(lifetime: Duration) -> Json {
    if lifetime.subsec_nanos() == 0 {
        lifetime.as_secs().into()
    } else {
        lifetime.as_secs_f64().into()
    }
}

/// `d.hh:mm:ss`, with seven digits of a second's fraction where there is one: .NET's `TimeSpan`.
pub fn time_span(lifetime: Duration) -> String {
    let seconds = lifetime.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    let ticks = lifetime.subsec_nanos() / 100;
    let fraction = if ticks == 0 { String::new() } else { format!(".{ticks:07}") };
    format!("{days}.{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

/// RFC 1123 in GMT, to the next whole second; `None` beyond the calendar.
pub fn http_date(since_epoch: Duration) -> Option<String> {
    let seconds = since_epoch.as_secs().checked_add(u64::from(since_epoch.subsec_nanos() > 0))?;
    let date = DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)?;
    Some(date.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_dotnets() {
        let cases = [
            (Duration::from_secs(40), "0.00:00:40"),
            (Duration::from_secs(3_600), "0.01:00:00"),
            (Duration::from_secs(2 * 86_400 + 3 * 3_600 + 4 * 60 + 5), "2.03:04:05"),
            (Duration::from_millis(1_500), "0.00:00:01.5000000"),
        ];
        for (lifetime, text) in cases {
            assert_eq!(time_span(lifetime), text);
        }
    }

    #[test]
    fn dates_are_rfc_1123_and_never_early() {
        assert_eq!(
            http_date(Duration::from_secs(1_795_219_200)).as_deref(),
            Some("Sat, 21 Nov 2026 00:00:00 GMT")
        );
        assert_eq!(
            http_date(Duration::from_millis(1_795_219_200_001)).as_deref(),
            Some("Sat, 21 Nov 2026 00:00:01 GMT")
        );
        assert_eq!(http_date(Duration::MAX), None);
    }

    #[test]
    fn lives_are_seconds() {
        assert_eq!(seconds(Duration::from_secs(90)).to_string(), "90");
        assert_eq!(seconds(Duration::from_millis(500)).to_string(), "0.5");
    }
}
