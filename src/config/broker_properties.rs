//! The `broker_properties` of a route.

use crate::message::LIFETIMES;
use crate::message::{BrokerConfig, Lifetime, Schedule, ScheduleConfig};

use super::delivery::read_duration;
use super::json::Json;
use super::node::Node;
use super::send::read_content_type;
use super::template::read_template;
use crate::limits;
use crate::message::TextProperty;
use crate::template::{Names, Template};

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

pub(super) fn read(node: &Node<'_>, names: &Names) -> Option<BrokerConfig> {
    let mut config = BrokerConfig::default();
    let mut complete = true;
    for (name, node) in node.members()? {
        complete &= read_one(name, &node, names, &mut config).is_some();
    }
    let literal = |property| {
        let (_, text) = config.texts.iter().find(|(other, _)| *other == property)?;
        text.literal()
    };
    let session = literal(TextProperty::SessionId);
    let partition = literal(TextProperty::PartitionKey);
    if session.is_some() && partition.is_some() && session != partition {
        node.error("PartitionKey must equal SessionId when both are set");
        return None;
    }
    complete.then_some(config)
}

fn read_one(name: &str, node: &Node<'_>, names: &Names, config: &mut BrokerConfig) -> Option<()> {
    match name {
        "MessageId" => config.message_id = Some(read_message_id(node, names)?),
        "TimeToLive" => config.time_to_live = Some(read_time_to_live(node, names)?),
        "ScheduledEnqueueTimeUtc" => {
            config.scheduled_enqueue_time = Some(read_schedule(node, names)?);
        }
        "ContentType" => config.content_type = Some(read_content_type(node, names)?),
        _ => {
            let property = find(name, node)?;
            if config.texts.iter().any(|(other, _)| *other == property) {
                node.error("Label and Subject are the same property; set one");
                return None;
            }
            let text = read_text(node, names, property.max_chars())?;
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

fn read_text(node: &Node<'_>, names: &Names, max_chars: Option<usize>) -> Option<Template> {
    let template = read_template(node, names)?;
    let Some(text) = template.literal() else { return Some(template) };
    if text.is_empty() {
        node.error("must not be empty");
    } else if let Some(limit) = max_chars.filter(|limit| text.encode_utf16().count() > *limit) {
        node.error(format!("has more than {limit} characters"));
    } else if text.len() > limits::PROPERTY_BYTES {
        node.error(format!("has more than {} bytes", limits::PROPERTY_BYTES));
    } else {
        return Some(template);
    }
    None
}

fn read_message_id(node: &Node<'_>, names: &Names) -> Option<Template> {
    let text = read_text(node, names, Some(limits::ID_CHARS))?;
    if text.literal().is_some() {
        node.warn(
            "is the same for every message: where duplicate detection is on, Service Bus keeps \
             the first and drops the others",
        );
    }
    Some(text)
}

fn read_time_to_live(node: &Node<'_>, names: &Names) -> Option<Lifetime> {
    if node.text_quietly().is_some() {
        let template = read_template(node, names)?;
        if template.literal().is_none() {
            return Some(Lifetime::Computed(template));
        }
    }
    if let Json::Number(seconds) = node.json() {
        let lifetime = seconds.as_f64().and_then(Lifetime::from_seconds);
        if lifetime.is_none() {
            node.expected(&format!("seconds from 1 to {}", LIFETIMES.end().as_secs()));
        }
        return lifetime.map(Lifetime::Fixed);
    }
    read_duration(node, LIFETIMES).map(Lifetime::Fixed)
}

fn read_schedule(node: &Node<'_>, names: &Names) -> Option<ScheduleConfig> {
    let template = read_template(node, names)?;
    let Some(text) = template.literal() else { return Some(ScheduleConfig::Computed(template)) };
    let schedule = Schedule::parse(text);
    if schedule.is_none() {
        node.expected("a delay such as \"+10m\", or a time in RFC 3339 or RFC 1123");
    }
    schedule.map(ScheduleConfig::Fixed)
}
