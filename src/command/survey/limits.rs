//! What Envoy itself sets bounds to: bytes and time.

use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::config::parse_duration;

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

/// How long a client may take to send a request. Envoy looks for its end until a body or trailers
/// have ended; where the headers are all, it looks until the filter has answered.
const REQUEST_TIMEOUT: &str = "request_timeout";

/// When Envoy ends a request that waits.
#[derive(Clone, Debug)]
pub(crate) struct Timeout {
    pub(crate) at: Position,
    pub(crate) place: &'static str,
    pub(crate) after: Duration,
    /// The route that it is for, and those before it; `None` when it is for all.
    route: Option<(RoutePath, Vec<RoutePath>)>,
}

/// Which paths one of Envoy's routes takes.
#[derive(Clone, Debug)]
enum RoutePath {
    Exact(String),
    Prefix(String),
}

impl Timeout {
    /// Whether a request with a body is safe from it once the body is there.
    pub(crate) fn spares_bodies(&self) -> bool {
        self.place == REQUEST_TIMEOUT
    }

    /// Whether it ends requests for a path.
    pub(crate) fn is_for(&self, path: &str) -> bool {
        self.route.as_ref().is_none_or(|(own, earlier)| {
            own.takes(path) && !earlier.iter().any(|other| other.takes(path))
        })
    }
}

impl RoutePath {
    fn read(matches: &Node) -> Option<Self> {
        let exact = matches.str_of("path").map(|path| Self::Exact(path.to_owned()));
        exact.or_else(|| Some(Self::Prefix(matches.str_of("prefix")?.to_owned())))
    }

    fn takes(&self, path: &str) -> bool {
        match self {
            Self::Exact(own) => own == path,
            Self::Prefix(own) => path.starts_with(own),
        }
    }
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

/// What a connection manager and its routes set.
pub(super) fn timeouts(manager: &Node) -> Vec<Timeout> {
    let mut timeouts = vec![];
    timeouts.extend(timeout(manager, "stream_idle_timeout", None));
    timeouts.extend(timeout(manager, REQUEST_TIMEOUT, None));
    if let Some(options) = manager.get("common_http_protocol_options") {
        timeouts.extend(timeout(options, "max_stream_duration", None));
    }
    let hosts = manager.path(&["route_config", "virtual_hosts"]);
    for host in hosts.map(Node::items).unwrap_or_default() {
        let mut earlier = vec![];
        for route in host.get("routes").map(|node| node.items()).unwrap_or_default() {
            let Some(path) = route.get("match").and_then(|node| RoutePath::read(node)) else {
                continue;
            };
            if let Some(action) = route.get("route") {
                let own = Some((path.clone(), earlier.clone()));
                timeouts.extend(timeout(action, "idle_timeout", own.clone()));
                if let Some(longest) = action.get("max_stream_duration") {
                    timeouts.extend(timeout(longest, "max_stream_duration", own));
                }
            }
            earlier.push(path);
        }
    }
    timeouts
}

fn timeout(
    node: &Node,
    place: &'static str,
    route: Option<(RoutePath, Vec<RoutePath>)>,
) -> Option<Timeout> {
    let (key, value) = node.member(place)?;
    let after = parse_duration(value.str()?)?;
    // Zero turns it off.
    (!after.is_zero()).then_some(Timeout { at: key.at, place, after, route })
}
