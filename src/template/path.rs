//! Names of values: `request.json.items[0]`, read directly where nothing else is in an expression.

use super::names::Names;

/// One step from a value into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Index(usize),
    Key(String),
}

/// The name of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    Capture(String),
    Jwt(Vec<Step>),
    LookupBody,
    LookupHeader(String),
    LookupJson(Vec<Step>),
    LookupStatus,
    MessageId,
    Now,
    Request(RequestValue),
    RouteName,
    SourceAddress,
    TrackingId,
}

impl Path {
    /// The header of the request that it is read from.
    pub(super) fn header(&self) -> Option<&str> {
        let Self::Request(value) = self else { return None };
        match value {
            RequestValue::Header(name) => Some(name),
            RequestValue::Host => Some(":authority"),
            RequestValue::Id => Some("x-request-id"),
            RequestValue::Method => Some(":method"),
            RequestValue::Path
            | RequestValue::Query
            | RequestValue::QueryParameter(_)
            | RequestValue::UrlPath => Some(":path"),
            RequestValue::Scheme => Some(":scheme"),
            RequestValue::Body
            | RequestValue::Json(_)
            | RequestValue::Size
            | RequestValue::Time => None,
        }
    }
}

/// A value of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestValue {
    Body,
    Header(String),
    Host,
    Id,
    Json(Vec<Step>),
    Method,
    Path,
    Query,
    QueryParameter(String),
    Scheme,
    Size,
    Time,
    UrlPath,
}

/// A map that an expression may read by a key that it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collection {
    Captures,
    Headers,
    LookupHeaders,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Map(Collection),
    Value(Path),
}

const ROOTS: &str = "jwt, lookup, message, now, path, request, route, source, tracking_id";
const REQUEST: &str =
    "body, headers, host, id, json, method, path, query, scheme, size, time, url_path";

impl Named {
    /// Finds what a name stands for.
    ///
    /// # Errors
    /// When there is no such name here.
    pub(super) fn resolve(root: &str, steps: &[Step], names: &Names) -> Result<Self, String> {
        match root {
            "request" => resolve_request(steps, names),
            "path" => match first_key(steps) {
                None => map(Collection::Captures, steps, root),
                Some((capture, rest)) => {
                    let known = names.captures.as_deref();
                    if let Some(known) = known.filter(|known| !known.iter().any(|n| n == capture)) {
                        return Err(unknown_capture(capture, known));
                    }
                    leaf(Path::Capture(capture.to_owned()), &format!("path.{capture}"), rest)
                }
            },
            "jwt" => {
                names.need_jwt();
                Ok(Self::Value(Path::Jwt(steps.to_vec())))
            }
            "lookup" => resolve_lookup(steps, names),
            "message" if names.message => match field(root, steps, "id")? {
                ("id", rest) => leaf(Path::MessageId, "message.id", rest),
                (other, _) => Err(unknown(root, other, "id")),
            },
            "message" => Err("`message` is there in the headers of `forward` alone".to_owned()),
            "tracking_id" => leaf(Path::TrackingId, root, steps),
            "now" => leaf(Path::Now, root, steps),
            "route" => match field(root, steps, "name")? {
                ("name", rest) => leaf(Path::RouteName, "route.name", rest),
                (other, _) => Err(unknown(root, other, "name")),
            },
            "source" => match field(root, steps, "address")? {
                ("address", rest) => {
                    names.need_source_address();
                    leaf(Path::SourceAddress, "source.address", rest)
                }
                (other, _) => Err(unknown(root, other, "address")),
            },
            other => Err(format!("unknown name `{other}`, expected one of {ROOTS}")),
        }
    }
}

fn resolve_request(steps: &[Step], names: &Names) -> Result<Named, String> {
    let (name, rest) = field("request", steps, REQUEST)?;
    let full = format!("request.{name}");
    if !names.body && matches!(name, "body" | "json" | "size") {
        return Err(format!("`{full}` is not there: the body is read for a message alone"));
    }
    let value = match name {
        "headers" => match first_key(rest) {
            Some((header, rest)) => {
                let value = RequestValue::Header(lower_case(header)?);
                return leaf(Path::Request(value), &format!("{full}.{header}"), rest);
            }
            None => return map(Collection::Headers, rest, &full),
        },
        "query" => match first_key(rest) {
            Some((parameter, rest)) => {
                let value = RequestValue::QueryParameter(parameter.to_owned());
                return leaf(Path::Request(value), &format!("{full}.{parameter}"), rest);
            }
            None => RequestValue::Query,
        },
        "json" => return Ok(Named::Value(Path::Request(RequestValue::Json(rest.to_vec())))),
        "body" => RequestValue::Body,
        "host" => RequestValue::Host,
        "id" => RequestValue::Id,
        "method" => RequestValue::Method,
        "path" => RequestValue::Path,
        "scheme" => RequestValue::Scheme,
        "size" => RequestValue::Size,
        "time" => RequestValue::Time,
        "url_path" => RequestValue::UrlPath,
        other => return Err(unknown("request", other, REQUEST)),
    };
    leaf(Path::Request(value), &full, rest)
}

fn resolve_lookup(steps: &[Step], names: &Names) -> Result<Named, String> {
    const LOOKUP: &str = "body, headers, json, status";
    if !names.lookup {
        return Err("`lookup` is there in the reply of a lookup alone".to_owned());
    }
    match field("lookup", steps, LOOKUP)? {
        ("status", rest) => leaf(Path::LookupStatus, "lookup.status", rest),
        ("body", rest) => leaf(Path::LookupBody, "lookup.body", rest),
        ("json", rest) => Ok(Named::Value(Path::LookupJson(rest.to_vec()))),
        ("headers", rest) => match first_key(rest) {
            Some((header, rest)) => {
                let path = Path::LookupHeader(lower_case(header)?);
                leaf(path, &format!("lookup.headers.{header}"), rest)
            }
            None => map(Collection::LookupHeaders, rest, "lookup.headers"),
        },
        (other, _) => Err(unknown("lookup", other, LOOKUP)),
    }
}

/// Envoy's header names are in lower case.
fn lower_case(header: &str) -> Result<String, String> {
    let lower = header.to_ascii_lowercase();
    if lower == header {
        Ok(lower)
    } else {
        Err(format!("names of headers are in lower case: `{lower}`"))
    }
}

fn first_key(steps: &[Step]) -> Option<(&str, &[Step])> {
    match steps.split_first() {
        Some((Step::Key(key), rest)) => Some((key, rest)),
        _ => None,
    }
}

/// The first key of a name whose root is nothing by itself.
fn field<'a>(root: &str, steps: &'a [Step], known: &str) -> Result<(&'a str, &'a [Step]), String> {
    first_key(steps).ok_or_else(|| format!("say what to read of `{root}`: one of {known}"))
}

fn leaf(path: Path, name: &str, rest: &[Step]) -> Result<Named, String> {
    if rest.is_empty() {
        Ok(Named::Value(path))
    } else {
        Err(format!("`{name}` has nothing in it"))
    }
}

fn map(collection: Collection, rest: &[Step], name: &str) -> Result<Named, String> {
    if rest.is_empty() {
        Ok(Named::Map(collection))
    } else {
        Err(format!("`{name}` is not a list"))
    }
}

fn unknown(root: &str, name: &str, known: &str) -> String {
    format!("unknown name `{root}.{name}`, expected one of {known}")
}

fn unknown_capture(name: &str, known: &[String]) -> String {
    if known.is_empty() {
        format!("unknown name `path.{name}`: the route's path has no captures")
    } else {
        unknown("path", name, &known.join(", "))
    }
}

/// Reads a source that is nothing but a name; `None` for any other expression.
pub(super) fn parse(source: &str) -> Option<(&str, Vec<Step>)> {
    let source = source.trim();
    let (root, mut rest) = identifier(source)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let (key, after) = identifier(after)?;
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else {
            let (step, after) = index(rest.strip_prefix('[')?)?;
            steps.push(step);
            rest = after;
        }
    }
    // These are CEL's own, not names.
    (!matches!(root, "true" | "false" | "null" | "in")).then_some((root, steps))
}

fn identifier(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well.then_some((name, rest))
}

/// `0]` or `'key']`; a key with a backslash is left to CEL.
fn index(text: &str) -> Option<(Step, &str)> {
    let (inside, step): (usize, fn(&str) -> Option<Step>) = match text.chars().next()? {
        quote @ ('\'' | '"') => {
            let end = text.get(1..)?.find(quote)?;
            (end + 2, |text| {
                let key = text.get(1..text.len().checked_sub(1)?)?;
                (!key.contains('\\')).then(|| Step::Key(key.to_owned()))
            })
        }
        _ => (text.find(']')?, |text| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse().ok().map(Step::Index)).flatten()
        }),
    };
    let step = step(text.get(..inside)?)?;
    Some((step, text.get(inside..)?.strip_prefix(']')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }

    #[test]
    fn a_name_alone_is_read_directly() {
        let cases = [
            ("now", ("now", vec![])),
            (" request.json.a_1 ", ("request", vec![key("json"), key("a_1")])),
            (
                "a['b c'][\"d'\"][10].e",
                ("a", vec![key("b c"), key("d'"), Step::Index(10), key("e")]),
            ),
            ("a['']", ("a", vec![key("")])),
        ];
        for (source, expected) in cases {
            assert_eq!(parse(source), Some(expected), "{source}");
        }
    }

    #[test]
    fn anything_else_is_an_expression() {
        let cases = [
            "",
            "1",
            "'a'",
            "a + b",
            "a.b()",
            "a[b]",
            "a[-1]",
            "a[1",
            "a['b]",
            "a.",
            "a..b",
            "a[r'b']",
            "a['b\\'c']",
            "a.?b",
            "a [0]",
            "true",
            "null",
            ".a",
            "a['b'",
            "é",
        ];
        for source in cases {
            assert_eq!(parse(source), None, "{source}");
        }
    }
}
