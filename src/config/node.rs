//! Reads values of a configuration; each refusal names the place, what was expected and found.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde_json::Number;

use super::error::Findings;
use super::json::Json;

/// A value with its place.
pub(crate) struct Node<'a> {
    json: &'a Json,
    place: String,
    offset: usize,
    findings: &'a Findings,
}

impl<'a> Node<'a> {
    pub(crate) fn root(json: &'a Json, findings: &'a Findings) -> Self {
        Self { json, place: String::new(), offset: 0, findings }
    }

    pub(crate) fn json(&self) -> &'a Json {
        self.json
    }

    pub(crate) fn error(&self, message: impl Into<String>) {
        self.findings.error(&self.place, self.offset, message);
    }

    pub(crate) fn warn(&self, message: impl Into<String>) {
        self.findings.warn(&self.place, self.offset, message);
    }

    /// Reports that something else stands here.
    pub(crate) fn expected(&self, what: &str) {
        let found = match self.json {
            Json::Bool(value) => value.to_string(),
            Json::Number(value) => value.to_string(),
            Json::Text(value) => quoted(value),
            other => other.kind().to_owned(),
        };
        self.error(format!("expected {what}, found {found}"));
    }

    /// Like `expected`, for places where a secret may stand by mistake.
    pub(crate) fn expected_secretly(&self, what: &str) {
        let found = match self.json {
            Json::Bool(value) => value.to_string(),
            other => other.kind().to_owned(),
        };
        self.error(format!("expected {what}, found {found}"));
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self.json, Json::Object(_))
    }

    /// The text that stands here; anything else is not reported.
    pub(crate) fn text_quietly(&self) -> Option<&'a str> {
        match self.json {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        let text = self.text_quietly();
        if text.is_none() {
            self.expected("a string");
        }
        text
    }

    pub(crate) fn filled_text(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.is_empty() {
            self.error("must not be empty");
            return None;
        }
        Some(text)
    }

    pub(crate) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let found = match self.json {
            Json::Number(number) => Number::as_u64(number),
            _ => None,
        };
        let value = found.filter(|value| range.contains(value));
        if value.is_none() {
            self.expected(&format!("an integer from {} to {}", range.start(), range.end()));
        }
        value
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        let Json::Bool(value) = self.json else {
            self.expected("true or false");
            return None;
        };
        Some(*value)
    }

    /// Reads one of a few words.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let word = self.text_quietly();
        if let Some((_, value)) = choices.iter().find(|(choice, _)| Some(*choice) == word) {
            return Some(*value);
        }
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        self.expected(&words.join(" or "));
        None
    }

    pub(crate) fn list(&self) -> Option<Vec<Node<'a>>> {
        let Json::List(items) = self.json else {
            self.expected("a list");
            return None;
        };
        let node = |(index, (offset, json)): (usize, &'a (usize, Json))| Node {
            json,
            place: format!("{}[{index}]", self.place),
            offset: *offset,
            findings: self.findings,
        };
        Some(items.iter().enumerate().map(node).collect())
    }

    /// The members of an object in their order; a key that stands twice is reported.
    pub(crate) fn members(&self) -> Option<Vec<(&'a str, Node<'a>)>> {
        let Json::Object(members) = self.json else {
            self.expected("an object");
            return None;
        };
        let mut seen = BTreeSet::new();
        let mut nodes = Vec::with_capacity(members.len());
        for (offset, key, json) in members {
            let (place, offset) = (self.child_place(key), *offset);
            let node = Node { json, place, offset, findings: self.findings };
            if seen.insert(key) {
                nodes.push((key.as_str(), node));
            } else {
                node.error("the key stands here a second time");
            }
        }
        Some(nodes)
    }

    pub(crate) fn fields(&self) -> Option<Fields<'a>> {
        let members = self.members()?;
        let Self { offset, findings, .. } = *self;
        Some(Fields { place: self.place.clone(), offset, findings, members, known: vec![] })
    }

    /// Like `fields`, for places where a secret may stand by mistake.
    pub(crate) fn fields_secretly(&self) -> Option<Fields<'a>> {
        if !self.is_object() {
            self.expected_secretly("an object");
            return None;
        }
        self.fields()
    }

    fn child_place(&self, key: &str) -> String {
        join(&self.place, key)
    }
}

/// An object with a fixed set of keys.
pub(crate) struct Fields<'a> {
    place: String,
    offset: usize,
    findings: &'a Findings,
    members: Vec<(&'a str, Node<'a>)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(crate) fn optional(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.known.push(key);
        let index = self.members.iter().position(|(name, _)| *name == key)?;
        Some(self.members.remove(index).1)
    }

    pub(crate) fn required(&mut self, key: &'static str) -> Option<Node<'a>> {
        let node = self.optional(key);
        if node.is_none() {
            self.missing(key);
        }
        node
    }

    pub(crate) fn missing(&self, key: &str) {
        self.findings.error(&join(&self.place, key), self.offset, "is required");
    }

    pub(crate) fn error(&self, message: impl Into<String>) {
        self.findings.error(&self.place, self.offset, message);
    }

    /// Reports each key that nobody asked for.
    pub(crate) fn finish(self) {
        for (_, node) in &self.members {
            node.error(format!("unknown key, expected one of {}", self.known.join(", ")));
        }
    }
}

fn join(place: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if key.is_empty() || !key.chars().all(plain) {
        format!("{place}[{}]", quoted(key))
    } else if place.is_empty() {
        key.to_owned()
    } else {
        format!("{place}.{key}")
    }
}

/// The text in quotes, control characters escaped, cut when it is long.
pub(crate) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() > MOST {
        let start: String = text.chars().take(MOST).collect();
        format!("{start:?}…")
    } else {
        format!("{text:?}")
    }
}
