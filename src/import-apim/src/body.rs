//! `set-body`.

use crate::lexer::Unreadable;
use crate::report::{Evaluated, Report};
use crate::term::Scope;
use crate::value::Value;
use crate::xml::{Content, ContentKind, Element};

/// A `set-body` that has been met.
#[derive(Clone, Debug)]
pub(crate) struct SetBody<'a> {
    pub(crate) element: &'a Element,
    value: Evaluated,
}

impl<'a> SetBody<'a> {
    /// Reads it, but for its element, which counts as read where it is used.
    pub(crate) fn read(element: &'a Element, scope: &mut Scope) -> Self {
        let empty = Value::Text(String::new());
        let value = match (element.attribute("template").map(Content::text), element.content()) {
            (None | Some(Some("liquid" | "none")), None) => Evaluated::fixed(element.at, empty),
            (Some(Some("liquid")), Some(content)) if is_template(content) => {
                unreadable(element, "Liquid is not turned", scope)
            }
            (None | Some(Some("liquid" | "none")), Some(content)) => Evaluated::new(content, scope),
            _ => unreadable(element, "its template is neither liquid nor none", scope),
        };
        Self { element, value }
    }

    /// The body, as far as other expressions may refer to it.
    pub(crate) fn value(&self) -> Option<Value> {
        self.value.value().map(Value::or_tree)
    }

    /// The body; what of it could not be turned is told.
    pub(crate) fn take(&self, report: &mut Report) -> Option<Value> {
        report.take("set-body", &self.value)
    }
}

fn unreadable(element: &Element, message: &str, scope: &mut Scope) -> Evaluated {
    let unreadable = Unreadable { at: element.at, message: message.to_owned() };
    let content = Content { at: element.at, kind: ContentKind::Unreadable(unreadable) };
    Evaluated::new(&content, scope)
}

/// Whether Liquid has something to do in a text.
fn is_template(content: &Content) -> bool {
    let marks = ["{{", "{%"];
    content.text().is_none_or(|text| {
        marks.iter().any(|mark| text.contains(mark)) || text.contains(crate::named::MARK)
    })
}
