//! Operations on the rules of a subscription.

use super::{Body, Context, Response};
use crate::amqp::codec::Value;
use crate::amqp::error::{AmqpError, condition};
use crate::amqp::message;
use crate::broker::{Action, CorrelationFilter, Field, Filter, Rule, RuleError, Rules, SqlFilter};

/// Descriptors of what a rule is written as.
mod code {
    pub(super) const RULE: u64 = 0x137_0000_0004;
    pub(super) const SQL_FILTER: u64 = 0x13_7000_0006;
    pub(super) const TRUE_FILTER: u64 = 0x13_7000_0007;
    pub(super) const FALSE_FILTER: u64 = 0x13_7000_0008;
    pub(super) const CORRELATION_FILTER: u64 = 0x13_7000_0009;
    pub(super) const NO_ACTION: u64 = 0x137_0000_0005;
    pub(super) const SQL_ACTION: u64 = 0x137_0000_0006;
}

/// Fields of a correlation filter, in the order in which they are written, with their names in a
/// request.
const FIELDS: [(&str, Field); 8] = [
    ("correlation-id", Field::CorrelationId),
    ("message-id", Field::MessageId),
    ("to", Field::To),
    ("reply-to", Field::ReplyTo),
    ("label", Field::Label),
    ("session-id", Field::SessionId),
    ("reply-to-session-id", Field::ReplyToSessionId),
    ("content-type", Field::ContentType),
];

/// Longest name of a rule.
const MAX_NAME: usize = 50;
/// Rules that a subscription may have, as in Azure.
const MAX_RULES: usize = 2000;

fn rules<'a>(context: &Context<'a>) -> Result<&'a Rules, AmqpError> {
    context.rules.ok_or_else(|| {
        AmqpError::new(condition::NOT_ALLOWED, "Only a subscription of a topic has rules.")
    })
}

fn wrong(reason: impl std::fmt::Display) -> AmqpError {
    AmqpError::new(condition::ARGUMENT_ERROR, format!("The rule is invalid: {reason}."))
}

pub(super) fn add(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    let rules = rules(context)?;
    let name = body.required_text("rule-name")?;
    if name.is_empty() || name.chars().count() > MAX_NAME {
        return Err(wrong(format_args!("a name has 1 to {MAX_NAME} characters")));
    }
    let description = Body(body.get("rule-description").unwrap_or(&Value::Null));
    let sql = description.get("sql-filter").map(Body);
    let correlation = description.get("correlation-filter").map(Body);
    let filter = match (sql, correlation) {
        (Some(sql), None) => {
            let filter = SqlFilter::parse(sql.required_text("expression")?);
            Filter::Sql(filter.map_err(wrong)?)
        }
        (None, Some(correlation)) => Filter::Correlation(correlation_filter(&correlation)?),
        _ => return Err(wrong("expected a sql-filter or a correlation-filter")),
    };
    let action = match description.get("sql-rule-action").map(Body) {
        Some(action) => {
            let expression = action.required_text("expression")?;
            Some(Action::parse(expression).map_err(wrong)?)
        }
        None => None,
    };
    if rules.list().len() >= MAX_RULES {
        let reason = "The subscription has as many rules as it can.";
        return Err(AmqpError::new(condition::RESOURCE_LIMIT_EXCEEDED, reason));
    }
    rules.add(Rule { name: name.into(), filter, action }).map_err(|error| of(error, name))?;
    Ok(Response::ok([]))
}

fn of(error: RuleError, name: &str) -> AmqpError {
    match error {
        RuleError::Exists => AmqpError::new(
            condition::ENTITY_ALREADY_EXISTS,
            format!("The rule '{name}' exists already."),
        ),
        RuleError::NotFound => {
            AmqpError::new(condition::NOT_FOUND, format!("There is no rule '{name}'."))
        }
    }
}

fn correlation_filter(body: &Body<'_>) -> Result<CorrelationFilter, AmqpError> {
    let mut filter = CorrelationFilter::default();
    for (name, field) in FIELDS {
        if let Some(text) = body.text(name)? {
            filter.fields.push((field, text.to_owned()));
        }
    }
    if let Some(Value::Map(entries)) = body.get("properties") {
        for (key, value) in entries {
            let name = key.as_text().ok_or_else(|| Body::wrong("properties"))?;
            let value = message::from_value(value).ok_or_else(|| Body::wrong("properties"))?;
            filter.properties.push((name.to_owned(), value));
        }
    }
    if filter == CorrelationFilter::default() {
        return Err(wrong("a correlation filter needs at least one condition"));
    }
    Ok(filter)
}

pub(super) fn remove(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    let name = body.required_text("rule-name")?;
    rules(context)?.remove(name).map_err(|error| of(error, name))?;
    Ok(Response::ok([]))
}

pub(super) fn list(body: &Body<'_>, context: &Context<'_>) -> Result<Response, AmqpError> {
    let number = |name: &str, default: i128| {
        usize::try_from(body.integer(name)?.unwrap_or(default)).map_err(|_| Body::wrong(name))
    };
    let (skip, top) = (number("skip", 0)?, number("top", 100)?);
    let listed = rules(context)?.list();
    let shown = listed.iter().skip(skip).take(top);
    let rules: Vec<_> =
        shown.map(|rule| Value::string_map([("rule-description", description(rule))])).collect();
    if rules.is_empty() {
        return Ok(Response::none());
    }
    Ok(Response::ok([("rules", Value::List(rules))]))
}

fn description(rule: &Rule) -> Value {
    let described =
        |code: u64, fields| Value::Described(Box::new((Value::Ulong(code), Value::List(fields))));
    // The level of compatibility, of which there is one.
    let sql = |text: &str| vec![Value::string(text), Value::Int(20)];
    let filter = match &rule.filter {
        Filter::True => described(code::TRUE_FILTER, sql("1=1")),
        Filter::False => described(code::FALSE_FILTER, sql("1=0")),
        Filter::Sql(filter) => described(code::SQL_FILTER, sql(filter.text())),
        Filter::Correlation(filter) => {
            let mut fields: Vec<_> = FIELDS
                .iter()
                .map(|(_, field)| {
                    let mut named = filter.fields.iter().filter(|(other, _)| other == field);
                    named.next().map_or(Value::Null, |(_, text)| Value::string(text.as_str()))
                })
                .collect();
            let properties = filter.properties.iter();
            let properties = properties
                .map(|(name, value)| (Value::string(name.as_str()), message::to_value(value)));
            fields.push(Value::Map(properties.collect()));
            described(code::CORRELATION_FILTER, fields)
        }
    };
    let action = match &rule.action {
        None => described(code::NO_ACTION, vec![]),
        Some(action) => described(code::SQL_ACTION, sql(action.text())),
    };
    described(code::RULE, vec![filter, action, Value::string(rule.name.clone()), Value::Null])
}
