//! The `lookup` section of a route: a GET whose answer becomes the reply.

use crate::route::Lookup;
use std::rc::Rc;
use std::time::Duration;

use super::delivery::{TIMEOUTS, read_duration};
use super::node::Node;
use super::template::read_template;
use crate::template::{Names, Template};
use crate::text::is_visible_ascii;

pub(super) fn read(node: &Node<'_>, names: &Names) -> Option<Lookup> {
    let mut fields = node.fields()?;
    let text = |node: Node<'_>| node.filled_text().map(Rc::from);
    let cluster = fields.required("cluster").and_then(text);
    let authority = fields.required("authority").and_then(|node| read_authority(&node));
    let path = fields.required("path").and_then(|node| read_path(&node, names));
    let timeout = fields
        .optional("timeout")
        .map_or(Some(Duration::from_secs(10)), |node| read_duration(&node, TIMEOUTS));
    fields.finish();
    Some(Lookup { cluster: cluster?, authority: authority?, path: path?, timeout: timeout? })
}

fn read_authority(node: &Node<'_>) -> Option<Rc<str>> {
    let text = node.text()?;
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b))
    {
        node.expected("a host, with a port where it needs one");
        return None;
    }
    Some(text.into())
}

fn read_path(node: &Node<'_>, names: &Names) -> Option<Template> {
    let text = node.text()?;
    if !text.starts_with('/') || !is_visible_ascii(text) {
        node.expected("a path such as \"/status/${path.id}\"");
        return None;
    }
    let path = read_template(node, names)?;
    if path.literal().is_some_and(|path| path.contains(' ')) {
        node.expected("a path without spaces");
        return None;
    }
    Some(path)
}
