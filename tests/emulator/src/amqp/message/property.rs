//! Application properties: AMQP's types and the broker's.

use crate::amqp::codec::Value;
use crate::broker::{PropertyValue, Scalar};

/// A property as the broker has it; `None` for a list, a map or an array, which none can be.
#[must_use]
pub fn from_value(value: &Value) -> Option<PropertyValue> {
    Some(match value.undescribed() {
        Value::String(text) => PropertyValue::Text(text.clone()),
        Value::Long(number) => PropertyValue::Integer(*number),
        Value::Double(number) => PropertyValue::Float(*number),
        Value::Boolean(value) => PropertyValue::Boolean(*value),
        Value::Null => PropertyValue::Other(Scalar::Null),
        Value::Ubyte(number) => PropertyValue::Other(Scalar::Ubyte(*number)),
        Value::Ushort(number) => PropertyValue::Other(Scalar::Ushort(*number)),
        Value::Uint(number) => PropertyValue::Other(Scalar::Uint(*number)),
        Value::Ulong(number) => PropertyValue::Other(Scalar::Ulong(*number)),
        Value::Byte(number) => PropertyValue::Other(Scalar::Byte(*number)),
        Value::Short(number) => PropertyValue::Other(Scalar::Short(*number)),
        Value::Int(number) => PropertyValue::Other(Scalar::Int(*number)),
        Value::Float(number) => PropertyValue::Other(Scalar::Float(*number)),
        Value::Decimal(bytes) => PropertyValue::Other(Scalar::Decimal(bytes.clone())),
        Value::Char(character) => PropertyValue::Other(Scalar::Char(*character)),
        Value::Timestamp(millis) => PropertyValue::Other(Scalar::Timestamp(*millis)),
        Value::Uuid(id) => PropertyValue::Other(Scalar::Uuid(*id)),
        Value::Binary(bytes) => PropertyValue::Other(Scalar::Binary(bytes.clone())),
        Value::Symbol(text) => PropertyValue::Other(Scalar::Symbol(text.clone())),
        Value::List(_) | Value::Map(_) | Value::Array(_) | Value::Described(_) => return None,
    })
}

/// A property as AMQP has it.
#[must_use]
pub fn to_value(property: &PropertyValue) -> Value {
    match property {
        PropertyValue::Text(text) => Value::String(text.clone()),
        PropertyValue::Integer(number) => Value::Long(*number),
        PropertyValue::Float(number) => Value::Double(*number),
        PropertyValue::Boolean(value) => Value::Boolean(*value),
        PropertyValue::Other(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Ubyte(number) => Value::Ubyte(*number),
            Scalar::Ushort(number) => Value::Ushort(*number),
            Scalar::Uint(number) => Value::Uint(*number),
            Scalar::Ulong(number) => Value::Ulong(*number),
            Scalar::Byte(number) => Value::Byte(*number),
            Scalar::Short(number) => Value::Short(*number),
            Scalar::Int(number) => Value::Int(*number),
            Scalar::Float(number) => Value::Float(*number),
            Scalar::Char(character) => Value::Char(*character),
            Scalar::Timestamp(millis) => Value::Timestamp(*millis),
            Scalar::Uuid(id) => Value::Uuid(*id),
            Scalar::Binary(bytes) => Value::Binary(bytes.clone()),
            Scalar::Symbol(text) => Value::Symbol(text.clone()),
            Scalar::Decimal(bytes) => Value::Decimal(bytes.clone()),
        },
    }
}
