//! The `forward` of a route: its requests go on to the backend once their message is stored.

use std::collections::BTreeSet;

use super::node::Node;
use super::template::read_template;
use crate::delivery::HeaderMode;
use crate::route::{Forward, OUTCOME, OnFailure, TRACKING_ID};
use crate::template::{Names, Template};
use crate::text::{is_token, is_visible_ascii};

/// Headers that are ours, or that say how the request is framed and where it goes.
const NOT_SET: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    OUTCOME,
    TRACKING_ID,
];

/// Reads it; `names` are those of what it may say of the request.
pub(super) fn read(node: &Node<'_>, names: &Names, mode: HeaderMode) -> Option<Forward> {
    let early = mode == HeaderMode::Continue;
    let mut fields = node.fields()?;
    let on_failure = fields.optional("on_failure").map_or(Some(OnFailure::Reply), |node| {
        let choice =
            node.choice(&[("reply", OnFailure::Reply), ("forward", OnFailure::Forward)])?;
        if early && choice == OnFailure::Forward {
            node.error(
                "needs header_mode pause: with continue Envoy lets no request be marked after its \
                 headers",
            );
            return None;
        }
        Some(choice)
    });
    let headers =
        fields.optional("headers").map_or(Some(vec![]), |node| read_headers(&node, names));
    fields.finish();
    Some(Forward { on_failure: on_failure?, early, headers: headers? })
}

fn read_headers(node: &Node<'_>, names: &Names) -> Option<Vec<(String, Template)>> {
    let mut seen = BTreeSet::new();
    let mut read = |(name, node): (&str, Node<'_>)| {
        let name = name.to_ascii_lowercase();
        if !is_token(&name) || NOT_SET.contains(&name.as_str()) {
            node.error("cannot be set on a request to the backend");
            return None;
        }
        if !seen.insert(name.clone()) {
            node.error("the header stands here a second time");
            return None;
        }
        let value = read_template(&node, names)?;
        if value.literal().is_some_and(|text| !is_visible_ascii(text)) {
            node.expected("visible ASCII characters");
            return None;
        }
        Some((name, value))
    };
    let headers: Vec<_> = node.members()?.into_iter().map(&mut read).collect();
    headers.into_iter().collect()
}
