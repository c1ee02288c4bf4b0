//! Values of properties that HTTP cannot send and AMQP can.

use bytes::Bytes;
use uuid::Uuid;

use super::PropertyValue;

/// A value with its exact AMQP type: a receiver that casts to `int` fails on a `long`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // AMQP's names
pub enum Scalar {
    Null,
    Ubyte(u8),
    Ushort(u16),
    Uint(u32),
    Ulong(u64),
    Byte(i8),
    Short(i16),
    Int(i32),
    Float(f32),
    Char(char),
    /// Milliseconds since the Unix epoch.
    Timestamp(i64),
    Uuid(Uuid),
    Binary(Bytes),
    Symbol(Box<str>),
    /// A decimal of 4, 8 or 16 bytes, as it was encoded.
    Decimal(Box<[u8]>),
}

impl Scalar {
    /// AMQP's name of its type.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Ubyte(_) => "ubyte",
            Self::Ushort(_) => "ushort",
            Self::Uint(_) => "uint",
            Self::Ulong(_) => "ulong",
            Self::Byte(_) => "byte",
            Self::Short(_) => "short",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Char(_) => "char",
            Self::Timestamp(_) => "timestamp",
            Self::Uuid(_) => "uuid",
            Self::Binary(_) => "binary",
            Self::Symbol(_) => "symbol",
            Self::Decimal(_) => "decimal",
        }
    }

    /// As a whole number, a number with a fraction, or text, if it is one of these.
    #[must_use]
    pub fn plain(&self) -> Option<PropertyValue> {
        Some(match self {
            Self::Ubyte(number) => PropertyValue::Integer((*number).into()),
            Self::Ushort(number) => PropertyValue::Integer((*number).into()),
            Self::Uint(number) => PropertyValue::Integer((*number).into()),
            Self::Ulong(number) => PropertyValue::Integer(i64::try_from(*number).ok()?),
            Self::Byte(number) => PropertyValue::Integer((*number).into()),
            Self::Short(number) => PropertyValue::Integer((*number).into()),
            Self::Int(number) => PropertyValue::Integer((*number).into()),
            Self::Float(number) => PropertyValue::Float((*number).into()),
            Self::Char(character) => PropertyValue::Text(character.to_string().into()),
            Self::Symbol(text) => PropertyValue::Text(text.clone()),
            Self::Null
            | Self::Timestamp(_)
            | Self::Uuid(_)
            | Self::Binary(_)
            | Self::Decimal(_) => {
                return None;
            }
        })
    }

    /// Bytes that it counts for against the limits.
    #[must_use]
    pub const fn size(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Ubyte(_) | Self::Byte(_) => 1,
            Self::Ushort(_) | Self::Short(_) => 2,
            Self::Uint(_) | Self::Int(_) | Self::Float(_) | Self::Char(_) => 4,
            Self::Ulong(_) | Self::Timestamp(_) => 8,
            Self::Uuid(_) => 16,
            Self::Binary(bytes) => bytes.len(),
            Self::Symbol(text) => text.len(),
            Self::Decimal(bytes) => bytes.len(),
        }
    }
}
