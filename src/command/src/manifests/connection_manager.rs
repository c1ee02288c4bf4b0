//! Envoy's HTTP connection manager: its timeouts, its routes, and what it makes of answers.

use std::rc::Rc;
use std::time::Duration;

use super::local_reply::LocalReply;
use super::routes::{RouteTable, Setting, setting};
use crate::yaml::Node;

/// What a connection manager sets.
#[derive(Debug)]
pub(crate) struct ConnectionManager {
    pub(crate) file: Rc<str>,
    /// For a stream without traffic; Envoy has a default.
    pub(crate) idle: Option<Setting>,
    pub(crate) longest: Option<Setting>,
    pub(crate) request: Option<Setting>,
    pub(crate) routes: Routes,
    pub(crate) local_reply: Option<LocalReply>,
}

/// Where the routes of a connection manager stand.
#[derive(Debug)]
pub(crate) enum Routes {
    Here(RouteTable),
    /// In a table of this name, which Envoy asks for.
    Named(String),
    /// Nothing is known of them.
    Unknown,
}

/// What Envoy takes for idle unless it is told otherwise.
const DEFAULT_IDLE: Duration = Duration::from_secs(300);
/// In which patches a connection manager is not whole.
const TYPE: &str = "HttpConnectionManager";
const IDLE: &str = "stream_idle_timeout";
const LONGEST: &str = "max_stream_duration";
/// How long a client may take to send a request. Envoy looks for its end until a body or trailers
/// have ended; where the headers are all, it looks until the filter has answered.
pub(crate) const REQUEST: &str = "request_timeout";

impl ConnectionManager {
    pub(super) fn read(file: &Rc<str>, node: &Node) -> Self {
        let default = Setting { at: node.at, place: IDLE, after: DEFAULT_IDLE };
        let options = node.get("common_http_protocol_options");
        let named = node.path(&["rds", "route_config_name"]).and_then(Node::str);
        Self {
            file: Rc::clone(file),
            idle: setting(node, IDLE, IDLE).or(Some(default)),
            longest: options.and_then(|node| setting(node, LONGEST, LONGEST)),
            request: setting(node, REQUEST, REQUEST),
            routes: match (node.get("route_config"), named) {
                (Some(table), _) => Routes::Here(RouteTable::read(file, table)),
                (None, Some(name)) => Routes::Named(name.to_owned()),
                (None, None) => Routes::Unknown,
            },
            local_reply: LocalReply::read(node),
        }
    }

    /// What a patch sets; it leaves all else as it was.
    pub(super) fn patched(file: &Rc<str>, node: &Node) -> Option<Self> {
        let ours = node.str_of("@type").is_some_and(|kind| kind.ends_with(TYPE));
        ours.then(|| Self { idle: setting(node, IDLE, IDLE), ..Self::read(file, node) })
    }
}
