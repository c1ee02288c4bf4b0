//! Operators over two values, with the conversions that C# does by itself.

use std::cmp::Ordering;

use super::expression::{Arithmetic, Comparison};
use super::property::kind;
use crate::broker::{PropertyValue, Scalar};

/// Two numbers of one type.
enum Numbers {
    Integers(i64, i64),
    Floats(f64, f64),
}

impl Numbers {
    /// A whole number beside one with a fraction becomes one with a fraction.
    #[allow(clippy::cast_precision_loss)] // as C# converts
    const fn of(left: &PropertyValue, right: &PropertyValue) -> Option<Self> {
        use PropertyValue::{Float, Integer};
        Some(match (left, right) {
            (Integer(left), Integer(right)) => Self::Integers(*left, *right),
            (Integer(left), Float(right)) => Self::Floats(*left as f64, *right),
            (Float(left), Integer(right)) => Self::Floats(*left, *right as f64),
            (Float(left), Float(right)) => Self::Floats(*left, *right),
            _ => return None,
        })
    }
}

/// Compares two values.
///
/// # Errors
/// Their types have no such comparison in C#.
pub(super) fn compare(
    left: &PropertyValue,
    comparison: Comparison,
    right: &PropertyValue,
) -> Result<bool, String> {
    use PropertyValue::{Boolean, Other, Text};
    use Scalar::{Binary, Timestamp, Uuid};
    let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    let order = match (left, right) {
        (Text(left), Text(right)) if equality => Some(left.cmp(right)),
        (Boolean(left), Boolean(right)) if equality => Some(left.cmp(right)),
        (Other(Uuid(left)), Other(Uuid(right))) if equality => Some(left.cmp(right)),
        (Other(Binary(left)), Other(Binary(right))) if equality => Some(left.cmp(right)),
        (Other(Timestamp(left)), Other(Timestamp(right))) => Some(left.cmp(right)),
        _ => match Numbers::of(left, right) {
            Some(Numbers::Integers(left, right)) => Some(left.cmp(&right)),
            // NaN is unordered: only `<>` is true of it.
            Some(Numbers::Floats(left, right)) => left.partial_cmp(&right),
            None => return Err(mismatch(left, comparison.symbol(), right)),
        },
    };
    Ok(match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    })
}

/// Computes; `+` also joins texts.
///
/// # Errors
/// Their types have no such operator in C#, or the result is not a 64-bit number.
pub(super) fn compute(
    left: &PropertyValue,
    operator: Arithmetic,
    right: &PropertyValue,
) -> Result<PropertyValue, String> {
    if let (PropertyValue::Text(left), Arithmetic::Add, PropertyValue::Text(right)) =
        (left, operator, right)
    {
        return Ok(PropertyValue::Text(format!("{left}{right}").into()));
    }
    match Numbers::of(left, right) {
        None => Err(mismatch(left, operator.symbol(), right)),
        Some(Numbers::Floats(left, right)) => Ok(PropertyValue::Float(match operator {
            Arithmetic::Add => left + right,
            Arithmetic::Subtract => left - right,
            Arithmetic::Multiply => left * right,
            Arithmetic::Divide => left / right,
            Arithmetic::Remainder => left % right,
        })),
        Some(Numbers::Integers(left, right)) => match operator {
            Arithmetic::Add => left.checked_add(right),
            Arithmetic::Subtract => left.checked_sub(right),
            Arithmetic::Multiply => left.checked_mul(right),
            Arithmetic::Divide => left.checked_div(right),
            Arithmetic::Remainder => left.checked_rem(right),
        }
        .map(PropertyValue::Integer)
        .ok_or_else(|| format!("{left} {} {right} has no 64-bit result", operator.symbol())),
    }
}

/// The number with its sign turned.
///
/// # Errors
/// It is no number, or the result is not a 64-bit number.
pub(super) fn negative(value: &PropertyValue) -> Result<PropertyValue, String> {
    match value {
        PropertyValue::Integer(number) => number
            .checked_neg()
            .map(PropertyValue::Integer)
            .ok_or_else(|| format!("-({number}) has no 64-bit result")),
        PropertyValue::Float(number) => Ok(PropertyValue::Float(-number)),
        other => Err(format!("- cannot stand before {}", kind(other))),
    }
}

/// The number itself.
///
/// # Errors
/// It is no number.
pub(super) fn positive(value: PropertyValue) -> Result<PropertyValue, String> {
    match value {
        PropertyValue::Integer(_) | PropertyValue::Float(_) => Ok(value),
        other => Err(format!("+ cannot stand before {}", kind(&other))),
    }
}

fn mismatch(left: &PropertyValue, symbol: &str, right: &PropertyValue) -> String {
    format!("{symbol} cannot stand between {} and {}", kind(left), kind(right))
}
