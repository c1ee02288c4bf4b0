//! The `forward` of a route: its requests go on to the backend once their message is stored.

use std::collections::BTreeSet;

use super::HeaderMode;
use super::node::Node;
use super::template::read_template;
use crate::template::{Names, Template};
use crate::text::{is_token, is_visible_ascii};

/// What the backend gets.
#[derive(Debug)]
pub struct Forward {
    /// What becomes of a request whose message could not be sent.
    pub on_failure: OnFailure,
    /// Whether the request is changed when its headers are here, before it is complete: Envoy lets
    /// no filter change it that has told Envoy to continue.
    pub early: bool,
    /// Names in lower case, with what is set; a client's own headers of these names are removed.
    pub headers: Vec<(String, Template)>,
}

/// What becomes of a request whose message could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is answered as without `forward`.
    Reply,
    /// It goes on unsent, with the reason in `x-service-bus-outcome`.
    Forward,
}

/// The header that names the request's id.
pub const TRACKING_ID: &str = "x-tracking-id";
/// The header that says why a request goes on unsent.
pub const OUTCOME: &str = "x-service-bus-outcome";

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

impl Forward {
    /// Headers that a client may not set on a request to the backend.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        let own = self.headers.iter().map(|(name, _)| name.as_str());
        [TRACKING_ID, OUTCOME].into_iter().chain(own)
    }
}

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
