//! A value of any type of AMQP.

use bytes::Bytes;
use uuid::Uuid;

/// A value.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // AMQP's names
pub enum Value {
    Null,
    Boolean(bool),
    Ubyte(u8),
    Ushort(u16),
    Uint(u32),
    Ulong(u64),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    /// A decimal of 4, 8 or 16 bytes, as it was encoded.
    Decimal(Box<[u8]>),
    Char(char),
    /// Milliseconds since the Unix epoch.
    Timestamp(i64),
    Uuid(Uuid),
    Binary(Bytes),
    String(Box<str>),
    Symbol(Box<str>),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// Values of one type.
    Array(Vec<Value>),
    /// A descriptor and what it describes.
    Described(Box<(Value, Value)>),
}

impl Value {
    /// A string.
    pub fn string(text: impl Into<Box<str>>) -> Self {
        Self::String(text.into())
    }

    /// A symbol.
    pub fn symbol(text: impl Into<Box<str>>) -> Self {
        Self::Symbol(text.into())
    }

    /// A described list, without the nulls at its end.
    #[must_use]
    pub fn described_list(code: u64, mut fields: Vec<Self>) -> Self {
        while fields.last() == Some(&Self::Null) {
            fields.pop();
        }
        Self::Described(Box::new((Self::Ulong(code), Self::List(fields))))
    }

    /// A map with symbols as keys.
    pub fn symbol_map<'a>(entries: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Map(entries.into_iter().map(|(name, value)| (Self::symbol(name), value)).collect())
    }

    /// A map with strings as keys.
    pub fn string_map<'a>(entries: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Map(entries.into_iter().map(|(name, value)| (Self::string(name), value)).collect())
    }

    /// A string or a symbol.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number of any type.
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        Some(match self {
            Self::Ubyte(number) => (*number).into(),
            Self::Ushort(number) => (*number).into(),
            Self::Uint(number) => (*number).into(),
            Self::Ulong(number) => (*number).into(),
            Self::Byte(number) => (*number).into(),
            Self::Short(number) => (*number).into(),
            Self::Int(number) => (*number).into(),
            Self::Long(number) => (*number).into(),
            _ => return None,
        })
    }

    /// The elements of a list or an array.
    #[must_use]
    pub fn as_elements(&self) -> Option<&[Self]> {
        match self {
            Self::List(elements) | Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The entry of a map under a string or symbol.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
    }

    /// The described value if there is a description, else the value itself.
    #[must_use]
    pub fn undescribed(&self) -> &Self {
        match self {
            Self::Described(parts) => parts.1.undescribed(),
            plain => plain,
        }
    }

    /// The numeric descriptor with what it describes.
    #[must_use]
    pub fn described(&self) -> Option<(u64, &Self)> {
        match self {
            Self::Described(parts) => match &**parts {
                (Self::Ulong(code), inner) => Some((*code, inner)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
