//! YAML, and so JSON too, as a tree of which each value knows its place.

use std::collections::BTreeMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::text::{Position, Text, Writing};

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
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

/// What is not YAML.
#[derive(Debug)]
pub(crate) struct Malformed {
    pub(crate) at: Position,
    pub(crate) message: String,
}

/// Aliases of aliases make much of little.
const MOST_VALUES: usize = 1_000_000;
const DEPTH: usize = 200;

/// Reads all documents of a text. Documents without a value are left out.
pub(crate) fn read(text: &Text) -> Result<Vec<Rc<Node>>, Malformed> {
    let chars: Vec<char> = text.as_str().chars().collect();
    let mut reader = Reader { text, chars: &chars, open: vec![], anchors: BTreeMap::new() };
    let mut documents = vec![];
    for event in Parser::new_from_str(text.as_str()) {
        let (event, span) = event.map_err(|error| Malformed {
            at: text.character(error.marker().index()),
            message: format!("not YAML: {}", error.info()),
        })?;
        if let Some(node) = reader.event(event, span)? {
            documents.push(node);
        }
    }
    documents.retain(|node| !node.is_null());
    Ok(documents)
}

struct Reader<'a> {
    text: &'a Text,
    chars: &'a [char],
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Node>>,
}

/// A list or map whose end has not come.
struct Open {
    at: Position,
    anchor: usize,
    children: Vec<Rc<Node>>,
    map: bool,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<Option<Rc<Node>>, Malformed> {
        let at = self.text.character(span.start.index());
        if self.open.len() > DEPTH {
            return Err(too_deep(at));
        }
        let open = |anchor, map| Open { at, anchor, children: vec![], map };
        let (node, anchor) = match event {
            Event::Scalar(value, style, anchor, tag) => {
                let writing = match style {
                    ScalarStyle::Plain => Writing::Plain,
                    ScalarStyle::SingleQuoted => Writing::SingleQuoted,
                    ScalarStyle::DoubleQuoted => Writing::DoubleQuoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Writing::Block,
                };
                let text = self.text.decoded(self.chars, span.start.index(), &value, writing);
                let plain = style == ScalarStyle::Plain && tag.is_none();
                (Node { at, value: Value::Scalar { text, plain }, size: 1, height: 1 }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.open.push(open(anchor, false));
                return Ok(None);
            }
            Event::MappingStart(anchor, _) => {
                self.open.push(open(anchor, true));
                return Ok(None);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(None) };
                let anchor = open.anchor;
                (open.close()?, anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => return self.place(Rc::clone(node)),
                None => {
                    let message = "an alias inside of what it stands for".to_owned();
                    return Err(Malformed { at, message });
                }
            },
            _ => return Ok(None),
        };
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.place(node)
    }

    /// Puts a value where it belongs; the value of a whole document is handed out.
    fn place(&mut self, node: Rc<Node>) -> Result<Option<Rc<Node>>, Malformed> {
        match self.open.last_mut() {
            Some(open) => {
                open.children.push(node);
                Ok(None)
            }
            None => Ok(Some(node)),
        }
    }
}

fn too_deep(at: Position) -> Malformed {
    Malformed { at, message: format!("nested more than {DEPTH} levels deep") }
}

impl Open {
    fn close(self) -> Result<Node, Malformed> {
        let size = self.children.iter().map(|node| node.size).sum::<usize>() + 1;
        if size > MOST_VALUES {
            let message = format!("more than {MOST_VALUES} values");
            return Err(Malformed { at: self.at, message });
        }
        let height = self.children.iter().map(|node| node.height).max().unwrap_or(0) + 1;
        if height > DEPTH {
            return Err(too_deep(self.at));
        }
        if !self.map {
            return Ok(Node { at: self.at, value: Value::List(self.children), size, height });
        }
        let mut members: Vec<(Key, Rc<Node>)> = vec![];
        let mut children = self.children.into_iter();
        while let (Some(key), Some(value)) = (children.next(), children.next()) {
            let at = key.at;
            let Some(name) = key.text().map(|text| text.as_str().to_owned()) else {
                let message = "a key that is not a text".to_owned();
                return Err(Malformed { at, message });
            };
            if members.iter().any(|(other, _)| other.name == name) {
                let message = format!("the key {name:?} stands here a second time");
                return Err(Malformed { at, message });
            }
            members.push((Key { name, at }, value));
        }
        Ok(Node { at: self.at, value: Value::Map(members), size, height })
    }
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
