//! Reads values.

use std::fmt;

use bytes::{Buf, Bytes};
use uuid::Uuid;

use super::Value;

/// How deep values may stand within values.
pub const MAX_DEPTH: usize = 32;

/// How many values one may hold in all: elements of an array may take no bytes.
const MAX_VALUES: usize = 100_000;

/// Why bytes are no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end within it.
    Truncated,
    /// There is no such constructor.
    UnknownCode(u8),
    /// Text that is no UTF-8, a symbol that is no ASCII, a boolean or character out of range, a map
    /// with a key without value, a compound whose size is not that of its elements.
    Invalid(&'static str),
    /// It is deeper, or holds more values, than is taken.
    TooLarge,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end within a value"),
            Self::UnknownCode(code) => write!(f, "there is no type with the code 0x{code:02x}"),
            Self::Invalid(what) => write!(f, "invalid {what}"),
            Self::TooLarge => f.write_str("too many values, or too deep"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads one value from the start of `bytes` and says how many bytes it took.
///
/// # Errors
/// It is none.
pub fn decode(bytes: &[u8]) -> Result<(Value, usize), DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
    let value = reader.value()?;
    Ok((value, bytes.len() - reader.remaining()))
}

/// Reads values one after the other.
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: Bytes,
    left: usize,
}

impl Reader {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes, left: MAX_VALUES }
    }

    /// How many bytes follow.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes that follow.
    #[must_use]
    pub fn rest(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Reads a value.
    ///
    /// # Errors
    /// There is none.
    pub fn value(&mut self) -> Result<Value, DecodeError> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let code = self.byte()?;
        self.body(code, depth)
    }

    /// Passes over a value without building it.
    ///
    /// # Errors
    /// There is none.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        let mut code = self.byte()?;
        let mut described = 0;
        while code == 0 {
            described += 1;
            if described > MAX_DEPTH {
                return Err(DecodeError::TooLarge);
            }
            self.skip_plain()?;
            code = self.byte()?;
        }
        self.skip_body(code)
    }

    /// A descriptor is a plain value here.
    fn skip_plain(&mut self) -> Result<(), DecodeError> {
        match self.byte()? {
            0 => Err(DecodeError::Invalid("descriptor")),
            code => self.skip_body(code),
        }
    }

    fn skip_body(&mut self, code: u8) -> Result<(), DecodeError> {
        let length = match code >> 4 {
            0x4 => 0,
            0x5 => 1,
            0x6 => 2,
            0x7 => 4,
            0x8 => 8,
            0x9 => 16,
            0xa | 0xc | 0xe => usize::from(self.byte()?),
            0xb | 0xd | 0xf => self.length()?,
            _ => return Err(DecodeError::UnknownCode(code)),
        };
        self.take(length).map(drop)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        self.fixed().map(u8::from_be_bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = *self.bytes.first_chunk().ok_or(DecodeError::Truncated)?;
        self.bytes.advance(N);
        Ok(bytes)
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        let length = u32::from_be_bytes(self.fixed()?);
        usize::try_from(length).map_err(|_| DecodeError::TooLarge)
    }

    fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        if length > self.bytes.len() {
            return Err(DecodeError::Truncated);
        }
        Ok(self.bytes.split_to(length))
    }

    fn body(&mut self, code: u8, depth: usize) -> Result<Value, DecodeError> {
        self.left = self.left.checked_sub(1).ok_or(DecodeError::TooLarge)?;
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooLarge);
        }
        Ok(match code {
            0x00 => {
                let descriptor = self.value_at(depth + 1)?;
                let described = self.value_at(depth + 1)?;
                Value::Described(Box::new((descriptor, described)))
            }
            0x40 => Value::Null,
            0x41 => Value::Boolean(true),
            0x42 => Value::Boolean(false),
            0x56 => match self.byte()? {
                0 => Value::Boolean(false),
                1 => Value::Boolean(true),
                _ => return Err(DecodeError::Invalid("boolean")),
            },
            0x50 => Value::Ubyte(self.byte()?),
            0x60 => Value::Ushort(u16::from_be_bytes(self.fixed()?)),
            0x70 => Value::Uint(u32::from_be_bytes(self.fixed()?)),
            0x52 => Value::Uint(self.byte()?.into()),
            0x43 => Value::Uint(0),
            0x80 => Value::Ulong(u64::from_be_bytes(self.fixed()?)),
            0x53 => Value::Ulong(self.byte()?.into()),
            0x44 => Value::Ulong(0),
            0x51 => Value::Byte(i8::from_be_bytes(self.fixed()?)),
            0x61 => Value::Short(i16::from_be_bytes(self.fixed()?)),
            0x71 => Value::Int(i32::from_be_bytes(self.fixed()?)),
            0x54 => Value::Int(i8::from_be_bytes(self.fixed()?).into()),
            0x81 => Value::Long(i64::from_be_bytes(self.fixed()?)),
            0x55 => Value::Long(i8::from_be_bytes(self.fixed()?).into()),
            0x72 => Value::Float(f32::from_be_bytes(self.fixed()?)),
            0x82 => Value::Double(f64::from_be_bytes(self.fixed()?)),
            0x74 => Value::Decimal(Box::new(self.fixed::<4>()?)),
            0x84 => Value::Decimal(Box::new(self.fixed::<8>()?)),
            0x94 => Value::Decimal(Box::new(self.fixed::<16>()?)),
            0x73 => {
                let character = char::from_u32(u32::from_be_bytes(self.fixed()?));
                Value::Char(character.ok_or(DecodeError::Invalid("character"))?)
            }
            0x83 => Value::Timestamp(i64::from_be_bytes(self.fixed()?)),
            0x98 => Value::Uuid(Uuid::from_bytes(self.fixed()?)),
            0xa0 | 0xb0 => Value::Binary(self.sized(code)?),
            0xa1 | 0xb1 => Value::String(text(&self.sized(code)?, "string")?),
            0xa3 | 0xb3 => {
                let symbol = text(&self.sized(code)?, "symbol")?;
                if !symbol.is_ascii() {
                    return Err(DecodeError::Invalid("symbol"));
                }
                Value::Symbol(symbol)
            }
            0x45 => Value::List(Vec::new()),
            0xc0 | 0xd0 => Value::List(self.elements(code, depth)?),
            0xc1 | 0xd1 => Value::Map(pairs(self.elements(code, depth)?)?),
            0xe0 | 0xf0 => Value::Array(self.array(code, depth)?),
            _ => return Err(DecodeError::UnknownCode(code)),
        })
    }

    /// The bytes of a variable or compound value: its size stands before it.
    fn sized(&mut self, code: u8) -> Result<Bytes, DecodeError> {
        let length = if is_wide(code) { self.length()? } else { self.byte()?.into() };
        self.take(length)
    }

    fn count(&mut self, code: u8) -> Result<usize, DecodeError> {
        if is_wide(code) { self.length() } else { self.byte().map(Into::into) }
    }

    /// A reader over the inside of a compound value, and how many elements are said to be there.
    fn inside(&mut self, code: u8) -> Result<(Self, usize), DecodeError> {
        let mut inside = Self { bytes: self.sized(code)?, left: self.left };
        let count = inside.count(code)?;
        Ok((inside, count))
    }

    fn elements(&mut self, code: u8, depth: usize) -> Result<Vec<Value>, DecodeError> {
        let (mut inside, count) = self.inside(code)?;
        // Each takes a byte at least.
        if count > inside.remaining() {
            return Err(DecodeError::Truncated);
        }
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(inside.value_at(depth + 1)?);
        }
        self.finish(&inside, elements)
    }

    fn array(&mut self, code: u8, depth: usize) -> Result<Vec<Value>, DecodeError> {
        let (mut inside, count) = self.inside(code)?;
        if count > inside.left {
            return Err(DecodeError::TooLarge);
        }
        let mut code = inside.byte()?;
        let mut descriptors = Vec::new();
        while code == 0 {
            if descriptors.len() + depth > MAX_DEPTH {
                return Err(DecodeError::TooLarge);
            }
            descriptors.push(inside.value_at(depth + 1)?);
            code = inside.byte()?;
        }
        let mut elements = Vec::new();
        for _ in 0..count {
            let mut element = inside.body(code, depth + 1)?;
            for descriptor in descriptors.iter().rev() {
                element = Value::Described(Box::new((descriptor.clone(), element)));
            }
            elements.push(element);
        }
        self.finish(&inside, elements)
    }

    fn finish(&mut self, inside: &Self, elements: Vec<Value>) -> Result<Vec<Value>, DecodeError> {
        self.left = inside.left;
        if inside.remaining() > 0 {
            return Err(DecodeError::Invalid("size of a list, map or array"));
        }
        Ok(elements)
    }
}

/// Whether sizes and counts take four bytes, by the constructor.
const fn is_wide(code: u8) -> bool {
    code & 0x10 != 0
}

fn text(bytes: &[u8], what: &'static str) -> Result<Box<str>, DecodeError> {
    std::str::from_utf8(bytes).map(Into::into).map_err(|_| DecodeError::Invalid(what))
}

fn pairs(elements: Vec<Value>) -> Result<Vec<(Value, Value)>, DecodeError> {
    let mut pairs = Vec::with_capacity(elements.len() / 2);
    let mut elements = elements.into_iter();
    while let Some(key) = elements.next() {
        let value = elements.next().ok_or(DecodeError::Invalid("map"))?;
        pairs.push((key, value));
    }
    Ok(pairs)
}
