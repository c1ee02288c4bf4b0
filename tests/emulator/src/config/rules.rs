//! The rules of a subscription.

use serde_json::{Map, Value};

use super::reader::{Errors, Object, Place};
use crate::broker::{
    Action, CorrelationFilter, Field, Filter, PropertyValue, Rule, Rules, SqlFilter,
};

/// The rules of a subscription. Without any, every message matches.
pub(super) fn read(subscription: &Object<'_>, errors: &mut Errors) -> Rules {
    let listed = subscription.array("Rules", errors);
    if listed.is_empty() {
        return Rules::default_rule();
    }
    let at = Place::Member(&subscription.place, "Rules");
    let rules = Rules::default();
    for (index, rule) in listed.iter().enumerate() {
        let place = Place::Element(&at, index);
        let Some(object) = Object::new(rule, place, &["Name", "Properties"], errors) else {
            continue;
        };
        let name = object.required("Name", errors).and_then(|_| object.string("Name", errors));
        let Some(properties) = object.required("Properties", errors) else { continue };
        let place = Place::Member(&object.place, "Properties");
        let known = ["FilterType", "CorrelationFilter", "SqlFilter", "Action"];
        let Some(properties) = Object::new(properties, place, &known, errors) else { continue };
        let action = action(&properties, errors);
        let filter = filter(&properties, errors);
        if let (Some(name), Some(filter)) = (name, filter)
            && rules.add(Rule { name: name.into(), filter, action }).is_err()
        {
            object.wrong("Name", format_args!("another rule is named {name:?}"), errors);
        }
    }
    rules
}

fn filter(properties: &Object<'_>, errors: &mut Errors) -> Option<Filter> {
    properties.required("FilterType", errors)?;
    let kind = properties.string("FilterType", errors)?;
    for (name, owner) in [("CorrelationFilter", "Correlation"), ("SqlFilter", "Sql")] {
        if kind != owner && properties.get(name).is_some() {
            let reason = format!("FilterType is {kind:?}, so this filter has no effect");
            properties.ignored(name, reason, errors);
        }
    }
    match kind {
        "TrueFilter" => Some(Filter::True),
        "FalseFilter" => Some(Filter::False),
        "Sql" => {
            let filter = properties.required("SqlFilter", errors)?;
            let parse = |text: &str| SqlFilter::parse(text).map_err(|error| error.to_string());
            sql(properties, "SqlFilter", filter, parse, errors).map(Filter::Sql)
        }
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

/// An action without an expression is none: tools that write every member write it so.
fn action(properties: &Object<'_>, errors: &mut Errors) -> Option<Action> {
    let action = properties.get("Action").filter(|action| !action.is_null())?;
    let expression = action.get("SqlExpression");
    if action.is_object() && expression.is_none_or(|text| text.is_null() || text == "") {
        return None;
    }
    let parse = |text: &str| Action::parse(text).map_err(|error| error.to_string());
    sql(properties, "Action", action, parse, errors)
}

/// Reads the `SqlExpression` of a member.
fn sql<T>(
    properties: &Object<'_>,
    member: &str,
    value: &Value,
    parse: impl FnOnce(&str) -> Result<T, String>,
    errors: &mut Errors,
) -> Option<T> {
    let place = Place::Member(&properties.place, member);
    let object = Object::new(value, place, &["SqlExpression"], errors)?;
    object.required("SqlExpression", errors)?;
    match parse(object.string("SqlExpression", errors)?) {
        Ok(read) => Some(read),
        Err(error) => {
            object.wrong("SqlExpression", error, errors);
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
    let no_properties = |wanted: &Value| wanted.as_object().is_some_and(Map::is_empty);
    if read.fields.is_empty() && filter.get("Properties").is_none_or(no_properties) {
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
