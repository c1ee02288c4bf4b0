//! Headers of a request to Service Bus: credentials, broker properties, properties.

use envoy_service_bus::json;
use serde_json::Value as Json;

use super::Message;
use crate::lexer::{Kind, Piece as LexedPiece, Token};
use crate::report::{Evaluated, Report};
use crate::term::{Object, Scope, Term};
use crate::value::{Piece, Value};
use crate::xml::{Content, ContentKind, Element};

/// A `set-header` that has been met.
#[derive(Clone, Debug)]
pub(crate) struct SetHeader<'a> {
    pub(crate) element: &'a Element,
    /// In lower case.
    pub(crate) name: String,
    /// `override`, `skip`, `append` or `delete`.
    pub(crate) action: String,
    pub(crate) value: Evaluated,
    /// Whether a signature made with a key, or a token, stands in it.
    pub(crate) credentials: Option<Term>,
}

/// Reads `set-header`, but for its element, which counts as read where it is used.
pub(crate) fn set_header<'a>(
    element: &'a Element,
    scope: &mut Scope,
    report: &mut Report,
) -> Option<SetHeader<'a>> {
    let Some(name) = element.text_of("name").map(str::to_ascii_lowercase) else {
        report.skip(element, "needs a name that is a text");
        return None;
    };
    let action = element.text_of("exists-action").unwrap_or("override").trim().to_owned();
    if !["override", "skip", "append", "delete"].contains(&action.as_str()) {
        let why = "expected override, skip, append or delete: override is taken";
        report.leave_out(element.at, "set-header exists-action", why);
    }
    let value = value_of(element, scope);
    let credentials = match value.term() {
        Ok(term @ Term::Object(Object::Token(_) | Object::Signature)) => Some(term.clone()),
        _ => contents(element).find_map(by_hand),
    };
    Some(SetHeader { element, name, action, value, credentials })
}

/// The contents of its values.
fn contents(element: &Element) -> impl Iterator<Item = &Content> {
    let values = element.children.iter().filter(|child| child.name == "value");
    values.chain([element]).filter_map(|one| one.content())
}

/// The value of a header; several are joined as HTTP does.
pub(crate) fn value_of(element: &Element, scope: &mut Scope) -> Evaluated {
    for child in element.children.iter().filter(|child| child.name == "value") {
        child.dismiss_itself();
    }
    let mut values: Vec<_> =
        contents(element).map(|content| Evaluated::new(content, scope)).collect();
    if values.len() > 1 {
        let texts = values.iter().map(|one| one.value().and_then(Value::pieces));
        if let Some(texts) = texts.collect::<Option<Vec<_>>>() {
            let pieces = texts.join(&[Piece::Text(",".to_owned())][..]);
            return Evaluated::fixed(element.at, Value::joined(pieces));
        }
    }
    values.pop().unwrap_or_else(|| Evaluated::fixed(element.at, Value::Text(String::new())))
}

/// Credentials that a policy makes by hand.
pub(crate) fn by_hand(content: &Content) -> Option<Term> {
    if mentions(content, "SharedAccessSignature") {
        // The key is in a text that must not stand here.
        Some(Term::Object(Object::Signature))
    } else if mentions(content, "Bearer") {
        Some(Term::Object(Object::Token(None)))
    } else {
        None
    }
}

impl Message {
    /// Takes the headers of a request that becomes this message. Yields what identifies the sender.
    pub(super) fn take_headers(
        &mut self,
        headers: &[SetHeader<'_>],
        copies: bool,
        report: &mut Report,
    ) -> Option<Json> {
        let mut credentials = None;
        for header in headers {
            header.element.dismiss_itself();
            if header.action == "delete" {
                self.properties.retain(|(name, _)| *name != header.name);
                continue;
            }
            if copies && header.action != "override" {
                let why = "the policy's own value is taken, whatever the client's header says";
                report.leave_out(header.element.at, "set-header exists-action", why);
            }
            if let Some(found) = self.take_header(header, report) {
                credentials = Some(found);
            }
        }
        credentials
    }

    fn take_header(&mut self, header: &SetHeader<'_>, report: &mut Report) -> Option<Json> {
        match header.name.as_str() {
            "authorization" => match &header.credentials {
                Some(Term::Object(Object::Token(id))) => {
                    return Some(super::managed_identity(id.as_deref()));
                }
                Some(_) => {
                    let variable = serde_json::json!({"env": "SB_CONNECTION_STRING"});
                    return Some(serde_json::json!({"connection_string": variable}));
                }
                None => {
                    let why = "its credentials are not understood: write `credentials`";
                    report.leave_out(header.element.at, "set-header", why);
                }
            },
            "content-type" => self.content_type = report.take("set-header", &header.value),
            "brokerproperties" => {
                let value = report.take_any("set-header", &header.value);
                match value.map(Value::or_tree) {
                    Some(Value::Map(members)) => self.take_broker(members, header, report),
                    Some(_) => report.leave_out(
                        header.element.at,
                        "set-header",
                        "is no JSON object: write send.broker_properties",
                    ),
                    None => {}
                }
            }
            name => {
                if let Some(value) = report.take("set-header", &header.value) {
                    self.properties.retain(|(other, _)| other != name);
                    self.properties.push((name.to_owned(), property(value)));
                }
            }
        }
        None
    }

    fn take_broker(
        &mut self,
        members: Vec<(String, Value)>,
        header: &SetHeader<'_>,
        report: &mut Report,
    ) {
        self.broker_properties.clear();
        for (name, value) in members {
            if !KNOWN.contains(&name.as_str()) {
                let why = format!(
                    "{name} is no broker property, and Service Bus ignores it: write it in \
                     send.properties if receivers are to have it"
                );
                report.leave_out(header.element.at, "set-header", &why);
            } else if value.has_delay() && name != "ScheduledEnqueueTimeUtc" {
                let why = format!("{name} cannot be a time after now");
                report.leave_out(header.element.at, "set-header", &why);
            } else {
                self.broker_properties.push((name, value));
            }
        }
    }
}

/// Broker properties that a sender may set.
const KNOWN: [&str; 13] = [
    "ContentType",
    "CorrelationId",
    "Label",
    "Subject",
    "MessageId",
    "PartitionKey",
    "ReplyTo",
    "ReplyToSessionId",
    "ScheduledEnqueueTimeUtc",
    "SessionId",
    "TimeToLive",
    "To",
    "ViaPartitionKey",
];

/// The value of a property from its header, where texts stand in quotes.
fn property(value: Value) -> Value {
    match value {
        Value::Text(text) => match json::read(text.as_bytes()) {
            Ok(Json::String(text)) => Value::Text(text),
            Ok(value @ (Json::Number(_) | Json::Bool(_))) => Value::Json(value),
            _ => Value::Text(text),
        },
        Value::Joined(mut pieces) => {
            if let [Piece::Text(start), _, .., Piece::Text(end)] = pieces.as_mut_slice()
                && start.starts_with('"')
                && end.ends_with('"')
            {
                start.remove(0);
                end.pop();
            }
            Value::joined(pieces)
        }
        other => other,
    }
}

/// Whether a word stands in any text of a content.
pub(crate) fn mentions(content: &Content, word: &str) -> bool {
    fn any(tokens: &[Token], word: &str) -> bool {
        tokens.iter().any(|token| match &token.kind {
            Kind::Text(text) => text.contains(word),
            Kind::Joined(pieces) => pieces.iter().any(|piece| match piece {
                LexedPiece::Text(text) => text.contains(word),
                LexedPiece::Code(tokens) => any(tokens, word),
            }),
            _ => false,
        })
    }
    match &content.kind {
        ContentKind::Text(text) => text.contains(word),
        ContentKind::Expression(tokens) | ContentKind::Statements(tokens) => any(tokens, word),
        ContentKind::Unreadable(_) => false,
    }
}
