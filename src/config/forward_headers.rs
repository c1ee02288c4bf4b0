//! The `forward_headers` of a message: request headers that become properties.

use crate::message::ForwardedHeader;
use std::collections::BTreeSet;

use super::node::Node;
use super::send::read_property_name;
use crate::text::is_token;

/// Headers that say who the client is.
const CREDENTIALS: [&str; 9] = [
    "authorization",
    "cookie",
    "cookie2",
    "proxy-authenticate",
    "proxy-authorization",
    "set-cookie",
    "www-authenticate",
    "x-api-key",
    "x-identity-header",
];

/// Headers that say how the request was framed.
const CONNECTION: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads names, or objects that give a header's property another name. `taken` are the names of
/// properties, in lower case.
pub(super) fn read(node: &Node<'_>, mut taken: BTreeSet<String>) -> Option<Vec<ForwardedHeader>> {
    let mut read = |node: &Node<'_>| {
        let forwarded = if node.is_object() { read_renamed(node) } else { read_named(node) }?;
        if !taken.insert(forwarded.property.to_ascii_lowercase()) {
            node.error(format!("{} is a property already", forwarded.property));
            return None;
        }
        Some(forwarded)
    };
    let headers: Vec<_> = node.list()?.iter().map(&mut read).collect();
    headers.into_iter().collect()
}

fn read_named(node: &Node<'_>) -> Option<ForwardedHeader> {
    if node.text_quietly().is_none() {
        node.expected("the name of a header, or an object with header and as");
        return None;
    }
    let header = read_header(node)?;
    Some(ForwardedHeader { property: header.clone(), header })
}

fn read_renamed(node: &Node<'_>) -> Option<ForwardedHeader> {
    let mut fields = node.fields()?;
    let header = fields.required("header").and_then(|node| read_header(&node));
    let property = fields
        .required("as")
        .and_then(|node| read_property_name(node.text()?, &node).map(str::to_owned));
    fields.finish();
    Some(ForwardedHeader { header: header?, property: property? })
}

fn read_header(node: &Node<'_>) -> Option<String> {
    let name = node.text()?.to_ascii_lowercase();
    if name.contains('*') {
        node.error("each header is named by itself: `*` stands for no others");
    } else if !is_token(&name) {
        node.expected("the name of a header");
    } else if let Some(reason) = refusal(&name) {
        node.error(format!("{name} is not forwarded: {reason}"));
    } else {
        return Some(name);
    }
    None
}

/// Why no message may carry a header.
fn refusal(name: &str) -> Option<&'static str> {
    match name {
        "content-type" => {
            Some("the message has it already, as its ContentType; `content_type` sets another")
        }
        "brokerproperties" => {
            Some("Service Bus would read it as broker properties, which `broker_properties` sets")
        }
        _ if CREDENTIALS.contains(&name) => Some("credentials and cookies stay out of messages"),
        _ if CONNECTION.contains(&name) => {
            Some("it belongs to the connection or the framing of the request")
        }
        _ if name.starts_with("x-envoy-") => Some("Envoy's own headers stay out of messages"),
        _ => None,
    }
}
