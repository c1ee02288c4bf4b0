//! What an expression says of a message. `None` is unknown.

use uuid::Uuid;

use super::expression::{Comparison, Expression, Predicate};
use super::property::{kind, user};
use super::{like, operator};
use crate::broker::{Message, PropertyValue};

impl Predicate {
    /// # Errors
    /// An operator has operands of the wrong types, or no result.
    pub(super) fn evaluate(
        &self,
        message: &Message,
        new_id: &dyn Fn() -> Uuid,
    ) -> Result<Option<bool>, String> {
        Ok(match self {
            Self::Not(inner) => inner.evaluate(message, new_id)?.map(|value| !value),
            Self::And(left, right) => match left.evaluate(message, new_id)? {
                Some(false) => Some(false),
                left => match (left, right.evaluate(message, new_id)?) {
                    (_, Some(false)) => Some(false),
                    (Some(true), right) => right,
                    _ => None,
                },
            },
            Self::Or(left, right) => match left.evaluate(message, new_id)? {
                Some(true) => Some(true),
                left => match (left, right.evaluate(message, new_id)?) {
                    (_, Some(true)) => Some(true),
                    (Some(false), right) => right,
                    _ => None,
                },
            },
            Self::Compare { left, comparison, right } => {
                let left = left.evaluate(message, new_id)?;
                let right = right.evaluate(message, new_id)?;
                let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
                Some(operator::compare(&left, *comparison, &right)?)
            }
            Self::Exists(property) => Some(property.is_in(message)),
            Self::IsNull(property) => Some(property.get(message).is_none()),
            Self::In { left, list } => is_in(left, list, message, new_id)?,
            Self::Like { left, pattern, escape } => {
                let (Some(left), Some(pattern)) =
                    (left.evaluate(message, new_id)?, pattern.evaluate(message, new_id)?)
                else {
                    return Ok(None);
                };
                let escape = match escape {
                    None => None,
                    Some(escape) => match escape.evaluate(message, new_id)? {
                        None => return Ok(None),
                        Some(escape) => Some(one_character(&escape)?),
                    },
                };
                let (PropertyValue::Text(text), PropertyValue::Text(pattern)) = (&left, &pattern)
                else {
                    let (left, pattern) = (kind(&left), kind(&pattern));
                    return Err(format!("LIKE cannot stand between {left} and {pattern}"));
                };
                Some(like::matches(text, pattern, escape)?)
            }
        })
    }
}

/// As a chain of `=` joined by OR: unknown if none is equal and one is unknown.
fn is_in(
    left: &Expression,
    list: &[Expression],
    message: &Message,
    new_id: &dyn Fn() -> Uuid,
) -> Result<Option<bool>, String> {
    let Some(left) = left.evaluate(message, new_id)? else { return Ok(None) };
    let mut result = Some(false);
    for element in list {
        match element.evaluate(message, new_id)? {
            None => result = None,
            Some(element) if operator::compare(&left, Comparison::Equal, &element)? => {
                return Ok(Some(true));
            }
            Some(_) => {}
        }
    }
    Ok(result)
}

fn one_character(value: &PropertyValue) -> Result<char, String> {
    let PropertyValue::Text(text) = value else {
        return Err(format!("ESCAPE needs a string of one character, not {}", kind(value)));
    };
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => Ok(character),
        _ => Err(format!("ESCAPE needs a string of one character, not {text:?}")),
    }
}

impl Expression {
    /// # Errors
    /// An operator has operands of the wrong types, or no result.
    pub(super) fn evaluate(
        &self,
        message: &Message,
        new_id: &dyn Fn() -> Uuid,
    ) -> Result<Option<PropertyValue>, String> {
        Ok(match self {
            Self::Null => None,
            Self::Constant(value) => Some(value.clone()),
            Self::Property(property) => property.get(message),
            Self::NewId => Some(PropertyValue::Text(new_id().to_string().into())),
            Self::Named(name) => match name.evaluate(message, new_id)? {
                None => None,
                Some(PropertyValue::Text(name)) => user(message, &name),
                Some(other) => {
                    return Err(format!("property() needs a string, not {}", kind(&other)));
                }
            },
            Self::Negative(inner) => match inner.evaluate(message, new_id)? {
                None => None,
                Some(value) => Some(operator::negative(&value)?),
            },
            Self::Positive(inner) => match inner.evaluate(message, new_id)? {
                None => None,
                Some(value) => Some(operator::positive(value)?),
            },
            Self::Arithmetic { left, operator, right } => {
                let left = left.evaluate(message, new_id)?;
                let right = right.evaluate(message, new_id)?;
                let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
                Some(operator::compute(&left, *operator, &right)?)
            }
        })
    }
}
