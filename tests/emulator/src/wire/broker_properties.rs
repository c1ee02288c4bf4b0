//! The `BrokerProperties` of a send, in a header or in an element of a batch.

use std::time::Duration;

use serde_json::{Map, Value};

use super::limits::check_id;
use super::time_span;
use crate::broker::{BrokerProperties, Form, Timestamp};
use crate::refusal::Refusal;

const READ_ONLY: [&str; 10] = [
    "DeadLetterSource",
    "DeliveryCount",
    "EnqueuedSequenceNumber",
    "EnqueuedTimeUtc",
    "ExpiresAtUtc",
    "LockToken",
    "LockedUntilUtc",
    "SequenceNumber",
    "Size",
    "State",
];

/// The longest lifetime that Service Bus knows, in seconds.
const MAX_TIME_TO_LIVE: f64 = 922_337_203_685.477_5;

/// What the members say: the properties, and the content type that only a batch may give here.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) broker: BrokerProperties,
    pub(super) content_type: Option<Box<str>>,
}

/// Reads the members. `place` names them in errors.
pub(super) fn parse(
    members: &Map<String, Value>,
    form: Form,
    place: &str,
) -> Result<Parsed, Refusal> {
    let mut parsed = Parsed::default();
    let Parsed { broker, content_type } = &mut parsed;
    let mut message_id = None;
    for (name, value) in members {
        let member = Member { place, name, value };
        match name.as_str() {
            "MessageId" => message_id = Some(member.id()?),
            "SessionId" => broker.session_id = Some(member.id()?),
            "PartitionKey" => broker.partition_key = Some(member.id()?),
            "ViaPartitionKey" => broker.via_partition_key = Some(member.id()?),
            "ReplyToSessionId" => broker.reply_to_session_id = Some(member.id()?),
            "CorrelationId" => broker.correlation_id = Some(member.text()?.into()),
            "Label" => broker.label = Some(member.text()?.into()),
            "ReplyTo" => broker.reply_to = Some(member.text()?.into()),
            "To" => broker.to = Some(member.text()?.into()),
            "ForcePersistence" => broker.force_persistence = Some(member.boolean()?),
            "ScheduledEnqueueTimeUtc" => broker.scheduled_enqueue_time = Some(member.date()?),
            "TimeToLive" if form == Form::Single => {
                broker.time_to_live = Some(member.seconds()?);
            }
            "TimeToLiveTimeSpan" if form == Form::Batch => {
                broker.time_to_live = Some(member.time_span()?);
            }
            "ContentType" if form == Form::Batch => *content_type = Some(member.text()?.into()),
            _ => return Err(member.refused(form)),
        }
    }
    if let (Some(session), Some(partition)) = (&broker.session_id, &broker.partition_key)
        && session != partition
    {
        return Err(Refusal::bad_request(format!(
            "{place}: PartitionKey '{partition}' and SessionId '{session}' must be equal when \
             both are set."
        )));
    }
    broker.message_id = match message_id {
        Some(id) if id.is_empty() => {
            return Err(Refusal::bad_request(format!("{place}.MessageId: must not be empty.")));
        }
        Some(id) => id,
        None => uuid::Uuid::new_v4().simple().to_string().into(),
    };
    Ok(parsed)
}

struct Member<'a> {
    place: &'a str,
    name: &'a str,
    value: &'a Value,
}

impl<'a> Member<'a> {
    fn expected(&self, what: &str) -> Refusal {
        let Self { place, name, value } = self;
        Refusal::bad_request(format!("{place}.{name}: expected {what}, found {value}."))
    }

    fn refused(&self, form: Form) -> Refusal {
        let Self { place, name, .. } = self;
        let why = match *name {
            "ContentType" => "is given in the Content-Type header",
            "Subject" => "is not a broker property; the name is Label",
            "TimeToLive" => "is TimeToLiveTimeSpan (\"d.hh:mm:ss\") in a batch",
            "TimeToLiveTimeSpan" => "is TimeToLive (seconds) in a header",
            name if READ_ONLY.contains(&name) => "is read-only",
            _ if form == Form::Batch => "is not a broker property of a batch",
            _ => "is not a broker property",
        };
        Refusal::bad_request(format!("{place}.{name}: {why}."))
    }

    fn text(&self) -> Result<&'a str, Refusal> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    fn id(&self) -> Result<Box<str>, Refusal> {
        let id = self.text()?;
        let Self { place, name, .. } = self;
        check_id(&format!("{place}.{name}"), id)?;
        Ok(id.into())
    }

    /// Microsoft's older client for Python sends every value as a string; Azure takes it.
    fn boolean(&self) -> Result<bool, Refusal> {
        match self.value {
            Value::Bool(value) => Ok(*value),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(self.expected("true or false")),
        }
    }

    fn date(&self) -> Result<Timestamp, Refusal> {
        const EXAMPLE: &str = "an RFC 1123 date such as \"Sat, 21 Nov 2026 00:00:00 GMT\"";
        let text = self.value.as_str().ok_or_else(|| self.expected(EXAMPLE))?;
        Timestamp::from_rfc1123(text).ok_or_else(|| self.expected(EXAMPLE))
    }

    /// The same client sends numbers as strings of digits.
    fn seconds(&self) -> Result<Duration, Refusal> {
        let seconds = match self.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text)
                if text.starts_with(|c: char| c.is_ascii_digit())
                    && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') =>
            {
                text.parse().ok()
            }
            _ => None,
        };
        let seconds = seconds.ok_or_else(|| self.expected("a number of seconds"))?;
        if !(1.0..=MAX_TIME_TO_LIVE).contains(&seconds) {
            return Err(self.expected("a number of seconds from 1 to 922337203685"));
        }
        Ok(Duration::from_secs_f64(seconds))
    }

    fn time_span(&self) -> Result<Duration, Refusal> {
        const EXAMPLE: &str = "a time span of at least one second as in \"0.00:00:40\"";
        let text = self.value.as_str().ok_or_else(|| self.expected(EXAMPLE))?;
        time_span::parse(text)
            .filter(|span| *span >= Duration::from_secs(1))
            .ok_or_else(|| self.expected(EXAMPLE))
    }
}
