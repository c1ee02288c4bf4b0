//! How much of a body Envoy holds.

use std::rc::Rc;

use crate::text::Position;
use crate::yaml::Node;

/// What Envoy buffers of a body at most.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) file: Rc<str>,
    pub(crate) at: Position,
    pub(crate) place: &'static str,
    pub(crate) bytes: u64,
}

/// What Envoy buffers unless it is told otherwise.
const DEFAULT_LIMIT: u64 = 1 << 20;

impl Limit {
    /// The limit that a member sets.
    pub(crate) fn read(file: &Rc<str>, node: &Node, place: &'static str) -> Option<Self> {
        let (key, value) = node.member(place)?;
        Some(Self { file: Rc::clone(file), at: key.at, place, bytes: value.number()? })
    }
}

/// What a listener and its connection manager set.
pub(super) fn limits(
    file: &Rc<str>,
    listener: Option<&Node>,
    manager: Option<&Node>,
) -> Vec<Limit> {
    let (mut limits, mut of_routes) = (vec![], vec![]);
    if let Some(manager) = manager {
        find_all(file, manager, "request_body_buffer_limit", &mut of_routes);
        let http2 = manager.get("http2_protocol_options");
        limits.extend(http2.and_then(|n| Limit::read(file, n, "initial_stream_window_size")));
    }
    // A route's own limit takes the place of the listener's.
    if of_routes.is_empty() {
        const PLACE: &str = "per_connection_buffer_limit_bytes";
        limits.extend(listener.map(|node| {
            let (file_, at) = (Rc::clone(file), node.at);
            let default = Limit { file: file_, at, place: PLACE, bytes: DEFAULT_LIMIT };
            Limit::read(file, node, PLACE).unwrap_or(default)
        }));
    }
    limits.append(&mut of_routes);
    limits
}

fn find_all(file: &Rc<str>, node: &Node, place: &'static str, found: &mut Vec<Limit>) {
    found.extend(Limit::read(file, node, place));
    for child in node.children() {
        find_all(file, child, place, found);
    }
}
