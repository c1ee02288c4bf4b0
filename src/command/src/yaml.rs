//! YAML, and so JSON too, as a tree of which each value knows its place.

mod reader;

use std::rc::Rc;

pub(crate) use reader::{Malformed, read};

use crate::text::{Position, Text};

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
    /// Where a merge key `<<` stood, whose maps are among the members.
    merge: Option<Position>,
    /// Values in it, and how many lie one in the other, each alias counted as what it stands for.
    size: usize,
    height: usize,
}

#[derive(Debug)]
pub(crate) enum Value {
    /// A text; `plain` without quotes, so that it may be meant as a number, boolean or null.
    Scalar {
        text: Text,
        plain: bool,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<(Key, Rc<Node>)>),
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) at: Position,
}

impl Node {
    /// The member of a map, whose key may be written in either style of protobuf's JSON.
    pub(crate) fn get(&self, name: &str) -> Option<&Rc<Node>> {
        self.member(name).map(|(_, node)| node)
    }

    /// A member with its key.
    pub(crate) fn member(&self, name: &str) -> Option<(&Key, &Rc<Node>)> {
        let found = self.members().iter().find(|(key, _)| same(&key.name, name));
        found.map(|(key, node)| (key, node))
    }

    /// The first merge key in this value.
    pub(crate) fn first_merge(&self) -> Option<Position> {
        self.merge.or_else(|| self.children().find_map(|child| child.first_merge()))
    }

    /// A value inside of maps.
    pub(crate) fn path(&self, names: &[&str]) -> Option<&Node> {
        names.iter().try_fold(self, |node, name| node.get(name).map(Rc::as_ref))
    }

    pub(crate) fn members(&self) -> &[(Key, Rc<Node>)] {
        match &self.value {
            Value::Map(members) => members,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Rc<Node>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The values of a list or map.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Rc<Node>> {
        self.items().iter().chain(self.members().iter().map(|(_, node)| node))
    }

    pub(crate) fn text(&self) -> Option<&Text> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    pub(crate) fn str(&self) -> Option<&str> {
        self.text().map(Text::as_str)
    }

    /// The text of a member.
    pub(crate) fn str_of(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|node| node.str())
    }

    /// The texts of a list.
    pub(crate) fn strings(&self) -> impl Iterator<Item = &str> {
        self.items().iter().filter_map(|node| node.str())
    }

    pub(crate) fn number(&self) -> Option<u64> {
        self.str()?.parse().ok()
    }

    pub(crate) fn is_true(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if text.as_str() == "true")
    }

    fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The value as JSON, as a control plane hands it on.
    pub(crate) fn to_json(&self) -> Text {
        let mut json = Text::default();
        self.write_json(&mut json);
        json
    }

    fn write_json(&self, json: &mut Text) {
        match &self.value {
            Value::Scalar { text, plain } => {
                json.push_at(&scalar_json(text.as_str(), *plain), self.at);
            }
            Value::List(items) => {
                json.push_at("[", self.at);
                for (index, item) in items.iter().enumerate() {
                    json.push_at(if index > 0 { "," } else { "" }, item.at);
                    item.write_json(json);
                }
                json.push_at("]", self.at);
            }
            Value::Map(members) => {
                json.push_at("{", self.at);
                for (index, (key, value)) in members.iter().enumerate() {
                    json.push_at(if index > 0 { "," } else { "" }, key.at);
                    json.push_at(&scalar_json(&key.name, false), key.at);
                    json.push_at(":", key.at);
                    value.write_json(json);
                }
                json.push_at("}", self.at);
            }
        }
    }
}

/// What Kubernetes' reader takes a scalar for, which knows YAML 1.1's words too.
fn scalar_json(text: &str, plain: bool) -> String {
    let quoted = || serde_json::Value::from(text).to_string();
    if !plain {
        return quoted();
    }
    match text.to_ascii_lowercase().as_str() {
        "" | "~" | "null" => "null".to_owned(),
        "true" | "yes" | "on" => "true".to_owned(),
        "false" | "no" | "off" => "false".to_owned(),
        _ if text.parse::<serde_json::Number>().is_ok() => text.to_owned(),
        _ => quoted(),
    }
}

/// Whether a key is `snake_case` or its `lowerCamelCase`.
fn same(key: &str, snake: &str) -> bool {
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    key == snake || !key.contains('_') && snake.contains('_') && plain(key) == plain(snake)
}
