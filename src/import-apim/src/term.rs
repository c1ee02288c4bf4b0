//! What an expression stands for, and what it may refer to.

use std::collections::BTreeMap;

use crate::expr::Expr;
use crate::lexer::Unreadable;
use crate::value::{Cel, Value};

/// What an expression stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Term {
    Value(Value),
    Object(Object),
}

/// What is no value by itself, but has values in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Object {
    Context,
    Request,
    Body,
    Headers,
    Captures,
    Url,
    Query,
    Variables,
    Operation,
    Jwt,
    Claims,
    /// The answer of a lookup.
    Found,
    FoundBody,
    /// The answer of Service Bus, which is 201: for any other the filter answers by itself.
    Accepted,
    /// What `send-service-bus-message` tells of its message.
    Sent(Box<SentMessage>),
    /// A token for Service Bus, with the identity's client id where it is named.
    Token(Option<String>),
    /// A signature made with a key.
    Signature,
    /// A span of time, in seconds.
    Span(u64),
    /// A type with functions of its own.
    Type(String),
}

/// Properties of a message, as the policy knows them afterwards.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SentMessage {
    pub(crate) id: Value,
    pub(crate) session: Value,
    pub(crate) time_to_live: Value,
}

/// Whose answer `context.Response` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answerer {
    #[default]
    Nobody,
    ServiceBus,
    Backend,
}

/// What expressions may refer to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// Variables of the policy; one whose value could not be turned tells why.
    pub(crate) variables: BTreeMap<String, Result<Term, Unreadable>>,
    /// Captures of the operation's path, with our names for them.
    pub(crate) captures: Vec<(String, String)>,
    /// Parameters of the operation's query.
    pub(crate) query: Vec<String>,
    /// Headers of the request that the policy has set, with names in lower case.
    pub(crate) headers: BTreeMap<String, Option<Value>>,
    /// The body that the policy has set; `Some(None)` where it could not be turned.
    pub(crate) body: Option<Option<Value>>,
    pub(crate) answerer: Answerer,
    /// Members of objects that could not be turned, and why.
    pub(crate) skipped: Vec<(String, Unreadable)>,
    /// What was turned into something that differs.
    pub(crate) notes: Vec<Unreadable>,
    /// Whether an expression has asked what became of a message.
    pub(crate) reads_outcome: bool,
}

/// A value that depends on a condition.
pub(crate) fn choice(condition: &str, yes: &Value, no: &Value) -> Option<Value> {
    if yes == no {
        return Some(yes.clone());
    }
    if let (Value::Map(yes), Value::Map(no)) = (yes, no) {
        return members(condition, yes, no);
    }
    let is_text = yes.is_text() && no.is_text();
    let of = |value: &Value| if is_text { value.text_operand() } else { value.operand() };
    let code = format!("{condition} ? {} : {}", of(yes)?, of(no)?);
    let mut texts = yes.texts();
    let others = no.texts();
    if texts.is_empty() || others.is_empty() {
        texts.clear();
    } else {
        texts.extend(others);
        texts.sort();
        texts.dedup();
    }
    Some(Value::Cel(Cel { texts, ..Cel::operation(code, is_text) }))
}

/// An object whose values depend on a condition; its members must not.
fn members(condition: &str, yes: &[(String, Value)], no: &[(String, Value)]) -> Option<Value> {
    let member = |(name, yes): &(String, Value)| {
        let (_, no) = no.iter().find(|(other, _)| other == name)?;
        Some((name.clone(), choice(condition, yes, no)?))
    };
    let members = yes.iter().map(member).collect::<Option<Vec<_>>>()?;
    (yes.len() == no.len()).then_some(Value::Map(members))
}

pub(crate) fn fail<T>(expr: &Expr, message: &str) -> Result<T, Unreadable> {
    Err(Unreadable { at: expr.at, message: message.to_owned() })
}

pub(crate) fn unknown<T>(expr: &Expr, name: &str) -> Result<T, Unreadable> {
    fail(expr, &format!("`{name}` has no counterpart here"))
}
