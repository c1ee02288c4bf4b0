//! The sections of an encoded message. What this server does not change stays encoded.

use bytes::Bytes;

use crate::amqp::codec::{DecodeError, Reader, Value};

/// An encoded message, taken apart.
#[derive(Debug, Default)]
pub struct Sections {
    /// `header`, a list.
    pub header: Option<Value>,
    /// `message-annotations`, a map.
    pub annotations: Option<Value>,
    /// `properties`, a list, and how it was encoded.
    pub properties: Option<(Value, Bytes)>,
    /// `application-properties`, a map, and how it was encoded.
    pub application_properties: Option<(Value, Bytes)>,
    /// The sections of the body as they were encoded.
    pub body: Bytes,
    /// The payloads of the `data` sections.
    pub data: Vec<Bytes>,
    /// The body is a value or a sequence.
    pub is_structured: bool,
    /// `footer` as it was encoded.
    pub footer: Bytes,
}

impl Sections {
    /// Takes a message apart.
    ///
    /// # Errors
    /// It is none: a section is unknown, out of order, or not what it should be.
    pub fn parse(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut sections = Self::default();
        let mut reader = Reader::new(bytes.clone());
        let mut last = 0;
        let mut body: Option<(usize, usize)> = None;
        while reader.remaining() > 0 {
            let start = bytes.len() - reader.remaining();
            let code = code(&mut reader.clone())?;
            // Data and sequences may be repeated.
            if code < last || (code == last && !matches!(code, 0x75 | 0x76)) {
                return Err(DecodeError::Invalid("order of sections"));
            }
            if matches!(code, 0x75..=0x77) && matches!(last, 0x75..=0x77) && code != last {
                return Err(DecodeError::Invalid("body of several kinds"));
            }
            last = code;
            let mut inner = reader.clone();
            reader.skip()?;
            let end = bytes.len() - reader.remaining();
            let raw = bytes.slice(start..end);
            let mut content = || {
                inner.value().and_then(|value| match value {
                    Value::Described(parts) => Ok(parts.1),
                    _ => Err(DecodeError::Invalid("section")),
                })
            };
            match code {
                0x70 => sections.header = Some(list(content()?)?),
                0x71 => drop(map(content()?)?),
                0x72 => sections.annotations = Some(map(content()?)?),
                0x73 => sections.properties = Some((list(content()?)?, raw)),
                0x74 => sections.application_properties = Some((map(content()?)?, raw)),
                0x75 => match content()? {
                    Value::Binary(data) => sections.data.push(data),
                    _ => return Err(DecodeError::Invalid("data section")),
                },
                0x76 | 0x77 => sections.is_structured = true,
                _ => sections.footer = raw,
            }
            if matches!(code, 0x75..=0x77) {
                body = Some((body.map_or(start, |(start, _)| start), end));
            }
        }
        if let Some((start, end)) = body {
            sections.body = bytes.slice(start..end);
        }
        Ok(sections)
    }

    /// The value of an `amqp-value` body.
    ///
    /// # Errors
    /// It is none.
    pub fn value(&self) -> Result<Option<Value>, DecodeError> {
        if !self.is_structured {
            return Ok(None);
        }
        let value = Reader::new(self.body.clone()).value()?;
        Ok(match value.described() {
            Some((0x77, value)) => Some(value.clone()),
            _ => None,
        })
    }
}

/// The number of the section that a reader stands before.
fn code(reader: &mut Reader) -> Result<u64, DecodeError> {
    let invalid = DecodeError::Invalid("section");
    let rest = reader.rest();
    let Some(0) = rest.first() else { return Err(invalid) };
    let descriptor = Reader::new(rest.slice(1..)).value()?;
    let code = match &descriptor {
        Value::Ulong(code) => *code,
        Value::Symbol(name) => match &**name {
            "amqp:header:list" => 0x70,
            "amqp:delivery-annotations:map" => 0x71,
            "amqp:message-annotations:map" => 0x72,
            "amqp:properties:list" => 0x73,
            "amqp:application-properties:map" => 0x74,
            "amqp:data:binary" => 0x75,
            "amqp:amqp-sequence:list" => 0x76,
            "amqp:amqp-value:*" => 0x77,
            "amqp:footer:map" => 0x78,
            _ => return Err(invalid),
        },
        _ => return Err(invalid),
    };
    if (0x70..=0x78).contains(&code) { Ok(code) } else { Err(invalid) }
}

fn list(value: Value) -> Result<Value, DecodeError> {
    if matches!(value, Value::List(_)) { Ok(value) } else { Err(DecodeError::Invalid("section")) }
}

fn map(value: Value) -> Result<Value, DecodeError> {
    if matches!(value, Value::Map(_)) { Ok(value) } else { Err(DecodeError::Invalid("section")) }
}
