//! Values with expressions in them.
//!
//! A text is literal, but `${…}` holds an expression in the Common Expression Language, and `$${`
//! writes a literal `${`. A text that is one whole `${…}` keeps the expression's type; otherwise
//! the results are joined. A plain path such as `request.json.orderId` is read directly and reaches
//! no interpreter.

mod cel;
mod check;
mod convert;
mod expression;
mod names;
mod parse;
mod path;
mod query;
mod scope;
mod tree;

use std::fmt;

use serde_json::Value;

pub use names::{Names, Needs};
pub use scope::{Attributes, Random, Scope};
pub use tree::{Absent, Tree, TreeError};

use crate::limits;
use expression::Expression;
use parse::Piece;

/// A configured text, compiled.
#[derive(Debug)]
pub struct Template(Kind);

#[derive(Debug)]
enum Kind {
    /// One whole expression, which keeps its type.
    Expression(Expression),
    /// No expression at all.
    Literal(String),
    /// Texts and expressions, joined as a text.
    Mixed(Vec<Part>),
}

#[derive(Debug)]
enum Part {
    Expression(Expression),
    Literal(String),
}

/// Why a value could not be made from a request. Holds nothing of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalError {
    /// An expression met values that it cannot work with.
    Failed,
    /// The body is needed as JSON and is none.
    NotJson,
    /// The answer of a lookup is needed as JSON and is none.
    LookupNotJson,
    /// A value that it reads is not text: bad percent-encoding, or bytes that are not UTF-8.
    Undecodable,
    /// An expression that goes over lists met too much to go over.
    TooCostly,
    /// The value is over 1 MiB.
    TooLarge,
}

impl fmt::Display for EvalError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Failed => "cannot be made from this request",
            Self::NotJson => "needs a body in JSON, each key once in its object",
            Self::LookupNotJson => "needs an answer in JSON",
            Self::Undecodable => "needs a value that is well percent-encoded UTF-8",
            Self::TooCostly => "needs a smaller body, with at most 1000 JSON values",
            Self::TooLarge => "is too large",
        })
    }
}

impl std::error::Error for EvalError {}

/// A text that is no template, with the place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Bytes from the start of the text.
    pub offset: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at offset {}: {}", self.offset, self.message)
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// Compiles a text in which expressions may use `names`.
    ///
    /// # Errors
    /// When an expression is malformed, or names something that is not there.
    pub fn parse(text: &str, names: &Names) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        for piece in parse::pieces(text)? {
            parts.push(match piece {
                Piece::Literal(literal) => Part::Literal(literal),
                Piece::Expression { source, offset } => {
                    let expression = Expression::compile(source, names).map_err(|mut error| {
                        error.offset += offset;
                        error
                    })?;
                    Part::Expression(expression)
                }
            });
        }
        let last = parts.pop();
        Ok(Self(match (parts.is_empty(), last) {
            (_, None) => Kind::Literal(String::new()),
            (true, Some(Part::Literal(literal))) => Kind::Literal(literal),
            (true, Some(Part::Expression(expression))) => Kind::Expression(expression),
            (false, Some(last)) => {
                parts.push(last);
                Kind::Mixed(parts)
            }
        }))
    }

    /// The text, when it holds no expression.
    pub fn literal(&self) -> Option<&str> {
        match &self.0 {
            Kind::Literal(literal) => Some(literal),
            _ => None,
        }
    }

    /// The value, typed when the text is one whole expression; `None` when something that it
    /// needs is not there.
    ///
    /// # Errors
    /// When the request does not fit the expressions.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Option<Value>, EvalError> {
        match &self.0 {
            Kind::Expression(expression) => expression.value(scope),
            _ => Ok(self.text(scope)?.map(Value::String)),
        }
    }

    /// The value as a text; `None` when something that it needs is not there or null.
    ///
    /// # Errors
    /// When the request does not fit the expressions.
    pub fn text(&self, scope: &Scope<'_>) -> Result<Option<String>, EvalError> {
        match &self.0 {
            Kind::Literal(literal) => Ok(Some(literal.clone())),
            Kind::Expression(expression) => Ok(expression.value(scope)?.and_then(into_text)),
            Kind::Mixed(parts) => join(parts, scope, |text| text),
        }
    }

    /// Like `text`, for a URI reference: what expressions insert into a text is percent-encoded,
    /// and an expression that makes the whole is taken as it is.
    ///
    /// # Errors
    /// When the request does not fit the expressions.
    pub fn reference(&self, scope: &Scope<'_>) -> Result<Option<String>, EvalError> {
        match &self.0 {
            Kind::Mixed(_) => self.encoded(scope),
            Kind::Expression(_) | Kind::Literal(_) => self.text(scope),
        }
    }

    /// Like `text`, for a path: what expressions insert is percent-encoded, and may not lead
    /// elsewhere by making a segment `.` or `..`.
    ///
    /// # Errors
    /// When the request does not fit the expressions.
    pub fn path(&self, scope: &Scope<'_>) -> Result<Option<String>, EvalError> {
        let path = self.encoded(scope)?;
        let leads_elsewhere = |path: &String| {
            let path = path.split('?').next().unwrap_or_default();
            path.split('/').any(|segment| matches!(segment, "." | ".."))
        };
        if self.literal().is_none() && path.as_ref().is_some_and(leads_elsewhere) {
            return Err(EvalError::Failed);
        }
        Ok(path)
    }

    fn encoded(&self, scope: &Scope<'_>) -> Result<Option<String>, EvalError> {
        let encode = |text: String| crate::text::percent_encode(&text).to_string();
        match &self.0 {
            Kind::Literal(literal) => Ok(Some(literal.clone())),
            Kind::Expression(expression) => {
                Ok(expression.value(scope)?.and_then(into_text).map(encode))
            }
            Kind::Mixed(parts) => join(parts, scope, encode),
        }
    }
}

/// No message is larger, so no part of one need be.
const MOST_BYTES: usize = limits::PREMIUM_MESSAGE_BYTES;

fn join(
    parts: &[Part],
    scope: &Scope<'_>,
    insert: impl Fn(String) -> String,
) -> Result<Option<String>, EvalError> {
    let mut joined = String::new();
    for part in parts {
        match part {
            Part::Literal(literal) => joined.push_str(literal),
            Part::Expression(expression) => {
                let Some(text) = expression.value(scope)?.and_then(into_text) else {
                    return Ok(None);
                };
                joined.push_str(&insert(text));
                if joined.len() > MOST_BYTES {
                    return Err(EvalError::TooLarge);
                }
            }
        }
    }
    Ok(Some(joined))
}

/// Texts as they are, others as their JSON; null is no text.
fn into_text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}
