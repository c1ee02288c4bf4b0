//! What `context` and C#'s types offer, and our names for it.

mod functions;

use serde_json::Value as Json;

use crate::expr::Expr;
use crate::lexer::Unreadable;
use crate::term::{Answerer, Object, Scope, Term, fail, unknown};
use crate::value::{Cel, Value};
pub(crate) use functions::call;

fn text(code: &str) -> Term {
    Term::Value(Value::Cel(Cel::plain(code, true)))
}

/// Types with functions of their own.
pub(crate) const TYPES: [&str; 10] = [
    "Guid",
    "DateTime",
    "DateTimeOffset",
    "JsonConvert",
    "JObject",
    "JArray",
    "JToken",
    "String",
    "TimeSpan",
    "Convert",
];

/// `value.name`.
pub(crate) fn member(
    expr: &Expr,
    term: Term,
    name: &str,
    scope: &mut Scope,
) -> Result<Term, Unreadable> {
    let object = match term {
        Term::Object(object) => object,
        Term::Value(value) => {
            return match (name, value.operand()) {
                ("Length" | "Count", Some(code)) => {
                    Ok(Term::Value(Value::Cel(Cel::plain(format!("size({code})"), false))))
                }
                _ => unknown(expr, name),
            };
        }
    };
    Ok(match (object, name) {
        (Object::Context, "Request") => Term::Object(Object::Request),
        (Object::Context, "Variables") => Term::Object(Object::Variables),
        (Object::Context, "Operation") => Term::Object(Object::Operation),
        (Object::Context, "Response") => return response(expr, scope),
        // Unique, unlike Envoy's, which a client may repeat.
        (Object::Context, "RequestId") => text("tracking_id"),
        (Object::Context, "Timestamp") => text("now"),
        (Object::Operation, "Name" | "Id") => text("route.name"),
        (Object::Request, "Body") => Term::Object(Object::Body),
        (Object::Request, "Headers") => Term::Object(Object::Headers),
        (Object::Request, "MatchedParameters") => Term::Object(Object::Captures),
        (Object::Request, "Url" | "OriginalUrl") => Term::Object(Object::Url),
        (Object::Request, "Method") => text("request.method"),
        (Object::Request, "IpAddress") => text("source.address"),
        (Object::Url, "Query") => Term::Object(Object::Query),
        (Object::Url, "Path") => text("request.url_path"),
        (Object::Url, "Host") => text("request.host"),
        (Object::Url, "Scheme") => text("request.scheme"),
        (Object::Jwt, "Subject") => claim("sub"),
        (Object::Jwt, "Issuer") => claim("iss"),
        (Object::Jwt, "Id") => claim("jti"),
        (Object::Jwt, "Claims") => Term::Object(Object::Claims),
        (Object::Found, "Body") => Term::Object(Object::FoundBody),
        (Object::Found, "StatusCode") => {
            Term::Value(Value::Cel(Cel::plain("lookup.status", false)))
        }
        (Object::Accepted, "StatusCode") => {
            scope.reads_outcome = true;
            Term::Value(Value::Json(201.into()))
        }
        (Object::Accepted, "StatusReason") => Term::Value(Value::Text("Created".to_owned())),
        (Object::Sent(_), "Error") => {
            scope.reads_outcome = true;
            Term::Value(Value::Json(Json::Null))
        }
        (Object::Sent(sent), name) => return sent_member(expr, &sent, name),
        (Object::Span(seconds), "TotalSeconds") => Term::Value(Value::Json(seconds.into())),
        (Object::Type(kind), name) if kind.starts_with("System") => {
            let of_namespace = name.starts_with(|c: char| c.is_ascii_uppercase());
            let is_type = TYPES.contains(&name);
            match (is_type, of_namespace) {
                (true, _) => Term::Object(Object::Type(name.to_owned())),
                (false, true) => Term::Object(Object::Type(format!("{kind}.{name}"))),
                _ => return unknown(expr, name),
            }
        }
        (Object::Type(kind), "UtcNow" | "Now") if kind.starts_with("DateTime") => text("now"),
        (Object::Type(kind), "Empty") if kind.eq_ignore_ascii_case("string") => {
            Term::Value(Value::Text(String::new()))
        }
        _ => return unknown(expr, name),
    })
}

fn response(expr: &Expr, scope: &Scope) -> Result<Term, Unreadable> {
    match scope.answerer {
        Answerer::ServiceBus => Ok(Term::Object(Object::Accepted)),
        Answerer::Backend => fail(expr, "the answer of the backend does not come by the filter"),
        Answerer::Nobody => fail(expr, "nothing has answered before this"),
    }
}

fn sent_member(
    expr: &Expr,
    sent: &super::term::SentMessage,
    name: &str,
) -> Result<Term, Unreadable> {
    Ok(Term::Value(match name {
        "MessageId" => sent.id.clone(),
        "SessionId" => sent.session.clone(),
        "TimeToLive" => sent.time_to_live.clone(),
        _ => return unknown(expr, name),
    }))
}

/// `value[key]`.
pub(crate) fn index(
    expr: &Expr,
    term: Term,
    key: &Value,
    scope: &mut Scope,
) -> Result<Term, Unreadable> {
    match (term, key) {
        (Term::Object(object), Value::Text(key)) => entry(expr, &object, key, scope),
        // The first line of a header: ours are joined.
        (Term::Value(value @ (Value::Text(_) | Value::Joined(_))), Value::Json(number))
            if number.as_u64() == Some(0) =>
        {
            Ok(Term::Value(value))
        }
        (Term::Value(Value::Cel(cel)), Value::Json(number)) if cel.is_text => {
            if number.as_u64() == Some(0) || functions::holds_token(&cel) {
                return Ok(Term::Value(Value::Cel(cel)));
            }
            fail(expr, "only the first of several values can be named")
        }
        (Term::Value(Value::Cel(cel)), Value::Text(key)) if !cel.is_text => {
            Ok(Term::Value(Value::Cel(Cel::member(&cel, key, false))))
        }
        (Term::Value(Value::Map(members)), Value::Text(key)) => {
            match members.into_iter().find(|(name, _)| name == key) {
                Some((_, value)) => Ok(Term::Value(value)),
                None => Ok(Term::Value(Value::Json(Json::Null))),
            }
        }
        (Term::Value(Value::Cel(cel)), Value::Json(number)) if number.is_u64() => {
            let code = format!("{}[{number}]", cel.code);
            Ok(Term::Value(Value::Cel(Cel::plain(code, false))))
        }
        _ => fail(expr, "this index has no counterpart here"),
    }
}

/// What stands under a key.
fn entry(expr: &Expr, object: &Object, key: &str, scope: &mut Scope) -> Result<Term, Unreadable> {
    let cel = match object {
        Object::Headers => match scope.headers.get(&key.to_ascii_lowercase()) {
            Some(Some(value)) => return Ok(Term::Value(value.clone())),
            Some(None) => return fail(expr, &format!("the header {key:?} was changed before")),
            None => Cel::header(key),
        },
        Object::Query => Cel::entry("request.query", key),
        Object::Claims => return Ok(claim(key)),
        Object::Captures => {
            if scope.query.iter().any(|name| name == key) {
                Cel::entry("request.query", key)
            } else if let Some((_, own)) = scope.captures.iter().find(|(name, _)| name == key) {
                Cel::plain(format!("path.{own}"), true)
            } else {
                return fail(expr, &format!("--operation has no parameter {{{key}}}"));
            }
        }
        Object::Variables => {
            return match scope.variables.get(key) {
                Some(term) => term.clone(),
                None => fail(expr, &format!("the variable {key:?} is not set before")),
            };
        }
        Object::Sent(_) => return member(expr, Term::Object(object.clone()), key, scope),
        _ => return unknown(expr, key),
    };
    Ok(Term::Value(Value::Cel(cel)))
}

fn claim(name: &str) -> Term {
    Term::Value(Value::Cel(Cel {
        is_text: true,
        ..Cel::member(&Cel::plain("jwt", false), name, true)
    }))
}
