//! A reply's body must fit its content type.

use envoy_service_bus::reply::is_json;

use super::case::Case;
use crate::finding::Finding;
use crate::text::Position;
use crate::yaml::{Node, Value};

/// Body and content type of one reply.
#[derive(Debug)]
pub(super) struct Reply {
    place: String,
    at: Position,
    /// `None` when there is none, or when it depends on the request.
    content_type: Option<String>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Text(String),
    /// An object or a list.
    Json,
}

impl Reply {
    /// Reads a reply; `None` when nothing can be told of its body.
    pub(super) fn read(reply: &Node, place: &str) -> Option<Self> {
        let (key, body) = reply.member("body")?;
        let headers = reply.get("headers").map(|node| node.members()).unwrap_or_default();
        let mut headers = headers.iter();
        let found = headers.find(|(key, _)| key.name.eq_ignore_ascii_case("content-type"));
        let content_type = found.and_then(|(_, value)| value.str()).map(str::to_owned);
        if content_type.as_ref().is_some_and(|name| name.contains("${")) {
            return None;
        }
        let body = match &body.value {
            Value::Scalar { text, .. } => Body::Text(text.as_str().trim_start().to_owned()),
            Value::List(_) | Value::Map(_) => Body::Json,
        };
        Some(Self { place: format!("{place}body"), at: key.at, content_type, body })
    }

    fn misfit(&self) -> Option<String> {
        let other = self.content_type.as_deref().filter(|name| !is_json(name));
        match (&self.body, other) {
            (Body::Json, Some(name)) => Some(format!(
                "goes out as JSON, and content-type says {name:?}: make it a text, or leave the \
                 header out"
            )),
            (Body::Text(text), None) if text.starts_with('<') => Some(
                "goes out as JSON, in quotes: a text goes out as it is where content-type is \
                 another, such as text/xml"
                    .to_owned(),
            ),
            (Body::Text(text), None) if text.starts_with(['{', '[']) => Some(
                "goes out as a text in JSON, in quotes: write it as an object or list".to_owned(),
            ),
            _ => None,
        }
    }
}

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let misfits = case.names.replies.iter().filter_map(|reply| Some((reply, reply.misfit()?)));
    misfits.map(|(reply, message)| case.warning(reply.at, &reply.place, &message)).collect()
}
