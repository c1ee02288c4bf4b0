//! Values that may hold expressions.

use super::json::Json;
use super::node::Node;
use crate::template::{Names, Template, Tree};
use serde_json::{Map, Value};

pub(super) fn read_template(node: &Node<'_>, names: &Names) -> Option<Template> {
    match Template::parse(node.text()?, names) {
        Ok(template) => Some(template),
        Err(error) => {
            node.error(error.to_string());
            None
        }
    }
}

/// A tree of JSON whose texts are templates.
pub(super) fn read_tree(node: &Node<'_>, names: &Names) -> Option<Tree> {
    let tree = match node.json() {
        Json::Null => Tree::Fixed(Value::Null),
        Json::Bool(value) => Tree::Fixed(Value::Bool(*value)),
        Json::Number(value) => Tree::Fixed(Value::Number(value.clone())),
        Json::Text(_) => {
            let template = read_template(node, names)?;
            match template.literal() {
                Some(literal) => Tree::Fixed(Value::String(literal.to_owned())),
                None => Tree::Template(template),
            }
        }
        Json::List(_) => {
            let items: Vec<_> = node.list()?.iter().map(|node| read_tree(node, names)).collect();
            list(items.into_iter().collect::<Option<_>>()?)
        }
        Json::Object(_) => {
            let read =
                |(key, node): (&str, Node<'_>)| Some((key.to_owned(), read_tree(&node, names)?));
            let members: Vec<_> = node.members()?.into_iter().map(read).collect();
            object(members.into_iter().collect::<Option<_>>()?)
        }
    };
    Some(tree)
}

/// What does not depend on the request is made once.
fn list(items: Vec<Tree>) -> Tree {
    if !items.iter().all(is_fixed) {
        return Tree::List(items);
    }
    Tree::Fixed(Value::Array(items.into_iter().filter_map(fixed).collect()))
}

fn object(members: Vec<(String, Tree)>) -> Tree {
    if !members.iter().all(|(_, member)| is_fixed(member)) {
        return Tree::Object(members);
    }
    let fixed = |(key, member)| Some((key, fixed(member)?));
    Tree::Fixed(Value::Object(members.into_iter().filter_map(fixed).collect::<Map<_, _>>()))
}

fn is_fixed(tree: &Tree) -> bool {
    matches!(tree, Tree::Fixed(_))
}

fn fixed(tree: Tree) -> Option<Value> {
    match tree {
        Tree::Fixed(value) => Some(value),
        _ => None,
    }
}
