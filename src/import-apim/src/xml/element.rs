//! Elements that know what of them has been read: what has not is listed in the end.

use std::cell::Cell;

use crate::lexer::{Token, Unreadable};
use crate::position::Position;

/// An element with its place.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) at: Position,
    pub(crate) children: Vec<Element>,
    attributes: Vec<Attribute>,
    /// The text, where there is more than white space.
    content: Option<Content>,
    read: Cell<bool>,
    content_read: Cell<bool>,
}

/// An attribute with its place.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) at: Position,
    value: Content,
    read: Cell<bool>,
}

/// What stands in an attribute or an element.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) at: Position,
    pub(crate) kind: ContentKind,
}

#[derive(Clone, Debug)]
pub(crate) enum ContentKind {
    Text(String),
    /// `@(…)`, its end included as a token.
    Expression(Vec<Token>),
    /// `@{…}`.
    Statements(Vec<Token>),
    /// An expression that cannot be read.
    Unreadable(Unreadable),
}

/// What nobody has read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unread<'a> {
    Element(&'a Element),
    Attribute(&'a Element, &'a Attribute),
    Text(&'a Element, Position),
}

impl Attribute {
    pub(super) const fn new(name: String, at: Position, value: Content) -> Self {
        Self { name, at, value, read: Cell::new(false) }
    }
}

impl Element {
    pub(super) const fn new(name: String, at: Position) -> Self {
        Self {
            name,
            at,
            children: vec![],
            attributes: vec![],
            content: None,
            read: Cell::new(false),
            content_read: Cell::new(false),
        }
    }

    pub(super) fn push(&mut self, attribute: Attribute) {
        self.attributes.push(attribute);
    }

    pub(super) const fn has_content(&self) -> bool {
        self.content.is_some()
    }

    /// An attribute's value, which counts as read from now on.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Content> {
        let found = self.attributes.iter().find(|one| one.name == name)?;
        found.read.set(true);
        Some(&found.value)
    }

    /// An attribute's text. An expression counts as unread still.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|one| one.name == name)?;
        let text = found.value.text()?;
        found.read.set(true);
        Some(text)
    }

    /// The timeout of a request, in seconds.
    pub(crate) fn timeout(&self) -> Option<u64> {
        let number = |name| self.text_of(name)?.trim().parse::<u64>().ok();
        let millis = number("timeout-ms").map(|millis| millis.div_ceil(1000));
        number("timeout").or(millis).filter(|seconds| (1..=3600).contains(seconds))
    }

    /// Whether an attribute of that name stands before it.
    pub(crate) fn repeats(&self, attribute: &Attribute) -> bool {
        let first = self.attributes.iter().find(|one| one.name == attribute.name);
        first.is_some_and(|first| first.at != attribute.at)
    }

    /// The first child of a name, which counts as read from now on.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        let found = self.children.iter().find(|child| child.name == name)?;
        found.dismiss_itself();
        Some(found)
    }

    /// What stands in it, which counts as read from now on.
    pub(crate) fn content(&self) -> Option<&Content> {
        self.content_read.set(true);
        self.content.as_ref()
    }

    /// Its text. An expression counts as unread still.
    pub(crate) fn text(&self) -> Option<&str> {
        let text = self.content.as_ref()?.text()?;
        self.content_read.set(true);
        Some(text.trim())
    }

    /// Whether the element itself is read.
    pub(crate) const fn is_read(&self) -> bool {
        self.read.get()
    }

    /// The element itself is read, or has no effect; what stands in it is looked at by itself.
    pub(crate) fn dismiss_itself(&self) {
        self.read.set(true);
    }

    /// An attribute is told of elsewhere, or has no effect.
    pub(crate) fn dismiss_attribute(&self, name: &str) {
        self.attribute(name);
    }

    /// All of it is told of elsewhere, or has no effect.
    pub(crate) fn dismiss(&self) {
        self.read.set(true);
        self.content_read.set(true);
        for attribute in &self.attributes {
            attribute.read.set(true);
        }
        for child in &self.children {
            child.dismiss();
        }
    }

    /// What has not been read. An element that has not been read stands for all that is in it.
    pub(crate) fn unread<'a>(&'a self, found: &mut Vec<Unread<'a>>) {
        if !self.read.get() {
            found.push(Unread::Element(self));
            return;
        }
        let attributes = self.attributes.iter().filter(|one| !one.read.get());
        found.extend(attributes.map(|one| Unread::Attribute(self, one)));
        if let Some(content) = self.content.as_ref().filter(|_| !self.content_read.get()) {
            found.push(Unread::Text(self, content.at));
        }
        for child in &self.children {
            child.unread(found);
        }
    }

    pub(super) fn add(&mut self, at: Position, kind: ContentKind) {
        if let ContentKind::Text(text) = &kind
            && text.trim().is_empty()
        {
            return;
        }
        match (&mut self.content, kind) {
            (None, kind) => self.content = Some(Content { at, kind }),
            (Some(Content { kind: ContentKind::Text(before), .. }), ContentKind::Text(text)) => {
                before.push_str(&text);
            }
            (Some(Content { kind: ContentKind::Unreadable(_), .. }), _) => {}
            (Some(content), _) => {
                let message = "text and expression side by side are not turned".to_owned();
                content.kind = ContentKind::Unreadable(Unreadable { at, message });
            }
        }
    }
}

impl Content {
    /// The text, if it is no expression.
    pub(crate) fn text(&self) -> Option<&str> {
        if let ContentKind::Text(text) = &self.kind { Some(text) } else { None }
    }
}
