//! Builds the tree from what a parser reports.
//!
//! The parser is saphyr's. Its own tree keeps one place for each value; ours also knows the place
//! of each character in a text, copies no aliases, and keeps a number as it is written.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{Key, Node, Value};
use crate::text::{Position, Text, Writing};

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
                let value = Value::Scalar { text, plain };
                (Node { at, value, merge: None, size: 1, height: 1 }, anchor)
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
            return Ok(Node {
                at: self.at,
                value: Value::List(self.children),
                merge: None,
                size,
                height,
            });
        }
        let (mut members, mut merged) = (Members::default(), vec![]);
        let mut merge = None;
        let mut children = self.children.into_iter();
        while let (Some(key), Some(value)) = (children.next(), children.next()) {
            let at = key.at;
            let Some(text) = key.text() else {
                let message = "a key that is not a text".to_owned();
                return Err(Malformed { at, message });
            };
            let name = text.as_str().to_owned();
            if name == "<<" && matches!(key.value, Value::Scalar { plain: true, .. }) {
                merge = merge.or(Some(at));
                merged.extend(sources(&value)?);
                continue;
            }
            if !members.add(Key { name: name.clone(), at }, value) {
                let message = format!("the key {name:?} stands here a second time");
                return Err(Malformed { at, message });
            }
        }
        // What stands in the map itself comes first, then the earlier of those that are merged.
        for source in &merged {
            for (key, value) in source.members() {
                members.add(Key { name: key.name.clone(), at: key.at }, Rc::clone(value));
            }
        }
        let members = members.list;
        Ok(Node { at: self.at, value: Value::Map(members), merge, size, height })
    }
}

/// Members of a map in their order, each name once.
#[derive(Default)]
struct Members {
    list: Vec<(Key, Rc<Node>)>,
    names: HashSet<String>,
}

impl Members {
    /// Adds a member unless its name is taken.
    fn add(&mut self, key: Key, value: Rc<Node>) -> bool {
        let new = self.names.insert(key.name.clone());
        if new {
            self.list.push((key, value));
        }
        new
    }
}

/// The maps that a merge key names: one, or a list.
fn sources(value: &Rc<Node>) -> Result<Vec<Rc<Node>>, Malformed> {
    let all = match &value.value {
        Value::List(items) => items.clone(),
        _ => vec![Rc::clone(value)],
    };
    match all.iter().find(|one| !matches!(one.value, Value::Map(_))) {
        Some(other) => {
            let message = "a merge key `<<` stands for maps alone".to_owned();
            Err(Malformed { at: other.at, message })
        }
        None => Ok(all),
    }
}
