//! Writes values, each in its shortest form.

use super::Value;

/// Appends a value.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0x40),
        Value::Boolean(true) => out.push(0x41),
        Value::Boolean(false) => out.push(0x42),
        Value::Uint(0) => out.push(0x43),
        Value::Ulong(0) => out.push(0x44),
        Value::Uint(number) if *number < 256 => out.extend([0x52, low(u64::from(*number))]),
        Value::Ulong(number) if *number < 256 => out.extend([0x53, low(*number)]),
        Value::Int(number) => match i8::try_from(*number) {
            Ok(small) => out.extend([0x54, small.to_be_bytes()[0]]),
            Err(_) => wide(value, out),
        },
        Value::Long(number) => match i8::try_from(*number) {
            Ok(small) => out.extend([0x55, small.to_be_bytes()[0]]),
            Err(_) => wide(value, out),
        },
        Value::Binary(bytes) => variable([0xa0, 0xb0], bytes, out),
        Value::String(text) => variable([0xa1, 0xb1], text.as_bytes(), out),
        Value::Symbol(text) => variable([0xa3, 0xb3], text.as_bytes(), out),
        Value::List(elements) if elements.is_empty() => out.push(0x45),
        Value::List(elements) => compound([0xc0, 0xd0], elements.len(), &inside(elements), out),
        Value::Map(entries) => {
            compound([0xc1, 0xd1], 2 * entries.len(), &inside_map(entries), out);
        }
        Value::Array(elements) => {
            let mut inside = Vec::new();
            match elements.first() {
                Some(first) => start_array(first, &mut inside),
                None => inside.push(0x40),
            }
            for element in elements {
                body(element, &mut inside);
            }
            compound([0xe0, 0xf0], elements.len(), &inside, out);
        }
        Value::Described(parts) => {
            out.push(0);
            encode(&parts.0, out);
            encode(&parts.1, out);
        }
        other => wide(other, out),
    }
}

const fn low(number: u64) -> u8 {
    number.to_be_bytes()[7]
}

fn wide(value: &Value, out: &mut Vec<u8>) {
    out.push(code(value));
    body(value, out);
}

/// The constructor whose body does not depend on the value: that of the elements of an array.
const fn code(value: &Value) -> u8 {
    match value {
        Value::Null => 0x40,
        Value::Boolean(_) => 0x56,
        Value::Ubyte(_) => 0x50,
        Value::Ushort(_) => 0x60,
        Value::Uint(_) => 0x70,
        Value::Ulong(_) => 0x80,
        Value::Byte(_) => 0x51,
        Value::Short(_) => 0x61,
        Value::Int(_) => 0x71,
        Value::Long(_) => 0x81,
        Value::Float(_) => 0x72,
        Value::Double(_) => 0x82,
        Value::Decimal(bytes) if bytes.len() == 4 => 0x74,
        Value::Decimal(bytes) if bytes.len() == 8 => 0x84,
        Value::Decimal(_) => 0x94,
        Value::Char(_) => 0x73,
        Value::Timestamp(_) => 0x83,
        Value::Uuid(_) => 0x98,
        Value::Binary(_) => 0xb0,
        Value::String(_) => 0xb1,
        Value::Symbol(_) => 0xb3,
        Value::List(_) => 0xd0,
        Value::Map(_) => 0xd1,
        Value::Array(_) => 0xf0,
        Value::Described(_) => 0x00,
    }
}

fn start_array(first: &Value, out: &mut Vec<u8>) {
    out.push(code(first));
    if let Value::Described(parts) = first {
        encode(&parts.0, out);
        start_array(&parts.1, out);
    }
}

/// What follows the constructor of [`code`].
fn body(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Boolean(value) => out.push(u8::from(*value)),
        Value::Ubyte(number) => out.push(*number),
        Value::Ushort(number) => out.extend(number.to_be_bytes()),
        Value::Uint(number) => out.extend(number.to_be_bytes()),
        Value::Ulong(number) => out.extend(number.to_be_bytes()),
        Value::Byte(number) => out.extend(number.to_be_bytes()),
        Value::Short(number) => out.extend(number.to_be_bytes()),
        Value::Int(number) => out.extend(number.to_be_bytes()),
        Value::Long(number) | Value::Timestamp(number) => out.extend(number.to_be_bytes()),
        Value::Float(number) => out.extend(number.to_be_bytes()),
        Value::Double(number) => out.extend(number.to_be_bytes()),
        Value::Decimal(bytes) => out.extend_from_slice(bytes),
        Value::Char(character) => out.extend(u32::from(*character).to_be_bytes()),
        Value::Uuid(id) => out.extend(id.as_bytes()),
        Value::Binary(bytes) => sized(bytes, out),
        Value::String(text) | Value::Symbol(text) => sized(text.as_bytes(), out),
        Value::List(elements) => counted(elements.len(), &inside(elements), out),
        Value::Map(entries) => counted(2 * entries.len(), &inside_map(entries), out),
        Value::Array(elements) => {
            let mut inside = Vec::new();
            match elements.first() {
                Some(first) => start_array(first, &mut inside),
                None => inside.push(0x40),
            }
            for element in elements {
                body(element, &mut inside);
            }
            counted(elements.len(), &inside, out);
        }
        Value::Described(parts) => body(&parts.1, out),
    }
}

fn inside(elements: &[Value]) -> Vec<u8> {
    let mut inside = Vec::new();
    for element in elements {
        encode(element, &mut inside);
    }
    inside
}

fn inside_map(entries: &[(Value, Value)]) -> Vec<u8> {
    let mut inside = Vec::new();
    for (key, value) in entries {
        encode(key, &mut inside);
        encode(value, &mut inside);
    }
    inside
}

fn length(bytes: usize) -> [u8; 4] {
    // Nothing here comes near 4 GB: messages are limited.
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

fn sized(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(length(bytes.len()));
    out.extend_from_slice(bytes);
}

fn counted(count: usize, inside: &[u8], out: &mut Vec<u8>) {
    out.extend(length(inside.len() + 4));
    out.extend(length(count));
    out.extend_from_slice(inside);
}

fn variable([narrow, wide]: [u8; 2], bytes: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(bytes.len()) {
        Ok(length) => {
            out.extend([narrow, length]);
            out.extend_from_slice(bytes);
        }
        Err(_) => {
            out.push(wide);
            sized(bytes, out);
        }
    }
}

fn compound([narrow, wide]: [u8; 2], count: usize, inside: &[u8], out: &mut Vec<u8>) {
    match (u8::try_from(inside.len() + 1), u8::try_from(count)) {
        (Ok(length), Ok(count)) => {
            out.extend([narrow, length, count]);
            out.extend_from_slice(inside);
        }
        _ => {
            out.push(wide);
            counted(count, inside, out);
        }
    }
}
