//! What `context` and C#'s types offer, and our names for it.

use serde_json::Value as Json;

use super::expr::Expr;
use super::lexer::Unreadable;
use super::made::{Cel, Made};
use super::translate::{Known, choice, fail};

/// What an expression stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Made(Made),
    Thing(Thing),
}

/// What is no value by itself, but has values in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Thing {
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
    Response,
    ResponseBody,
    /// A type with functions of its own.
    Type(String),
}

fn text(code: &str) -> Value {
    Value::Made(Made::Cel(Cel::plain(code, true)))
}

/// `value.name`.
pub(super) fn member(expr: &Expr, value: Value, name: &str) -> Result<Value, Unreadable> {
    let thing = match value {
        Value::Thing(thing) => thing,
        Value::Made(made) => {
            return match (name, made.operand()) {
                ("Length" | "Count", Some(code)) => {
                    Ok(Value::Made(Made::Cel(Cel::plain(format!("size({code})"), false))))
                }
                _ => unknown(expr, name),
            };
        }
    };
    Ok(match (thing, name) {
        (Thing::Context, "Request") => Value::Thing(Thing::Request),
        (Thing::Context, "Variables") => Value::Thing(Thing::Variables),
        (Thing::Context, "Operation") => Value::Thing(Thing::Operation),
        // Unique, unlike Envoy's, which a client may repeat.
        (Thing::Context, "RequestId") => text("tracking_id"),
        (Thing::Context, "Timestamp") => text("now"),
        (Thing::Operation, "Name" | "Id") => text("route.name"),
        (Thing::Request, "Body") => Value::Thing(Thing::Body),
        (Thing::Request, "Headers") => Value::Thing(Thing::Headers),
        (Thing::Request, "MatchedParameters") => Value::Thing(Thing::Captures),
        (Thing::Request, "Url" | "OriginalUrl") => Value::Thing(Thing::Url),
        (Thing::Request, "Method") => text("request.method"),
        (Thing::Request, "IpAddress") => text("source.address"),
        (Thing::Url, "Query") => Value::Thing(Thing::Query),
        (Thing::Url, "Path") => text("request.url_path"),
        (Thing::Url, "Host") => text("request.host"),
        (Thing::Url, "Scheme") => text("request.scheme"),
        (Thing::Jwt, "Subject") => claim("sub"),
        (Thing::Jwt, "Issuer") => claim("iss"),
        (Thing::Jwt, "Id") => claim("jti"),
        (Thing::Jwt, "Claims") => Value::Thing(Thing::Claims),
        (Thing::Response, "Body") => Value::Thing(Thing::ResponseBody),
        (Thing::Response, "StatusCode") => {
            Value::Made(Made::Cel(Cel::plain("lookup.status", false)))
        }
        (Thing::Type(kind), "UtcNow" | "Now") if kind.starts_with("DateTime") => text("now"),
        (Thing::Type(kind), "Empty") if kind.eq_ignore_ascii_case("string") => {
            Value::Made(Made::Text(String::new()))
        }
        _ => return unknown(expr, name),
    })
}

/// `value[key]`.
pub(super) fn index(
    expr: &Expr,
    value: Value,
    key: &Made,
    known: &Known,
) -> Result<Value, Unreadable> {
    match (value, key) {
        (Value::Thing(thing), Made::Text(key)) => entry(expr, &thing, key, known),
        // The first line of a header: ours are joined.
        (Value::Made(Made::Cel(cel)), Made::Json(number)) if cel.is_text => {
            if number.as_u64() == Some(0) || holds_token(&cel) {
                return Ok(Value::Made(Made::Cel(cel)));
            }
            fail(expr, "only the first of several values can be named")
        }
        (Value::Made(Made::Cel(cel)), Made::Text(key)) if !cel.is_text => {
            Ok(Value::Made(Made::Cel(Cel::member(&cel, key, false))))
        }
        (Value::Made(Made::Cel(cel)), Made::Json(number)) if number.is_u64() => {
            Ok(Value::Made(Made::Cel(Cel::plain(format!("{}[{number}]", cel.code), false))))
        }
        _ => fail(expr, "this index has no counterpart here"),
    }
}

/// What stands under a key.
fn entry(expr: &Expr, thing: &Thing, key: &str, known: &Known) -> Result<Value, Unreadable> {
    let cel = match thing {
        Thing::Headers => Cel::entry("request.headers", &key.to_ascii_lowercase()),
        Thing::Query => Cel::entry("request.query", key),
        Thing::Claims => return Ok(claim(key)),
        Thing::Captures => {
            if known.query.iter().any(|name| name == key) {
                Cel::entry("request.query", key)
            } else if let Some((_, own)) = known.captures.iter().find(|(name, _)| name == key) {
                Cel::plain(format!("path.{own}"), true)
            } else {
                return fail(expr, &format!("--operation has no parameter {{{key}}}"));
            }
        }
        Thing::Variables => {
            return match known.variables.get(key) {
                Some(value) => value.clone(),
                None => fail(expr, &format!("the variable {key:?} is not set before")),
            };
        }
        _ => return unknown(expr, key),
    };
    Ok(Value::Made(Made::Cel(cel)))
}

fn claim(name: &str) -> Value {
    Value::Made(Made::Cel(Cel {
        is_text: true,
        ..Cel::member(&Cel::plain("jwt", false), name, true)
    }))
}

/// `value.name(arguments)`.
pub(super) fn call(
    expr: &Expr,
    value: Value,
    name: &str,
    arguments: &[Made],
    known: &mut Known,
) -> Result<Value, Unreadable> {
    match (value, arguments) {
        (Value::Thing(thing), _) => call_thing(expr, &thing, name, arguments, known),
        // Envoy has verified it.
        (Value::Made(_), []) if name == "AsJwt" => Ok(Value::Thing(Thing::Jwt)),
        (Value::Made(made), _) => call_made(expr, made, name, arguments),
    }
}

fn call_thing(
    expr: &Expr,
    thing: &Thing,
    name: &str,
    arguments: &[Made],
    known: &mut Known,
) -> Result<Value, Unreadable> {
    let bare = name.split('<').next().unwrap_or_default();
    match (thing, bare, arguments) {
        (Thing::Body, "As", _) => Ok(match name {
            "As<string>" | "As<String>" => text("request.body"),
            _ => Value::Made(Made::Cel(Cel::plain("request.json", false))),
        }),
        (Thing::ResponseBody, "As", _) => Ok(match name {
            "As<string>" | "As<String>" => text("lookup.body"),
            _ => Value::Made(Made::Cel(Cel::plain("lookup.json", false))),
        }),
        (_, "GetValueOrDefault" | "GetValue", [Made::Text(key)]) => entry(expr, thing, key, known),
        (_, "GetValueOrDefault", [Made::Text(key), default]) => {
            let found = entry(expr, thing, key, known)?;
            match &found {
                Value::Made(made @ Made::Cel(Cel { presence: Some(presence), .. })) => {
                    let made = choice(presence, made, default);
                    made.map_or_else(|| unknown(expr, name), |made| Ok(Value::Made(made)))
                }
                _ => Ok(found),
            }
        }
        (_, "ContainsKey", [Made::Text(key)]) => match entry(expr, thing, key, known)? {
            Value::Made(Made::Cel(Cel { presence: Some(presence), .. })) => {
                Ok(Value::Made(Made::Cel(Cel::operation(presence, false))))
            }
            _ => unknown(expr, name),
        },
        (Thing::Type(kind), _, _) => call_type(expr, kind, bare, arguments, known),
        _ => unknown(expr, name),
    }
}

fn call_type(
    expr: &Expr,
    kind: &str,
    name: &str,
    arguments: &[Made],
    known: &mut Known,
) -> Result<Value, Unreadable> {
    match (kind, name, arguments) {
        ("Guid", "NewGuid", []) => Ok(text("tracking_id")),
        ("JsonConvert", "SerializeObject", [value, ..])
        | ("JObject" | "JArray" | "JToken", "FromObject", [value]) => {
            Ok(Value::Made(value.clone()))
        }
        ("JsonConvert", "DeserializeObject", [Made::Cel(cel)])
        | ("JObject" | "JArray" | "JToken", "Parse", [Made::Cel(cel)])
            if cel.code == "request.body" =>
        {
            Ok(Value::Made(Made::Cel(Cel::plain("request.json", false))))
        }
        ("string" | "String", "IsNullOrEmpty" | "IsNullOrWhiteSpace", [value]) => {
            if name == "IsNullOrWhiteSpace" {
                let message =
                    "IsNullOrWhiteSpace became IsNullOrEmpty: blanks count as a text".to_owned();
                known.notes.push(Unreadable { at: expr.at, message });
            }
            let there = if let Made::Cel(cel) = value { cel.there() } else { None };
            let absent = there.map_or_else(String::new, |there| format!("!({there}) || "));
            match value.operand() {
                Some(code) => {
                    let code = format!("{absent}{code} == ''");
                    Ok(Value::Made(Made::Cel(Cel::operation(code, false))))
                }
                None => unknown(expr, name),
            }
        }
        _ => unknown(expr, &format!("{kind}.{name}")),
    }
}

fn call_made(expr: &Expr, made: Made, name: &str, arguments: &[Made]) -> Result<Value, Unreadable> {
    let bare = name.split('<').next().unwrap_or_default();
    let keeps = ["GetString", "GetInt32", "GetInt64", "GetDouble", "GetBoolean", "Value"];
    match (bare, &made, arguments) {
        (_, _, []) if keeps.contains(&bare) => Ok(Value::Made(made)),
        ("ToString", Made::Json(Json::Number(number)), []) => {
            Ok(Value::Made(Made::Text(number.to_string())))
        }
        // The whole body is what it was as a text.
        ("ToString", Made::Cel(cel), []) if !cel.is_text && cel.code != "request.json" => {
            Ok(Value::Made(Made::Cel(Cel { cast: true, ..cel.clone() })))
        }
        ("ToString", _, []) => Ok(Value::Made(made)),
        // What we write is RFC 3339, as these formats are.
        ("ToString", Made::Cel(cel), [Made::Text(format)])
            if cel.code == "now" && ["O", "o", "u", "s"].contains(&format.as_str())
                || cel.code == "tracking_id" && format.eq_ignore_ascii_case("d") =>
        {
            Ok(Value::Made(made))
        }
        ("First" | "FirstOrDefault", Made::Cel(cel), []) if cel.is_text => Ok(Value::Made(made)),
        ("GetProperty" | "Value" | "GetValue", Made::Cel(cel), [Made::Text(key)])
            if !cel.is_text =>
        {
            Ok(Value::Made(Made::Cel(Cel::member(cel, key, false))))
        }
        ("SelectToken", Made::Cel(cel), [Made::Text(path)]) if !cel.is_text => {
            let path = path.trim_start_matches("$.");
            if path.contains(['[', '*', '?', '$']) || path.contains("..") {
                return unknown(expr, name);
            }
            let step = |cel: Cel, key| Cel::member(&cel, key, false);
            Ok(Value::Made(Made::Cel(path.split('.').fold(cel.clone(), step))))
        }
        (_, _, [argument]) if function(bare).is_some() => {
            let code = made.operand().zip(argument.operand()).zip(function(bare));
            let code = code.map(|((code, argument), name)| format!("{code}.{name}({argument})"));
            code.map_or_else(
                || unknown(expr, name),
                |code| Ok(Value::Made(Made::Cel(Cel::plain(code, false)))),
            )
        }
        ("Split" | "Substring", Made::Cel(cel), _) if holds_token(cel) => Ok(Value::Made(made)),
        _ => unknown(expr, name),
    }
}

/// Whether it is the header with the client's token: any way to get at that token is the same.
fn holds_token(cel: &Cel) -> bool {
    cel.code.contains("request.headers['authorization']")
}

/// A function of texts that both languages have.
fn function(name: &str) -> Option<&'static str> {
    let both = [("Contains", "contains"), ("StartsWith", "startsWith"), ("EndsWith", "endsWith")];
    both.into_iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| ours)
}

fn unknown<T>(expr: &Expr, name: &str) -> Result<T, Unreadable> {
    fail(expr, &format!("`{name}` has no counterpart here"))
}
