//! Values in and out of the interpreter, within bounds: what an expression costs must not be the
//! client's to choose.

use std::collections::HashMap;
use std::sync::Arc;

use cel::Value as Cel;
use cel::objects::{Key, Map as CelMap};
use serde_json::{Map, Number, Value};

use super::{EvalError, MOST_BYTES};

/// Most values that an expression with a loop may see.
const LOOPED_VALUES: usize = 1000;
/// Most that these values times their texts may come to: a loop can join each with all.
const LOOPED_BYTES: usize = 16 * 1024 * 1024;
/// What a value without text counts for.
const VALUE_BYTES: usize = 8;

/// What a loop over some variables may cost.
#[derive(Debug, Default)]
pub(super) struct Cost {
    values: usize,
    bytes: usize,
}

impl Cost {
    pub(super) fn check(mut self, variables: &Map<String, Value>) -> Result<(), EvalError> {
        variables.values().try_for_each(|value| self.add(value))?;
        let product = self.values.saturating_mul(self.bytes);
        if product > LOOPED_BYTES { Err(EvalError::TooCostly) } else { Ok(()) }
    }

    fn add(&mut self, value: &Value) -> Result<(), EvalError> {
        self.values += 1;
        if self.values > LOOPED_VALUES {
            return Err(EvalError::TooCostly);
        }
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.add(item)),
            Value::Object(members) => members.iter().try_for_each(|(key, member)| {
                self.bytes += key.len();
                self.add(member)
            }),
            Value::String(text) => {
                self.bytes += text.len();
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }
}

pub(super) fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => number_to_cel(number),
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                (Key::String(Arc::new(key.clone())), to_cel(value))
            };
            let map: HashMap<_, _> = members.iter().map(member).collect();
            Cel::Map(CelMap { map: Arc::new(map) })
        }
    }
}

fn number_to_cel(number: &Number) -> Cel {
    if let Some(value) = number.as_i64() {
        Cel::Int(value)
    } else if let Some(value) = number.as_u64() {
        Cel::UInt(value)
    } else {
        // Beyond 64 bits a number is what a double makes of it.
        Cel::Float(number.as_f64().unwrap_or(f64::INFINITY))
    }
}

/// The value as JSON.
pub(super) fn from_cel(value: &Cel) -> Result<Value, EvalError> {
    let mut left = MOST_BYTES;
    json(value, &mut left)
}

fn json(value: &Cel, left: &mut usize) -> Result<Value, EvalError> {
    let mut take = |bytes: usize| {
        *left = left.checked_sub(bytes + VALUE_BYTES).ok_or(EvalError::TooLarge)?;
        Ok(())
    };
    Ok(match value {
        Cel::String(text) => {
            take(text.len())?;
            Value::String(text.as_ref().clone())
        }
        Cel::List(items) => {
            take(0)?;
            Value::Array(items.iter().map(|item| json(item, left)).collect::<Result<_, _>>()?)
        }
        Cel::Map(map) => {
            take(map.map.keys().map(|key| key_text(key).len()).sum())?;
            let member = |(key, value)| Ok((key_text(key), json(value, left)?));
            let mut members = map.map.iter().map(member).collect::<Result<Vec<_>, _>>()?;
            // The map has no order of its own; the same request should make the same message.
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(members.into_iter().collect())
        }
        scalar => {
            take(0)?;
            match scalar {
                Cel::Null => Value::Null,
                Cel::Bool(value) => Value::Bool(*value),
                Cel::Int(value) => Value::Number((*value).into()),
                Cel::UInt(value) => Value::Number((*value).into()),
                Cel::Float(value) => {
                    Number::from_f64(*value).map(Value::Number).ok_or(EvalError::Failed)?
                }
                // JSON has nothing like it.
                _ => return Err(EvalError::Failed),
            }
        }
    })
}

fn key_text(key: &Key) -> String {
    match key {
        Key::Bool(key) => key.to_string(),
        Key::Int(key) => key.to_string(),
        Key::String(key) => key.as_ref().clone(),
        Key::Uint(key) => key.to_string(),
    }
}
