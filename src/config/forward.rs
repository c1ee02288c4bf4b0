//! The `forward` of a route: its requests go on to the backend once their message is stored.

use super::node::Node;
use super::reply::read_set_headers;
use crate::delivery::HeaderMode;
use crate::route::{Forward, OUTCOME, OnFailure, TRACKING_ID};
use crate::template::{Names, Template};

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
    read_set_headers(node, names, &NOT_SET, "cannot be set on a request to the backend")
}
