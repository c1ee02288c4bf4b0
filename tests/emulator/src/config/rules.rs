//! The rules of a subscription.

use serde_json::Value;

use super::reader::{Errors, Object, Place};
use crate::broker::{CorrelationFilter, DEFAULT_RULE, Field, Filter, PropertyValue, Rule};

/// The rules of a subscription. Without any, every message matches.
pub(super) fn read(subscription: &Object<'_>, errors: &mut Errors) -> Vec<Rule> {
    let rules = subscription.array("Rules", errors);
    if rules.is_empty() {
        return vec![Rule { name: DEFAULT_RULE.into(), filter: Filter::True }];
    }
    let at = Place::Member(&subscription.place, "Rules");
    let mut read = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let place = Place::Element(&at, index);
        let Some(rule) = Object::new(rule, place, &["Name", "Properties"], errors) else {
            continue;
        };
        let name = rule.required("Name", errors).and_then(|_| rule.string("Name", errors));
        let Some(properties) = rule.required("Properties", errors) else { continue };
        let place = Place::Member(&rule.place, "Properties");
        let known = ["FilterType", "CorrelationFilter", "SqlFilter", "Action"];
        if let Some(properties) = Object::new(properties, place, &known, errors) {
            let filter = filter(&properties, errors);
            read.extend(name.zip(filter).map(|(name, filter)| Rule { name: name.into(), filter }));
        }
    }
    read
}

fn filter(properties: &Object<'_>, errors: &mut Errors) -> Option<Filter> {
    if properties.get("Action").is_some() {
        properties.wrong("Action", "rule actions are not supported by this emulator", errors);
    }
    properties.required("FilterType", errors)?;
    let kind = properties.string("FilterType", errors)?;
    for (name, owner) in [("CorrelationFilter", "Correlation"), ("SqlFilter", "Sql")] {
        if kind != owner && properties.get(name).is_some() {
            let reason = format!("it has no place in a rule of FilterType {kind:?}");
            properties.wrong(name, reason, errors);
        }
    }
    match kind {
        "TrueFilter" => Some(Filter::True),
        "FalseFilter" => Some(Filter::False),
        "Sql" => sql(properties, errors),
        "Correlation" => correlation(properties, errors),
        _ => {
            let reason = format!(
                "expected \"Correlation\", \"Sql\", \"TrueFilter\" or \"FalseFilter\", found {kind:?}"
            );
            properties.wrong("FilterType", reason, errors);
            None
        }
    }
}

fn sql(properties: &Object<'_>, errors: &mut Errors) -> Option<Filter> {
    let filter = properties.required("SqlFilter", errors)?;
    let place = Place::Member(&properties.place, "SqlFilter");
    let filter = Object::new(filter, place, &["SqlExpression"], errors)?;
    filter.required("SqlExpression", errors)?;
    let expression = filter.string("SqlExpression", errors)?;
    match expression.split_whitespace().collect::<String>().as_str() {
        "1=1" => Some(Filter::True),
        "1=0" => Some(Filter::False),
        _ => {
            let reason = format!(
                "SQL filters other than \"1=1\" and \"1=0\" are not supported by this emulator, \
                 found {expression:?}"
            );
            filter.wrong("SqlExpression", reason, errors);
            None
        }
    }
}

fn correlation(properties: &Object<'_>, errors: &mut Errors) -> Option<Filter> {
    let filter = properties.required("CorrelationFilter", errors)?;
    let place = Place::Member(&properties.place, "CorrelationFilter");
    let mut known = Field::NAMES.map(|(name, _)| name).to_vec();
    known.push("Properties");
    let filter = Object::new(filter, place, &known, errors)?;
    let mut read = CorrelationFilter::default();
    for (name, field) in Field::NAMES {
        if let Some(value) = filter.string(name, errors) {
            read.fields.push((field, value.to_owned()));
        }
    }
    if let Some(wanted) = filter.get("Properties") {
        read.properties = application_properties(wanted, &filter.place, errors);
    }
    if filter.is_empty() {
        errors.push(&filter.place, "a correlation filter needs at least one condition");
    }
    Some(Filter::Correlation(read))
}

fn application_properties(
    wanted: &Value,
    parent: &Place<'_>,
    errors: &mut Errors,
) -> Vec<(String, PropertyValue)> {
    let place = Place::Member(parent, "Properties");
    let Value::Object(members) = wanted else {
        errors.push(&place, format_args!("expected an object, found {wanted}"));
        return Vec::new();
    };
    let mut properties = Vec::new();
    for (name, value) in members {
        match PropertyValue::from_json(value) {
            Some(value) => properties.push((name.clone(), value)),
            None => errors.push(
                &Place::Member(&place, name),
                format_args!("expected a string, a number, true or false, found {value}"),
            ),
        }
    }
    properties
}
