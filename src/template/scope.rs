//! What expressions read: one request, and the answer of a lookup.

use std::cell::OnceCell;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value};

use super::path::{Collection, Path, RequestValue, Step};
use super::{EvalError, query};
use crate::http::{Found, Headers};
use crate::json;
use crate::text::uuid;

/// One request as expressions see it.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The request's headers.
    pub headers: &'a Headers,
    /// The request's body.
    pub body: &'a [u8],
    /// What the path template captured, as it stood in the path.
    pub captures: &'a [(String, String)],
    /// The request's id.
    pub tracking_id: &'a str,
    /// Name of the route.
    pub route: &'a str,
    /// Since the Unix epoch, once it is known.
    pub now: Option<Duration>,
    /// What Envoy knows beyond headers.
    pub attributes: &'a Attributes,
    /// The answer of a lookup.
    pub lookup: Option<&'a Found>,
    /// The id of the message, once it is made.
    pub message_id: Option<&'a str>,
    /// Random bytes for UUIDs.
    pub random: Random,
    json: OnceCell<Option<Value>>,
    lookup_json: OnceCell<Option<Value>>,
}

/// Where random bytes come from.
pub type Random = fn() -> Option<[u8; 16]>;

/// What Envoy knows of a request beyond its headers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    /// Claims of the JSON web token that Envoy has verified.
    pub jwt: Option<Value>,
    /// The client's address with its port.
    pub source_address: Option<String>,
}

impl Attributes {
    /// Bytes that they take, about.
    pub fn size(&self) -> usize {
        let address = self.source_address.as_ref().map_or(0, String::len);
        address + self.jwt.as_ref().map_or(0, size)
    }
}

fn size(value: &Value) -> usize {
    let parts = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => {
            members.iter().map(|(key, value)| size_of::<String>() + key.len() + size(value)).sum()
        }
    };
    size_of::<Value>() + parts
}

impl<'a> Scope<'a> {
    /// A scope without body and lookup.
    pub fn new(headers: &'a Headers, attributes: &'a Attributes, random: Random) -> Self {
        Self {
            headers,
            body: &[],
            captures: &[],
            tracking_id: "",
            route: "",
            now: None,
            attributes,
            lookup: None,
            message_id: None,
            random,
            json: OnceCell::new(),
            lookup_json: OnceCell::new(),
        }
    }

    /// The same request, with the answer of its lookup.
    pub fn with_lookup(&self, found: &'a Found) -> Self {
        Self {
            body: self.body,
            captures: self.captures,
            tracking_id: self.tracking_id,
            route: self.route,
            now: self.now,
            lookup: Some(found),
            ..Self::new(self.headers, self.attributes, self.random)
        }
    }

    /// The value of a name; `None` when it is not there.
    pub(super) fn read(&self, path: &Path) -> Result<Option<Value>, EvalError> {
        let text = |text: Option<&str>| text.map(|text| Value::String(text.to_owned()));
        Ok(match path {
            Path::Capture(name) => self.capture(name)?.map(Value::String),
            Path::Jwt(steps) => self.attributes.jwt.as_ref().and_then(|jwt| walk(jwt, steps)),
            Path::LookupBody => text(self.lookup.map(|found| utf8(&found.body)).transpose()?),
            Path::LookupHeader(name) => match self.lookup {
                Some(found) => header(&found.headers, name)?,
                None => None,
            },
            Path::LookupJson(steps) => walk(self.lookup_json()?, steps),
            Path::LookupStatus => self.lookup.map(|found| found.status.into()),
            Path::MessageId => text(self.message_id),
            Path::Now => self.now.and_then(time).map(Value::String),
            Path::Request(value) => return self.request(value),
            Path::RouteName => text(Some(self.route)),
            Path::SourceAddress => text(self.attributes.source_address.as_deref()),
            Path::TrackingId => text(Some(self.tracking_id)),
        })
    }

    fn request(&self, value: &RequestValue) -> Result<Option<Value>, EvalError> {
        let text = |text: &str| Some(Value::String(text.to_owned()));
        let first = |name| Ok(self.headers.first(name).map(utf8).transpose()?.and_then(text));
        Ok(match value {
            RequestValue::Body => text(utf8(self.body)?),
            RequestValue::Header(name) => header(self.headers, name)?,
            RequestValue::Host => return first(":authority"),
            RequestValue::Id => return first("x-request-id"),
            RequestValue::Json(steps) => walk(self.json()?, steps),
            RequestValue::Method => return first(":method"),
            RequestValue::Path => return first(":path"),
            RequestValue::Query => Some(Value::Object(query::parameters(self.query())?)),
            RequestValue::QueryParameter(name) => {
                query::parameter(self.query(), name)?.map(Value::String)
            }
            RequestValue::Scheme => return first(":scheme"),
            RequestValue::Size => Some(self.body.len().into()),
            RequestValue::Time => self.now.and_then(time).map(Value::String),
            RequestValue::UrlPath => self.target().and_then(|(path, _)| text(path)),
        })
    }

    /// Path and query; a path that is not UTF-8 matches no route.
    fn target(&self) -> Option<(&str, &str)> {
        let target = self.headers.first_text(":path")?;
        Some(target.split_once('?').unwrap_or((target, "")))
    }

    fn query(&self) -> &str {
        self.target().map_or("", |(_, query)| query)
    }

    fn capture(&self, name: &str) -> Result<Option<String>, EvalError> {
        let found = self.captures.iter().find(|(key, _)| key == name);
        found.map(|(_, text)| query::decode(text)).transpose()
    }

    /// The request's JSON, parsed once.
    pub(super) fn json(&self) -> Result<&Value, EvalError> {
        let json = self.json.get_or_init(|| json::read(self.body).ok());
        json.as_ref().ok_or(EvalError::NotJson)
    }

    /// The JSON of a lookup's answer, parsed once.
    pub(super) fn lookup_json(&self) -> Result<&Value, EvalError> {
        let parse = || self.lookup.and_then(|found| json::read(&found.body).ok());
        self.lookup_json.get_or_init(parse).as_ref().ok_or(EvalError::LookupNotJson)
    }

    /// A fresh version 4 UUID.
    pub(super) fn uuid(&self) -> Result<String, EvalError> {
        let bytes = (self.random)().ok_or(EvalError::Failed)?;
        Ok(uuid(bytes))
    }

    /// A map that is read by a computed key, and therefore whole.
    pub(super) fn map(&self, collection: Collection) -> Result<Map<String, Value>, EvalError> {
        match collection {
            Collection::Captures => {
                let capture = |(name, text): &(String, String)| {
                    Ok((name.clone(), Value::String(query::decode(text)?)))
                };
                self.captures.iter().map(capture).collect()
            }
            Collection::Headers => headers_map(self.headers),
            Collection::LookupHeaders => {
                self.lookup.map_or_else(|| Ok(Map::new()), |found| headers_map(&found.headers))
            }
        }
    }
}

/// All headers, lines joined.
fn headers_map(headers: &Headers) -> Result<Map<String, Value>, EvalError> {
    let mut map = Map::new();
    for (name, _) in headers.iter() {
        let name = utf8(name)?;
        if !map.contains_key(name)
            && let Some(value) = header(headers, name)?
        {
            map.insert(name.to_owned(), value);
        }
    }
    Ok(map)
}

fn header(headers: &Headers, name: &str) -> Result<Option<Value>, EvalError> {
    let Some(joined) = headers.joined(name) else { return Ok(None) };
    Ok(Some(Value::String(utf8(&joined)?.to_owned())))
}

fn utf8(bytes: &[u8]) -> Result<&str, EvalError> {
    std::str::from_utf8(bytes).map_err(|_| EvalError::Undecodable)
}

/// RFC 3339 in UTC, to the millisecond.
fn time(since_epoch: Duration) -> Option<String> {
    let seconds = i64::try_from(since_epoch.as_secs()).ok()?;
    let date = DateTime::from_timestamp(seconds, since_epoch.subsec_nanos())?;
    Some(date.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn walk(value: &Value, steps: &[Step]) -> Option<Value> {
    steps
        .iter()
        .try_fold(value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
        .cloned()
}
