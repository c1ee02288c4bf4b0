//! What expressions read: one request, and the answer of a lookup.

use std::cell::OnceCell;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::EvalError;
use super::path::{Collection, Path, RequestValue, Step};
use crate::headers::Headers;
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

/// The answer of a lookup.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
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
            Path::Capture(name) => self.capture(name).map(Value::String),
            Path::Jwt(steps) => self.attributes.jwt.as_ref().and_then(|jwt| walk(jwt, steps)),
            Path::LookupBody => text(self.lookup.and_then(|found| utf8(&found.body))),
            Path::LookupHeader(name) => self.lookup.and_then(|found| header(&found.headers, name)),
            Path::LookupJson(steps) => walk(self.lookup_json()?, steps),
            Path::LookupStatus => self.lookup.map(|found| found.status.into()),
            Path::Now => self.now.and_then(time).map(Value::String),
            Path::Request(value) => return self.request(value),
            Path::RouteName => text(Some(self.route)),
            Path::SourceAddress => text(self.attributes.source_address.as_deref()),
            Path::TrackingId => text(Some(self.tracking_id)),
        })
    }

    fn request(&self, value: &RequestValue) -> Result<Option<Value>, EvalError> {
        let text = |text: Option<&str>| text.map(|text| Value::String(text.to_owned()));
        let first = |name| text(self.headers.first_text(name));
        let (path, query) = self.target();
        Ok(match value {
            RequestValue::Body => match utf8(self.body) {
                Some(body) => text(Some(body)),
                None => return Err(EvalError::Failed),
            },
            RequestValue::Header(name) => header(self.headers, name),
            RequestValue::Host => first(":authority"),
            RequestValue::Id => first("x-request-id"),
            RequestValue::Json(steps) => walk(self.json()?, steps),
            RequestValue::Method => first(":method"),
            RequestValue::Path => first(":path"),
            RequestValue::Query => Some(Value::Object(parameters(query))),
            RequestValue::QueryParameter(name) => parameters(query).remove(name),
            RequestValue::Scheme => first(":scheme"),
            RequestValue::Size => Some(self.body.len().into()),
            RequestValue::Time => self.now.and_then(time).map(Value::String),
            RequestValue::UrlPath => text(path),
        })
    }

    fn target(&self) -> (Option<&str>, &str) {
        match self.headers.first_text(":path").map(|target| target.split_once('?')) {
            Some(Some((path, query))) => (Some(path), query),
            _ => (self.headers.first_text(":path"), ""),
        }
    }

    fn capture(&self, name: &str) -> Option<String> {
        let (_, text) = self.captures.iter().find(|(key, _)| key == name)?;
        percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned())
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

    /// A map that is read by a computed key.
    pub(super) fn map(&self, collection: Collection) -> Map<String, Value> {
        match collection {
            Collection::Captures => {
                let capture = |(name, _): &(String, String)| {
                    self.capture(name).map(|text| (name.clone(), Value::String(text)))
                };
                self.captures.iter().filter_map(capture).collect()
            }
            Collection::Headers => headers_map(self.headers),
            Collection::LookupHeaders => {
                self.lookup.map(|found| headers_map(&found.headers)).unwrap_or_default()
            }
        }
    }
}

/// All headers that are text, lines joined.
fn headers_map(headers: &Headers) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, _) in headers.iter() {
        if let Some(name) = utf8(name).filter(|name| !map.contains_key(*name))
            && let Some(value) = header(headers, name)
        {
            map.insert(name.to_owned(), value);
        }
    }
    map
}

fn header(headers: &Headers, name: &str) -> Option<Value> {
    let joined = headers.joined(name)?;
    utf8(&joined).map(|text| Value::String(text.to_owned()))
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// RFC 3339 in UTC, to the millisecond.
fn time(since_epoch: Duration) -> Option<String> {
    let seconds = i64::try_from(since_epoch.as_secs()).ok()?;
    let date = DateTime::from_timestamp(seconds, since_epoch.subsec_nanos())?;
    Some(date.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Query parameters, decoded as a form; the first of a name counts.
fn parameters(query: &str) -> Map<String, Value> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
    };
    let mut parameters = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let (Some(name), Some(value)) = (decode(name), decode(value)) {
            parameters.entry(name).or_insert(Value::String(value));
        }
    }
    parameters
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
