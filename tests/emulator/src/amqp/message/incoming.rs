//! A message that a client sent, as the broker keeps it: what the broker reads is taken out, the
//! rest stays encoded.

use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;

use super::{Sections, from_value};
use crate::amqp::codec::{self, Value};
use crate::amqp::error::{AmqpError, condition};
use crate::broker::{Bare, BrokerProperties, Form, Message, Properties, Timestamp};
use crate::wire::{Tier, check_id, check_properties};

/// The message format of a batch.
pub const BATCH_FORMAT: u32 = 0x8001_3700;

/// Annotations that the broker writes itself, or reads into properties.
const OWN_ANNOTATIONS: &str = "x-opt-";

/// Reads a transfer: one message, or a batch of them.
///
/// # Errors
/// The first rule that it breaks.
pub fn parse(payload: &Bytes, format: u32, tier: Tier) -> Result<Vec<Message>, AmqpError> {
    tier.check_message(payload.len())?;
    if format != BATCH_FORMAT {
        return Ok(vec![parse_one(payload, Form::Amqp)?]);
    }
    let batch = Sections::parse(payload).map_err(malformed)?;
    if batch.data.is_empty() {
        return Err(AmqpError::new(condition::ARGUMENT_ERROR, "The batch holds no message."));
    }
    batch.data.iter().map(|message| parse_one(message, Form::AmqpBatch)).collect()
}

fn malformed(error: codec::DecodeError) -> AmqpError {
    AmqpError::new(condition::DECODE_ERROR, format!("The message cannot be read: {error}."))
}

fn wrong(reason: impl std::fmt::Display) -> AmqpError {
    AmqpError::new(condition::ARGUMENT_ERROR, format!("The message is invalid: {reason}."))
}

/// Reads one encoded message.
fn parse_one(bytes: &Bytes, form: Form) -> Result<Message, AmqpError> {
    let sections = Sections::parse(bytes).map_err(malformed)?;
    let fields = Fields(match &sections.properties {
        Some((Value::List(fields), _)) => fields,
        _ => &[],
    });
    let mut broker = BrokerProperties {
        message_id: fields.id(0, "message-id")?.unwrap_or_default(),
        to: fields.text(2, "to")?,
        label: fields.text(3, "subject")?,
        reply_to: fields.text(4, "reply-to")?,
        correlation_id: fields.id(5, "correlation-id")?,
        session_id: fields.text(10, "group-id")?,
        reply_to_session_id: fields.text(12, "reply-to-group-id")?,
        time_to_live: time_to_live(sections.header.as_ref())?,
        ..BrokerProperties::default()
    };
    let content_type = fields.text(6, "content-type")?;
    let annotations = read_annotations(sections.annotations.as_ref(), &mut broker)?;
    let has_id = !broker.message_id.is_empty();
    if !has_id && !matches!(fields.get(0), Value::Null) {
        return Err(wrong("message-id must not be empty"));
    }
    if !has_id {
        broker.message_id = uuid::Uuid::new_v4().simple().to_string().into();
    }
    for (name, id) in [
        ("message-id", Some(&broker.message_id)),
        ("group-id", broker.session_id.as_ref()),
        ("reply-to-group-id", broker.reply_to_session_id.as_ref()),
        ("x-opt-partition-key", broker.partition_key.as_ref()),
        ("x-opt-via-partition-key", broker.via_partition_key.as_ref()),
    ] {
        check_id(name, id.map_or("", |id| id))?;
    }
    if let (Some(session), Some(partition)) = (&broker.session_id, &broker.partition_key)
        && session != partition
    {
        return Err(wrong("the partition key and the session id must be equal when both are set"));
    }
    let properties = application_properties(&sections)?;
    check_properties(&broker, &properties)?;
    let body = readable_body(&sections)?;
    let bare = Bare {
        // The broker's id has to get in.
        properties: sections.properties.map(|(_, raw)| raw).filter(|_| has_id).unwrap_or_default(),
        application_properties: sections
            .application_properties
            .map(|(_, raw)| raw)
            .unwrap_or_default(),
        body: sections.body,
        footer: sections.footer,
        annotations,
    };
    Ok(Message {
        body,
        content_type,
        broker,
        properties,
        form,
        request: Weak::new(),
        bare: Some(Box::new(bare)),
    })
}

/// The body as HTTP can show it: data as it is, a text or bytes as a value too, anything else as it
/// was encoded.
fn readable_body(sections: &Sections) -> Result<Bytes, AmqpError> {
    Ok(match (sections.data.as_slice(), sections.value().map_err(malformed)?) {
        ([], Some(Value::String(text))) => Bytes::copy_from_slice(text.as_bytes()),
        ([], Some(Value::Binary(bytes))) => bytes,
        ([], _) => sections.body.clone(),
        ([one], _) => one.clone(),
        (several, _) => several.concat().into(),
    })
}

struct Fields<'a>(&'a [Value]);

impl Fields<'_> {
    fn get(&self, index: usize) -> &Value {
        self.0.get(index).unwrap_or(&Value::Null)
    }

    fn text(&self, index: usize, name: &str) -> Result<Option<Box<str>>, AmqpError> {
        match self.get(index) {
            Value::Null => Ok(None),
            Value::String(text) | Value::Symbol(text) => Ok(Some(text.clone())),
            _ => Err(wrong(format_args!("{name} is no text"))),
        }
    }

    /// Ids are text, UUIDs, numbers or bytes; the broker has text.
    fn id(&self, index: usize, name: &str) -> Result<Option<Box<str>>, AmqpError> {
        match self.get(index) {
            Value::Uuid(id) => Ok(Some(id.to_string().into())),
            Value::Ulong(number) => Ok(Some(number.to_string().into())),
            Value::Binary(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Ok(Some(hex.into()))
            }
            _ => self.text(index, name),
        }
    }
}

fn time_to_live(header: Option<&Value>) -> Result<Option<Duration>, AmqpError> {
    let Some(Value::List(fields)) = header else { return Ok(None) };
    match fields.get(2) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Uint(millis)) => Ok(Some(Duration::from_millis((*millis).into()))),
        Some(_) => Err(wrong("ttl is no number of milliseconds")),
    }
}

/// Reads the annotations that the broker knows, and keeps the sender's own.
fn read_annotations(
    annotations: Option<&Value>,
    broker: &mut BrokerProperties,
) -> Result<Vec<(Bytes, Bytes)>, AmqpError> {
    let Some(Value::Map(entries)) = annotations else { return Ok(Vec::new()) };
    let mut others = Vec::new();
    for (key, value) in entries {
        let name = key.as_text().unwrap_or_default();
        let text = || match value {
            Value::Null => Ok(None),
            Value::String(text) | Value::Symbol(text) => Ok(Some(text.clone())),
            _ => Err(wrong(format_args!("{name} is no text"))),
        };
        match name {
            "x-opt-partition-key" => broker.partition_key = text()?,
            "x-opt-via-partition-key" => broker.via_partition_key = text()?,
            "x-opt-scheduled-enqueue-time" => match value {
                Value::Null => {}
                Value::Timestamp(millis) => {
                    let millis = u64::try_from(*millis).unwrap_or(0);
                    broker.scheduled_enqueue_time = Some(Timestamp::from_unix_millis(millis));
                }
                _ => return Err(wrong("x-opt-scheduled-enqueue-time is no timestamp")),
            },
            // A message that was received is sent on with what the broker wrote into it.
            name if name.starts_with(OWN_ANNOTATIONS) => {}
            _ => {
                let encoded = |value| {
                    let mut out = Vec::new();
                    codec::encode(value, &mut out);
                    Bytes::from(out)
                };
                others.push((encoded(key), encoded(value)));
            }
        }
    }
    Ok(others)
}

fn application_properties(sections: &Sections) -> Result<Properties, AmqpError> {
    let Some((Value::Map(entries), _)) = &sections.application_properties else {
        return Ok(Properties::default());
    };
    let mut properties: Vec<(Box<str>, _)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let Value::String(name) = key else {
            return Err(wrong("the name of an application property is no string"));
        };
        let value = from_value(value).ok_or_else(|| {
            wrong(format_args!("the application property '{name}' is a list, a map or an array"))
        })?;
        if properties.iter().any(|(other, _)| other == name) {
            return Err(wrong(format_args!("the application property '{name}' is given twice")));
        }
        properties.push((name.clone(), value));
    }
    Ok(properties.into())
}
