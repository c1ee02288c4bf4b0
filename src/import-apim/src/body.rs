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
        let liquid = element.attribute("template").and_then(Content::text) == Some("liquid");
        let empty = Value::Text(String::new());
        let value = match element.content() {
            None => Evaluated::fixed(element.at, empty),
            Some(content) if liquid && is_template(content) => {
                let message = "Liquid is not turned".to_owned();
                let unreadable = Unreadable { at: element.at, message };
                let content = Content { at: element.at, kind: ContentKind::Unreadable(unreadable) };
                Evaluated::new(&content, scope)
            }
            Some(content) => Evaluated::new(content, scope),
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

/// Whether Liquid has something to do in a text.
fn is_template(content: &Content) -> bool {
    let marks = ["{{", "{%"];
    content.text().is_none_or(|text| {
        marks.iter().any(|mark| text.contains(mark)) || text.contains(crate::named::MARK)
    })
}
