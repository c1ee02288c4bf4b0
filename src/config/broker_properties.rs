//! The `broker_properties` of a route.

use std::time::Duration;

use chrono::DateTime;

use super::delivery::read_duration;
use super::duration;
use super::node::Node;
use super::reply::read_template;
use super::send::{Schedule, read_content_type};
use crate::message::{TextProperty, limits};

/// What a route sets; each at most once.
#[derive(Debug, Default, PartialEq)]
pub struct BrokerConfig {
    /// The same for all messages of the route; absent, it is the tracking id.
    pub message_id: Option<String>,
    /// Texts.
    pub texts: Vec<(TextProperty, String)>,
    /// Life of a message.
    pub time_to_live: Option<Duration>,
    /// When a message appears.
    pub scheduled_enqueue_time: Option<Schedule>,
    /// Moves to the route's content type.
    pub(super) content_type: Option<String>,
}

const READ_ONLY: [&str; 9] = [
    "DeadLetterSource",
    "DeliveryCount",
    "EnqueuedSequenceNumber",
    "EnqueuedTimeUtc",
    "ExpiresAtUtc",
    "LockToken",
    "LockedUntilUtc",
    "SequenceNumber",
    "State",
];

const SETTABLE: &str = "ContentType, CorrelationId, Label, MessageId, PartitionKey, ReplyTo, \
                        ReplyToSessionId, ScheduledEnqueueTimeUtc, SessionId, Subject, \
                        TimeToLive, To, ViaPartitionKey";

pub(super) fn read(node: &Node<'_>) -> Option<BrokerConfig> {
    let mut config = BrokerConfig::default();
    let mut complete = true;
    for (name, node) in node.members()? {
        complete &= read_one(name, &node, &mut config).is_some();
    }
    let text = |property| config.texts.iter().find(|(p, _)| *p == property).map(|(_, t)| t);
    let session = text(TextProperty::SessionId);
    let partition = text(TextProperty::PartitionKey);
    if session.is_some() && partition.is_some() && session != partition {
        node.error("PartitionKey must equal SessionId when both are set");
        return None;
    }
    complete.then_some(config)
}

fn read_one(name: &str, node: &Node<'_>, config: &mut BrokerConfig) -> Option<()> {
    match name {
        "MessageId" => config.message_id = Some(read_message_id(node)?),
        "TimeToLive" => config.time_to_live = Some(read_time_to_live(node)?),
        "ScheduledEnqueueTimeUtc" => config.scheduled_enqueue_time = Some(read_schedule(node)?),
        "ContentType" => config.content_type = Some(read_content_type(node)?),
        _ => {
            let property = find(name, node)?;
            if config.texts.iter().any(|(other, _)| *other == property) {
                node.error("Label and Subject are the same property; set one");
                return None;
            }
            let text = read_text(node, property.max_chars())?;
            config.texts.push((property, text));
        }
    }
    Some(())
}

fn find(name: &str, node: &Node<'_>) -> Option<TextProperty> {
    if name == "Subject" {
        return Some(TextProperty::Label);
    }
    let found = TextProperty::ALL.into_iter().find(|property| property.name() == name);
    if found.is_none() {
        if READ_ONLY.contains(&name) {
            node.error(format!("{name} is read-only: Service Bus sets it"));
        } else {
            node.error(format!(
                "not a broker property that can be set, expected one of {SETTABLE}; a property of \
                 your own goes under `properties`"
            ));
        }
    }
    found
}

fn read_text(node: &Node<'_>, max_chars: Option<usize>) -> Option<String> {
    let text = read_template(node)?.as_str().to_owned();
    if text.is_empty() {
        node.error("must not be empty");
        return None;
    }
    if let Some(limit) = max_chars.filter(|limit| text.encode_utf16().count() > *limit) {
        node.error(format!("has more than {limit} characters"));
        return None;
    }
    if text.len() > limits::PROPERTY_BYTES {
        node.error(format!("has more than {} bytes", limits::PROPERTY_BYTES));
        return None;
    }
    Some(text)
}

fn read_message_id(node: &Node<'_>) -> Option<String> {
    let text = read_text(node, Some(limits::ID_CHARS))?;
    node.warn(
        "is the same for every message: where duplicate detection is on, Service Bus keeps the \
         first and drops the others",
    );
    Some(text)
}

/// The longest .NET `TimeSpan`, in whole days.
const LONGEST_LIFE: Duration = Duration::from_secs(10_675_199 * 86_400);

fn read_time_to_live(node: &Node<'_>) -> Option<Duration> {
    read_duration(node, Duration::from_millis(1)..=LONGEST_LIFE)
}

fn read_schedule(node: &Node<'_>) -> Option<Schedule> {
    let text = read_template(node)?;
    let text = text.as_str();
    let schedule = match text.strip_prefix('+') {
        Some(delay) => duration::parse(delay).map(Schedule::After),
        None => DateTime::parse_from_rfc3339(text)
            .or_else(|_| DateTime::parse_from_rfc2822(text))
            .ok()
            .and_then(|date| {
                let seconds = u64::try_from(date.timestamp()).ok()?;
                Some(Schedule::At(Duration::new(seconds, date.timestamp_subsec_nanos())))
            }),
    };
    if schedule.is_none() {
        node.expected("a delay such as \"+10m\", or a time in RFC 3339 or RFC 1123");
    }
    schedule
}
