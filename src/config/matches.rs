//! The `match` section of a route: which requests.

use std::collections::BTreeSet;

use super::node::{Fields, Node};
use crate::route::{HostMatch, Match, PathMatch, Segment, without_root};
use crate::text::is_token;

pub(super) fn read_name<'a>(node: &Node<'a>, names: &mut BTreeSet<&'a str>) -> Option<&'a str> {
    let name = node.text()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        node.expected("a name of 1 to 64 letters, digits, - and _");
        return None;
    }
    if !names.insert(name) {
        node.error(format!("the name {name:?} is taken by an earlier route"));
        return None;
    }
    Some(name)
}

pub(super) fn read_match(node: &Node<'_>, default_method: &str) -> Option<Match> {
    let mut fields = node.fields()?;
    let methods =
        fields.optional("methods").map_or(Some(vec![default_method.to_owned()]), |node| {
            read_each(&node, "must not be empty", read_method)
        });
    let path = read_path(&mut fields);
    let hosts = fields.optional("hosts").map_or(Some(vec![]), |node| {
        read_each(&node, "must not be empty; leave it out to match any", read_host)
    });
    let headers = fields.optional("headers").map_or(Some(vec![]), |node| read_headers(&node));
    fields.finish();
    Some(Match { methods: methods?, path: path?, hosts: hosts?, headers: headers? })
}

fn read_each<T>(
    node: &Node<'_>,
    empty: &str,
    read: impl Fn(&Node<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let nodes = node.list()?;
    if nodes.is_empty() {
        node.error(empty);
        return None;
    }
    let values: Vec<_> = nodes.iter().map(read).collect();
    values.into_iter().collect()
}

fn read_method(node: &Node<'_>) -> Option<String> {
    let method = node.text()?;
    if !is_token(method) || method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        node.expected("a method such as \"POST\"");
        return None;
    }
    Some(method.to_owned())
}

fn read_path(fields: &mut Fields<'_>) -> Option<PathMatch> {
    let exact = fields.optional("path");
    let prefix = fields.optional("path_prefix");
    let template = fields.optional("path_template");
    match (exact, prefix, template) {
        (Some(node), None, None) => read_path_text(&node).map(PathMatch::Exact),
        (None, Some(node), None) => read_path_text(&node).map(PathMatch::Prefix),
        (None, None, Some(node)) => read_template(&node).map(PathMatch::Template),
        _ => {
            fields.error("expected exactly one of path, path_prefix, path_template");
            None
        }
    }
}

fn read_path_text(node: &Node<'_>) -> Option<String> {
    let path = node.text()?;
    let fits = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
    if !fits || path.contains(['?', '#']) {
        node.expected("a path such as \"/orders\", percent-encoded and without query");
        return None;
    }
    Some(path.to_owned())
}

fn read_template(node: &Node<'_>) -> Option<Vec<Segment>> {
    let path = read_path_text(node)?;
    let mut names = BTreeSet::new();
    let mut segments = Vec::new();
    for text in path.strip_prefix('/').unwrap_or_default().split('/') {
        let capture = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        match capture {
            Some(name) if is_identifier(name) && names.insert(name) => {
                segments.push(Segment::Capture(name.to_owned()));
            }
            None if !text.contains(['{', '}', '*']) => {
                segments.push(Segment::Literal(text.to_owned()));
            }
            _ => {
                node.expected("whole segments in braces, each name once, such as \"/orders/{id}\"");
                return None;
            }
        }
    }
    Some(segments)
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn read_host(node: &Node<'_>) -> Option<HostMatch> {
    let host = node.filled_text()?.to_ascii_lowercase();
    let name = host.strip_prefix('*').unwrap_or(&host);
    let wild = name.len() < host.len();
    let has_port = name.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    if name.contains(['*', '/']) || has_port || wild && !name.starts_with('.') {
        node.expected("a host such as \"api.example.com\" or \"*.example.com\", without port");
        return None;
    }
    let name = without_root(name).to_owned();
    Some(if wild { HostMatch::Suffix(name) } else { HostMatch::Exact(name) })
}

fn read_headers(node: &Node<'_>) -> Option<Vec<(String, String)>> {
    let read = |(name, node): (&str, Node<'_>)| {
        let value = node.text()?.to_owned();
        let pseudo = name.strip_prefix(':').unwrap_or(name);
        if !is_token(pseudo) {
            node.error("expected the name of a header");
            return None;
        }
        // Envoy's names are in lower case.
        Some((name.to_ascii_lowercase(), value))
    };
    let headers: Vec<_> = node.members()?.into_iter().map(read).collect();
    headers.into_iter().collect()
}

/// The name of a header, in the lower case that Envoy gives it.
pub(super) fn read_header_name(node: &Node<'_>) -> Option<String> {
    let name = node.text()?;
    if !is_token(name) {
        node.expected("the name of a header");
        return None;
    }
    Some(name.to_ascii_lowercase())
}
