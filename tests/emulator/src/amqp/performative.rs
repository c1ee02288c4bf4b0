//! What frames say: read strictly, written as lists of fields.

use bytes::Bytes;

use super::codec::{Reader, Value};
use super::error::{AmqpError, condition};

/// What a client sends.
#[derive(Debug)]
#[allow(missing_docs)] // AMQP's names
pub enum Performative {
    SaslInit { mechanism: Box<str>, response: Bytes },
    Open { hostname: Option<Box<str>>, max_frame: u32, idle_millis: Option<u32> },
    Begin { next_outgoing_id: u32, incoming_window: u32 },
    Attach(Box<Attach>),
    Flow(Flow),
    Transfer(Transfer),
    Disposition(Disposition),
    Detach { handle: u32, closed: bool },
    End,
    Close,
}

/// A link as a client wants it.
#[derive(Debug)]
#[allow(missing_docs)] // AMQP's names
pub struct Attach {
    pub name: Box<str>,
    pub handle: u32,
    /// The client receives.
    pub is_receiver: bool,
    pub snd_settle_mode: u8,
    pub rcv_settle_mode: u8,
    pub source: Value,
    pub target: Value,
    pub initial_delivery_count: u32,
    pub properties: Value,
}

/// Credit and windows.
#[derive(Debug)]
#[allow(missing_docs)] // AMQP's names
pub struct Flow {
    pub next_incoming_id: Option<u32>,
    pub incoming_window: u32,
    pub handle: Option<u32>,
    pub delivery_count: Option<u32>,
    pub link_credit: Option<u32>,
    pub drain: bool,
    pub echo: bool,
}

/// A message or a part of one.
#[derive(Debug)]
#[allow(missing_docs)] // AMQP's names
pub struct Transfer {
    pub handle: u32,
    pub delivery_id: Option<u32>,
    pub tag: Option<Bytes>,
    pub format: Option<u32>,
    pub settled: bool,
    pub more: bool,
    pub state: Value,
    pub aborted: bool,
    pub payload: Bytes,
}

/// What a receiver makes of deliveries.
#[derive(Debug)]
#[allow(missing_docs)] // AMQP's names
pub struct Disposition {
    pub is_receiver: bool,
    pub first: u32,
    pub last: u32,
    pub settled: bool,
    pub state: Value,
}

/// The fields of a performative.
struct Fields<'a> {
    name: &'static str,
    values: &'a [Value],
}

impl<'a> Fields<'a> {
    fn get(&self, index: usize) -> &'a Value {
        self.values.get(index).unwrap_or(&Value::Null)
    }

    fn wrong(&self, index: usize) -> AmqpError {
        let Self { name, .. } = self;
        AmqpError::new(
            condition::DECODE_ERROR,
            format!("field {index} of {name} is missing or of the wrong type"),
        )
    }

    fn uint(&self, index: usize) -> Result<Option<u32>, AmqpError> {
        match self.get(index) {
            Value::Null => Ok(None),
            Value::Uint(number) => Ok(Some(*number)),
            _ => Err(self.wrong(index)),
        }
    }

    fn required_uint(&self, index: usize) -> Result<u32, AmqpError> {
        self.uint(index)?.ok_or_else(|| self.wrong(index))
    }

    fn boolean(&self, index: usize) -> Result<bool, AmqpError> {
        match self.get(index) {
            Value::Null => Ok(false),
            Value::Boolean(value) => Ok(*value),
            _ => Err(self.wrong(index)),
        }
    }

    fn required_boolean(&self, index: usize) -> Result<bool, AmqpError> {
        match self.get(index) {
            Value::Boolean(value) => Ok(*value),
            _ => Err(self.wrong(index)),
        }
    }

    fn ubyte(&self, index: usize, default: u8) -> Result<u8, AmqpError> {
        match self.get(index) {
            Value::Null => Ok(default),
            Value::Ubyte(number) => Ok(*number),
            _ => Err(self.wrong(index)),
        }
    }

    fn text(&self, index: usize) -> Result<Option<&'a str>, AmqpError> {
        match self.get(index) {
            Value::Null => Ok(None),
            value => value.as_text().map(Some).ok_or_else(|| self.wrong(index)),
        }
    }

    fn required_text(&self, index: usize) -> Result<Box<str>, AmqpError> {
        self.text(index)?.map(Into::into).ok_or_else(|| self.wrong(index))
    }

    fn binary(&self, index: usize) -> Result<Option<Bytes>, AmqpError> {
        match self.get(index) {
            Value::Null => Ok(None),
            Value::Binary(bytes) => Ok(Some(bytes.clone())),
            _ => Err(self.wrong(index)),
        }
    }
}

/// Reads the body of a frame.
///
/// # Errors
/// It is none, with what is wrong.
pub fn parse(body: Bytes) -> Result<Performative, AmqpError> {
    let invalid =
        |reason: &str| AmqpError::new(condition::DECODE_ERROR, format!("a performative: {reason}"));
    let mut reader = Reader::new(body);
    let value = reader.value().map_err(|error| invalid(&error.to_string()))?;
    let (code, Value::List(values)) =
        value.described().ok_or_else(|| invalid("it is not described"))?
    else {
        return Err(invalid("it is no list"));
    };
    let name = match code {
        0x10 => "open",
        0x11 => "begin",
        0x12 => "attach",
        0x13 => "flow",
        0x14 => "transfer",
        0x15 => "disposition",
        0x16 => "detach",
        0x17 => "end",
        0x18 => "close",
        0x41 => "sasl-init",
        _ => return Err(invalid("it is not known")),
    };
    let fields = Fields { name, values };
    Ok(match name {
        "sasl-init" => Performative::SaslInit {
            mechanism: fields.required_text(0)?,
            response: fields.binary(1)?.unwrap_or_default(),
        },
        "open" => Performative::Open {
            hostname: fields.text(1)?.map(Into::into),
            max_frame: fields.uint(2)?.unwrap_or(u32::MAX),
            idle_millis: fields.uint(4)?,
        },
        "begin" => Performative::Begin {
            next_outgoing_id: fields.required_uint(1)?,
            incoming_window: fields.required_uint(2)?,
        },
        "attach" => Performative::Attach(Box::new(attach(&fields)?)),
        "flow" => Performative::Flow(Flow {
            next_incoming_id: fields.uint(0)?,
            incoming_window: fields.required_uint(1)?,
            handle: fields.uint(4)?,
            delivery_count: fields.uint(5)?,
            link_credit: fields.uint(6)?,
            drain: fields.boolean(8)?,
            echo: fields.boolean(9)?,
        }),
        "transfer" => Performative::Transfer(Transfer {
            handle: fields.required_uint(0)?,
            delivery_id: fields.uint(1)?,
            tag: fields.binary(2)?,
            format: fields.uint(3)?,
            settled: fields.boolean(4)?,
            more: fields.boolean(5)?,
            state: fields.get(7).clone(),
            aborted: fields.boolean(9)?,
            payload: reader.rest(),
        }),
        "disposition" => {
            let first = fields.required_uint(1)?;
            Performative::Disposition(Disposition {
                is_receiver: fields.required_boolean(0)?,
                first,
                last: fields.uint(2)?.unwrap_or(first),
                settled: fields.boolean(3)?,
                state: fields.get(4).clone(),
            })
        }
        "detach" => {
            Performative::Detach { handle: fields.required_uint(0)?, closed: fields.boolean(1)? }
        }
        "end" => Performative::End,
        _ => Performative::Close,
    })
}

fn attach(fields: &Fields<'_>) -> Result<Attach, AmqpError> {
    Ok(Attach {
        name: fields.required_text(0)?,
        handle: fields.required_uint(1)?,
        is_receiver: fields.required_boolean(2)?,
        snd_settle_mode: fields.ubyte(3, 2)?,
        rcv_settle_mode: fields.ubyte(4, 0)?,
        source: fields.get(5).clone(),
        target: fields.get(6).clone(),
        // .NET leaves it out where it sends; it is required there.
        initial_delivery_count: fields.uint(9)?.unwrap_or(0),
        properties: fields.get(13).clone(),
    })
}

/// The address in a source or target; `None` if it is null or has none.
#[must_use]
pub fn address(terminus: &Value) -> Option<&str> {
    let (0x28 | 0x29, Value::List(fields)) = terminus.described()? else { return None };
    fields.first()?.as_text()
}
