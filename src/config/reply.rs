//! The `reply` section of a route: the answer after Service Bus has confirmed.

use serde_json::{Map, Value};

use super::json::Json;
use super::node::Node;
use crate::template::Template;
use crate::text::is_token;

/// Status, headers and body of the answer.
#[derive(Debug, PartialEq)]
pub struct ReplyConfig {
    /// 200 to 299.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// JSON, or `None` for the default body.
    pub body: Option<Value>,
}

impl Default for ReplyConfig {
    fn default() -> Self {
        Self { status: 202, headers: vec![], body: None }
    }
}

/// Headers that say how the answer is framed, or that are ours to set.
const OWN_HEADERS: [&str; 7] = [
    "connection",
    "content-length",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-tracking-id",
];

pub(super) fn read(node: &Node<'_>) -> Option<ReplyConfig> {
    let mut fields = node.fields()?;
    let status = fields.optional("status").map_or(Some(202), |node| node.integer(200..=299));
    let headers = fields.optional("headers").map_or(Some(vec![]), |node| read_headers(&node));
    let body = fields.optional("body").map_or(Some(None), |node| read_tree(&node).map(Some));
    fields.finish();
    Some(ReplyConfig { status: u16::try_from(status?).ok()?, headers: headers?, body: body? })
}

fn read_headers(node: &Node<'_>) -> Option<Vec<(String, String)>> {
    let read = |(name, node): (&str, Node<'_>)| {
        let name = name.to_ascii_lowercase();
        if !is_token(&name) || OWN_HEADERS.contains(&name.as_str()) {
            node.error("cannot be set as a header of a reply");
            return None;
        }
        let value = read_template(&node)?;
        if !value.as_str().bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            node.expected("visible ASCII characters");
            return None;
        }
        Some((name, value.as_str().to_owned()))
    };
    let headers: Vec<_> = node.members()?.into_iter().map(read).collect();
    headers.into_iter().collect()
}

/// A text that may hold expressions one day.
pub(super) fn read_template(node: &Node<'_>) -> Option<Template> {
    match Template::parse(node.text()?) {
        Ok(template) => Some(template),
        Err(error) => {
            node.error(error.to_string());
            None
        }
    }
}

/// A tree of JSON whose texts are templates.
pub(super) fn read_tree(node: &Node<'_>) -> Option<Value> {
    match node.json() {
        Json::Null => Some(Value::Null),
        Json::Bool(value) => Some(Value::Bool(*value)),
        Json::Number(value) => Some(Value::Number(value.clone())),
        Json::Text(_) => Some(Value::String(read_template(node)?.as_str().to_owned())),
        Json::List(_) => {
            let items: Vec<_> = node.list()?.iter().map(read_tree).collect();
            items.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Json::Object(_) => {
            let read = |(key, node): (&str, Node<'_>)| Some((key.to_owned(), read_tree(&node)?));
            let members: Vec<_> = node.members()?.into_iter().map(read).collect();
            members.into_iter().collect::<Option<Map<_, _>>>().map(Value::Object)
        }
    }
}
