//! When Envoy ends a request that waits.

use std::time::Duration;

use envoy_service_bus::config::parse_duration;

use crate::text::Position;
use crate::yaml::Node;

/// A time after which Envoy ends a request, whatever the filter does.
#[derive(Clone, Debug)]
pub(crate) struct Timeout {
    pub(crate) at: Position,
    pub(crate) place: &'static str,
    pub(crate) after: Duration,
    requests: Requests,
}

/// The requests that a timeout is for.
#[derive(Clone, Debug)]
enum Requests {
    /// Those of one of Envoy's routes.
    Of(RouteMatch),
    /// All but those of some routes, which have their own.
    AllBut(Vec<RouteMatch>),
}

/// Which requests one of Envoy's routes takes: those of its path that no route before it takes.
#[derive(Clone, Debug)]
struct RouteMatch {
    own: RoutePath,
    earlier: Vec<RoutePath>,
}

#[derive(Clone, Debug)]
enum RoutePath {
    Exact(String),
    Prefix(String),
}

impl Timeout {
    /// Whether it ends requests for a path.
    pub(crate) fn is_for(&self, path: &str) -> bool {
        match &self.requests {
            Requests::Of(route) => route.takes(path),
            Requests::AllBut(routes) => !routes.iter().any(|route| route.takes(path)),
        }
    }

    /// Whether a request with a body is safe from it once the body is there.
    pub(crate) fn spares_bodies(&self) -> bool {
        self.place == REQUEST
    }
}

impl RouteMatch {
    fn takes(&self, path: &str) -> bool {
        self.own.takes(path) && !self.earlier.iter().any(|other| other.takes(path))
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

const IDLE: &str = "stream_idle_timeout";
/// What Envoy takes for idle unless it is told otherwise.
const DEFAULT_IDLE: Duration = Duration::from_secs(300);
const LONGEST: &str = "max_stream_duration";
/// How long a client may take to send a request. Envoy looks for its end until a body or trailers
/// have ended; where the headers are all, it looks until the filter has answered.
const REQUEST: &str = "request_timeout";

/// What a connection manager and its routes set.
pub(super) fn timeouts(manager: &Node) -> Vec<Timeout> {
    let (mut timeouts, mut own_idle, mut own_longest) = (vec![], vec![], vec![]);
    let hosts = manager.path(&["route_config", "virtual_hosts"]);
    for host in hosts.map(Node::items).unwrap_or_default() {
        let mut earlier = vec![];
        for route in host.get("routes").map(|node| node.items()).unwrap_or_default() {
            let Some(own) = route.get("match").and_then(|node| RoutePath::read(node)) else {
                continue;
            };
            let matches = RouteMatch { own: own.clone(), earlier: earlier.clone() };
            earlier.push(own);
            let Some(action) = route.get("route") else { continue };
            let longest = action.get(LONGEST);
            for (node, place, all) in [
                (Some(action), "idle_timeout", &mut own_idle),
                (longest, LONGEST, &mut own_longest),
            ] {
                let Some((at, after)) = node.and_then(|node| set(node, place)) else { continue };
                all.push(matches.clone());
                timeouts.push(Timeout {
                    at,
                    place,
                    after,
                    requests: Requests::Of(matches.clone()),
                });
            }
        }
    }
    let options = manager.get("common_http_protocol_options");
    let idle = set(manager, IDLE).unwrap_or((manager.at, DEFAULT_IDLE));
    let of_all = [
        (Some(idle), IDLE, own_idle),
        (options.and_then(|node| set(node, LONGEST)), LONGEST, own_longest),
        (set(manager, REQUEST), REQUEST, vec![]),
    ];
    timeouts.extend(of_all.into_iter().filter_map(|(found, place, others)| {
        let (at, after) = found?;
        Some(Timeout { at, place, after, requests: Requests::AllBut(others) })
    }));
    // Zero turns one off.
    timeouts.retain(|timeout| !timeout.after.is_zero());
    timeouts
}

fn set(node: &Node, place: &str) -> Option<(Position, Duration)> {
    let (key, value) = node.member(place)?;
    Some((key.at, parse_duration(value.str()?)?))
}
