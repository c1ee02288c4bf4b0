//! Calls of functions.

use serde_json::Value as Json;

use super::{entry, text};
use crate::expr::Expr;
use crate::lexer::Unreadable;
use crate::term::{Object, Scope, Term, choice, fail, unknown};
use crate::value::{Cel, Piece, Value};

/// `value.name(arguments)`.
pub(crate) fn call(
    expr: &Expr,
    term: Term,
    name: &str,
    arguments: &[Value],
    scope: &mut Scope,
) -> Result<Term, Unreadable> {
    match (term, arguments) {
        (Term::Object(object @ (Object::Token(_) | Object::Signature)), _)
            if name == "ToString" =>
        {
            Ok(Term::Object(object))
        }
        (Term::Object(object), _) => call_object(expr, &object, name, arguments, scope),
        // Envoy has verified it.
        (Term::Value(_), []) if name == "AsJwt" => Ok(Term::Object(Object::Jwt)),
        (Term::Value(value), _) => call_value(expr, value, name, arguments).map(Term::Value),
    }
}

fn call_object(
    expr: &Expr,
    object: &Object,
    name: &str,
    arguments: &[Value],
    scope: &mut Scope,
) -> Result<Term, Unreadable> {
    let bare = name.split('<').next().unwrap_or_default();
    let is_text = matches!(name, "As<string>" | "As<String>");
    match (object, bare, arguments) {
        (Object::Body, "As", _) => match &scope.body {
            Some(Some(body)) => Ok(Term::Value(body.clone())),
            Some(None) => fail(expr, "the body was changed before"),
            None if is_text => Ok(text("request.body")),
            None => Ok(Term::Value(Value::Cel(Cel::plain("request.json", false)))),
        },
        (Object::FoundBody, "As", _) if is_text => Ok(text("lookup.body")),
        (Object::FoundBody, "As", _) => {
            Ok(Term::Value(Value::Cel(Cel::plain("lookup.json", false))))
        }
        (Object::Variables, "GetValueOrDefault", [Value::Text(key), default])
            if !scope.variables.contains_key(key) =>
        {
            Ok(Term::Value(default.clone()))
        }
        (Object::Variables, "GetValueOrDefault", [Value::Text(key)])
            if !scope.variables.contains_key(key) =>
        {
            Ok(Term::Value(Value::Json(match name.split(['<', '>']).nth(1) {
                Some("bool" | "Boolean") => Json::Bool(false),
                Some("int" | "long" | "double" | "decimal") => 0.into(),
                _ => Json::Null,
            })))
        }
        (Object::Variables, "ContainsKey", [Value::Text(key)]) => {
            Ok(Term::Value(Value::Json(scope.variables.contains_key(key).into())))
        }
        (_, "GetValueOrDefault" | "GetValue" | "Value" | "SelectToken", [Value::Text(key)]) => {
            entry(expr, object, key, scope)
        }
        (_, "GetValueOrDefault", [Value::Text(key), default]) => {
            let found = entry(expr, object, key, scope)?;
            match &found {
                Term::Value(value @ Value::Cel(cel @ Cel { presence: Some(presence), .. })) => {
                    match choice(presence, value, default) {
                        Some(value) => Ok(Term::Value(or_default(value, cel, default))),
                        None => unknown(expr, name),
                    }
                }
                _ => Ok(found),
            }
        }
        (_, "ContainsKey", [Value::Text(key)]) => match entry(expr, object, key, scope)? {
            Term::Value(Value::Cel(Cel { presence: Some(presence), .. })) => {
                Ok(Term::Value(Value::Cel(Cel::operation(presence, false))))
            }
            _ => unknown(expr, name),
        },
        (Object::Type(kind), _, _) => call_type(expr, kind, bare, arguments, scope),
        _ => unknown(expr, name),
    }
}

/// A header that may be missing is still a header that a `match` can name.
fn or_default(value: Value, found: &Cel, default: &Value) -> Value {
    match (value, &found.header, default) {
        (Value::Cel(cel), Some((name, None)), Value::Text(default)) => {
            Value::Cel(Cel { header: Some((name.clone(), Some(default.clone()))), ..cel })
        }
        (value, ..) => value,
    }
}

fn call_type(
    expr: &Expr,
    kind: &str,
    name: &str,
    arguments: &[Value],
    scope: &mut Scope,
) -> Result<Term, Unreadable> {
    let value = match (kind, name, arguments) {
        ("Guid", "NewGuid", []) => return Ok(text("tracking_id")),
        ("TimeSpan", _, [Value::Json(Json::Number(count))]) => {
            return match seconds(name.strip_prefix("From").unwrap_or_default(), count) {
                Some(seconds) => Ok(Term::Object(Object::Span(seconds))),
                None => unknown(expr, &format!("{kind}.{name}")),
            };
        }
        ("JsonConvert", "SerializeObject", [value, ..])
        | ("JObject" | "JArray" | "JToken", "FromObject", [value])
        | ("Convert", "ToString" | "ToInt32" | "ToInt64", [value]) => value.clone(),
        ("JsonConvert", "DeserializeObject", [Value::Cel(cel)])
        | ("JObject" | "JArray" | "JToken", "Parse", [Value::Cel(cel)])
            if cel.code == "request.body" =>
        {
            Value::Cel(Cel::plain("request.json", false))
        }
        // What is read as JSON already.
        ("JsonConvert", "DeserializeObject", [value @ Value::Map(_)])
        | ("JObject" | "JArray" | "JToken", "Parse", [value @ Value::Map(_)]) => value.clone(),
        ("string" | "String", "Concat", values) => {
            let pieces: Option<Vec<_>> = values.iter().map(|one| one.clone().pieces()).collect();
            match pieces {
                Some(pieces) => Value::joined(pieces.into_iter().flatten().collect()),
                None => return unknown(expr, &format!("{kind}.{name}")),
            }
        }
        ("string" | "String", "Format", [Value::Text(format), values @ ..]) => {
            match formatted(format, values) {
                Some(value) => value,
                None => return unknown(expr, &format!("{kind}.{name}")),
            }
        }
        ("string" | "String", "IsNullOrEmpty" | "IsNullOrWhiteSpace", [value]) => {
            if let Value::Text(text) = value {
                return Ok(Term::Value(Value::Json(text.trim().is_empty().into())));
            }
            if name == "IsNullOrWhiteSpace" {
                let message =
                    "IsNullOrWhiteSpace became IsNullOrEmpty: blanks count as a text".to_owned();
                scope.notes.push(Unreadable { at: expr.at, message });
            }
            let there = if let Value::Cel(cel) = value { cel.there() } else { None };
            let absent = there.map_or_else(String::new, |there| format!("!({there}) || "));
            match value.operand() {
                Some(code) => Value::Cel(Cel::operation(format!("{absent}{code} == ''"), false)),
                None => return unknown(expr, name),
            }
        }
        _ => return unknown(expr, &format!("{kind}.{name}")),
    };
    Ok(Term::Value(value))
}

/// A count of C#'s units of time.
fn seconds(unit: &str, count: &serde_json::Number) -> Option<u64> {
    let unit = match unit {
        "Seconds" => 1,
        "Minutes" => 60,
        "Hours" => 3600,
        "Days" => 86_400,
        _ => return None,
    };
    count.as_u64()?.checked_mul(unit)
}

/// `string.Format`, without formats of its own for a value.
fn formatted(format: &str, values: &[Value]) -> Option<Value> {
    let mut pieces = vec![];
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('{') {
        pieces.push(Piece::Text(before.to_owned()));
        let (index, after) = after.split_once('}')?;
        pieces.extend(values.get(index.parse::<usize>().ok()?)?.clone().pieces()?);
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    (!format.contains("{{") && !format.contains("}}")).then(|| Value::joined(pieces))
}

fn call_value(
    expr: &Expr,
    value: Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Unreadable> {
    let bare = name.split('<').next().unwrap_or_default();
    let keeps = ["GetString", "GetInt32", "GetInt64", "GetDouble", "GetBoolean", "Value"];
    match (bare, &value, arguments) {
        (_, _, []) if keeps.contains(&bare) => Ok(value),
        ("ToString", Value::Json(Json::Number(number)), []) => Ok(Value::Text(number.to_string())),
        // The whole body is what it was as a text.
        ("ToString", Value::Cel(cel), []) if !cel.is_text && cel.code != "request.json" => {
            Ok(Value::Cel(Cel { cast: true, ..cel.clone() }))
        }
        ("ToString", _, []) => Ok(value),
        // The filter writes a time as Service Bus reads it.
        ("ToString", Value::Cel(cel), [Value::Text(_)]) if cel.delay.is_some() => Ok(value),
        // What we write is RFC 3339, as these formats are.
        ("ToString", Value::Cel(cel), [Value::Text(format)])
            if cel.code == "now" && DATES.contains(&format.as_str())
                || cel.code == "tracking_id" && format.eq_ignore_ascii_case("d") =>
        {
            Ok(value)
        }
        (_, Value::Cel(cel), [Value::Json(Json::Number(count))])
            if cel.code == "now" && bare.starts_with("Add") =>
        {
            let unit = bare.strip_prefix("Add").unwrap_or_default();
            match seconds(unit, count) {
                Some(seconds) => Ok(Value::Cel(Cel::delay(seconds))),
                None => unknown(expr, name),
            }
        }
        ("First" | "FirstOrDefault", Value::Cel(Cel { is_text: true, .. }), [])
        | ("First" | "FirstOrDefault", Value::Text(_) | Value::Joined(_), []) => Ok(value),
        ("GetProperty" | "Value" | "GetValue", Value::Cel(cel), [Value::Text(key)])
            if !cel.is_text =>
        {
            Ok(Value::Cel(Cel::member(cel, key, false)))
        }
        ("ContainsKey", Value::Cel(cel), [Value::Text(key)]) if !cel.is_text => {
            let presence = Cel::member(cel, key, false).presence.unwrap_or_default();
            Ok(Value::Cel(Cel::operation(presence, false)))
        }
        ("SelectToken", Value::Cel(cel), [Value::Text(path)]) if !cel.is_text => {
            let path = path.trim_start_matches("$.");
            if path.contains(['[', '*', '?', '$']) || path.contains("..") {
                return unknown(expr, name);
            }
            let step = |cel: Cel, key| Cel::member(&cel, key, false);
            Ok(Value::Cel(path.split('.').fold(cel.clone(), step)))
        }
        (_, _, [argument]) if function(bare).is_some() => {
            let code = value.operand().zip(argument.operand()).zip(function(bare));
            let code = code.map(|((code, argument), name)| format!("{code}.{name}({argument})"));
            code.map_or_else(|| unknown(expr, name), |code| Ok(Value::Cel(Cel::plain(code, false))))
        }
        ("Split" | "Substring", Value::Cel(cel), _) if holds_token(cel) => Ok(value),
        _ => unknown(expr, name),
    }
}

/// Formats of times that are forms of RFC 3339, as ours is.
const DATES: [&str; 7] = [
    "O",
    "o",
    "u",
    "s",
    "yyyy-MM-ddTHH:mm:ssZ",
    "yyyy-MM-ddTHH:mm:ss.fffZ",
    "yyyy-MM-ddTHH:mm:ssK",
];

/// Whether it is the header with the client's token: any expression that gets at it is the same.
pub(super) fn holds_token(cel: &Cel) -> bool {
    cel.code.contains("request.headers['authorization']")
}

/// A function of texts that both languages have.
fn function(name: &str) -> Option<&'static str> {
    let both = [("Contains", "contains"), ("StartsWith", "startsWith"), ("EndsWith", "endsWith")];
    both.into_iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| ours)
}
