//! What the client is told: `return-response`, and changes of an answer.

use serde_json::{Map, Value as Json, json};

use crate::body::SetBody;
use crate::message::set_header;
use crate::report::Report;
use crate::term::{Object, Scope, Term};
use crate::value::{Cel, Value};
use crate::xml::Element;

/// The answer to an accepted message, or with what a lookup has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: Option<u16>,
    headers: Vec<(String, Value)>,
    /// Empty, where it is not set.
    body: Option<Value>,
}

impl Reply {
    /// An empty answer.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// Reads `return-response`.
    pub(crate) fn read(element: &Element, scope: &mut Scope, report: &mut Report) -> Self {
        element.dismiss_itself();
        let mut reply = Self::empty(200);
        if let Some(name) = element.attribute("response-variable-name") {
            match name.text().and_then(|name| scope.variables.get(name)) {
                Some(Ok(Term::Object(Object::Accepted))) => reply = Self::empty(201),
                Some(Ok(Term::Object(Object::Found))) => {
                    reply.body = Some(Value::Cel(Cel::plain("lookup.json", false)));
                }
                _ => report.leave_out(
                    name.at,
                    "return-response response-variable-name",
                    "only answers of Service Bus and of lookups can be told",
                ),
            }
        }
        for child in &element.children {
            reply.change(child, scope, report);
        }
        reply
    }

    /// Takes an element that changes an answer; whether it is one.
    pub(crate) fn change(
        &mut self,
        element: &Element,
        scope: &mut Scope,
        report: &mut Report,
    ) -> bool {
        match element.name.as_str() {
            "set-status" => self.set_status(element, scope, report),
            "set-header" => self.set_header(element, scope, report),
            "set-body" => {
                element.dismiss_itself();
                self.body = SetBody::read(element, scope).take(report).or_else(|| self.body.take());
            }
            _ => return false,
        }
        true
    }

    fn set_status(&mut self, element: &Element, scope: &mut Scope, report: &mut Report) {
        element.dismiss_itself();
        let Some(content) = element.attribute("code") else {
            return report.leave_out(element.at, "set-status", "has no code");
        };
        let code = match report.value("set-status code", content, scope) {
            Some(Value::Text(text)) => text.trim().parse().ok(),
            Some(Value::Json(number)) => number.as_u64().and_then(|code| u16::try_from(code).ok()),
            Some(_) => None,
            None => return,
        };
        match code {
            Some(code) if (200..300).contains(&code) => self.status = Some(code),
            _ => {
                let why = "the reply to an accepted message has a status from 200 to 299; what is \
                           told of a failure stands in reply.failures";
                report.leave_out(content.at, "set-status code", why);
            }
        }
    }

    fn set_header(&mut self, element: &Element, scope: &mut Scope, report: &mut Report) {
        let Some(header) = set_header(element, scope, report) else { return };
        element.dismiss_itself();
        if header.action == "delete" {
            return self.headers.retain(|(name, _)| *name != header.name);
        }
        let Some(value) = report.take("set-header", &header.value) else { return };
        let value = match value {
            Value::Json(value) => Value::Text(value.to_string()),
            other => other,
        };
        match self.headers.iter().position(|(name, _)| *name == header.name) {
            Some(_) if header.action == "skip" => {}
            Some(_) if header.action == "append" => self.headers.push((header.name, value)),
            _ => {
                self.headers.retain(|(name, _)| *name != header.name);
                self.headers.push((header.name, value));
            }
        }
    }

    /// The section `reply`. A body that is no JSON goes out as it is, under a content type that
    /// says so.
    pub(crate) fn section(&self) -> Json {
        let mut headers = self.headers.clone();
        let content_type = headers.iter().find(|(name, _)| name == "content-type");
        let is_json = content_type.map(|(_, value)| match value {
            Value::Text(text) => text.contains("json"),
            _ => false,
        });
        let body = self.body.clone().unwrap_or_else(|| Value::Text(String::new()));
        let tree = if is_json == Some(false) { body.clone() } else { body.clone().or_tree() };
        let body = match tree {
            // The same JSON, which would else be a text of JSON.
            Value::Cel(cel) if is_json == Some(true) && cel.code == "request.body" => {
                Value::Cel(Cel::plain("request.json", false))
            }
            tree => tree,
        };
        let is_text = match &body {
            Value::Text(text) => !text.is_empty(),
            Value::Joined(_) => true,
            Value::Cel(cel) => cel.is_text,
            _ => false,
        };
        if is_text && is_json.is_none() {
            headers.push(("content-type".to_owned(), Value::Text("text/plain".to_owned())));
        }
        let mut reply = Map::new();
        if let Some(status) = self.status {
            reply.insert("status".to_owned(), status.into());
        }
        if !headers.is_empty() {
            let headers = headers.iter().map(|(name, value)| (name.clone(), value.template()));
            reply.insert("headers".to_owned(), Json::Object(headers.collect()));
        }
        reply.insert("body".to_owned(), body.template());
        json!(reply)
    }
}
