//! Envoy's routes: which one takes a request, and what it says about filters and timeouts.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::duration::parse as parse_duration;

use super::Limit;
use super::request_match::{Request, Taken, takes};
use crate::text::Position;
use crate::yaml::Node;

/// Envoy's `RouteConfiguration`.
#[derive(Debug)]
pub(crate) struct RouteTable {
    pub(crate) name: Option<String>,
    hosts: Vec<VirtualHost>,
    switches: Switches,
    /// Whether there may be routes that stand elsewhere.
    incomplete: bool,
}

#[derive(Debug)]
struct VirtualHost {
    domains: Vec<String>,
    routes: Vec<Route>,
    switches: Switches,
    buffer: Option<Limit>,
}

/// One of Envoy's routes.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) at: Position,
    matches: Rc<Node>,
    pub(crate) action: Action,
    /// Timeouts with their names in the file.
    pub(crate) timeouts: Vec<Setting>,
    switches: Switches,
    /// Where retries of what the router sends are set.
    pub(crate) retries: Option<Position>,
    buffer: Option<Limit>,
    /// Whether it takes whatever no route before it does.
    pub(crate) takes_the_rest: bool,
}

/// What a route does with a request that reaches the router.
#[derive(Debug)]
pub(crate) enum Action {
    /// It answers with this status.
    Answer(u64),
    /// It asks one of these clusters.
    Ask(Vec<String>),
    Other,
}

/// A duration that a file sets.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) at: Position,
    pub(crate) place: &'static str,
    pub(crate) after: Duration,
}

/// Filters that are switched on or off, by their names in the list.
type Switches = BTreeMap<String, Switch>;

/// What a `typed_per_filter_config` says of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    On,
    Off,
    /// A `FilterConfig` with neither `config` nor `disabled`, which Envoy refuses.
    Empty(Position),
}

/// A route that takes a request, or takes it perhaps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) route: &'a Route,
    host: &'a VirtualHost,
    table: &'a RouteTable,
}

const BUFFER: &str = "request_body_buffer_limit";
pub(crate) const IDLE: &str = "idle_timeout";
pub(crate) const LONGEST: &str = "max_stream_duration";

impl RouteTable {
    pub(super) fn read(file: &Rc<str>, node: &Node) -> Self {
        let hosts = node.get("virtual_hosts").map(|node| node.items()).unwrap_or_default();
        let elsewhere = hosts.iter().any(|host| host.get("matcher").is_some());
        Self {
            name: node.str_of("name").map(str::to_owned),
            hosts: hosts.iter().map(|node| VirtualHost::read(file, node)).collect(),
            switches: switches(node),
            incomplete: elsewhere || node.get("vhds").is_some(),
        }
    }

    /// Whether all routes are known.
    pub(crate) fn is_complete(&self) -> bool {
        !self.incomplete
    }

    /// All that is said of a filter, anywhere.
    pub(crate) fn switches(&self, filter: &str) -> Vec<Switch> {
        let hosts = self.hosts.iter();
        let inner = hosts.flat_map(|host| {
            host.routes.iter().map(|route| &route.switches).chain([&host.switches])
        });
        inner.chain([&self.switches]).filter_map(|all| all.get(filter)).copied().collect()
    }

    /// The routes that may take a request; the last one does so for certain, unless Envoy may find
    /// none.
    pub(crate) fn candidates(&self, request: &Request) -> Vec<Candidate<'_>> {
        let hosts: Vec<_> = match &request.host {
            None => self.hosts.iter().collect(),
            Some(name) => {
                let rank = |host: &&VirtualHost| host.rank(name);
                let best = self.hosts.iter().max_by_key(rank);
                best.filter(|host| host.rank(name) > 0).into_iter().collect()
            }
        };
        let mut found = vec![];
        for host in hosts {
            for route in &host.routes {
                let taken = takes(&route.matches, request);
                if taken != Taken::No {
                    found.push(Candidate { route, host, table: self });
                }
                if taken == Taken::Yes {
                    break;
                }
            }
        }
        found
    }
}

impl VirtualHost {
    fn read(file: &Rc<str>, node: &Node) -> Self {
        let routes = node.get("routes").map(|node| node.items()).unwrap_or_default();
        Self {
            domains: node
                .get("domains")
                .into_iter()
                .flat_map(|node| node.strings())
                .map(str::to_ascii_lowercase)
                .collect(),
            routes: routes.iter().filter_map(|node| Route::read(file, node)).collect(),
            switches: switches(node),
            buffer: Limit::read(file, node, BUFFER),
        }
    }

    /// How well a host fits: exact before `*.suffix` before `prefix.*` before `*`; 0 when it does
    /// not.
    fn rank(&self, name: &str) -> usize {
        let rank = |domain: &String| match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
            _ if domain == name => 3_000,
            (Some(""), _) => 1,
            (Some(suffix), _) if name.ends_with(suffix) => 2_000 + suffix.len(),
            (_, Some(prefix)) if name.starts_with(prefix) => 1_000 + prefix.len(),
            _ => 0,
        };
        self.domains.iter().map(rank).max().unwrap_or(0)
    }
}

impl Route {
    fn read(file: &Rc<str>, node: &Node) -> Option<Self> {
        let matches = Rc::clone(node.get("match")?);
        let action = node.get("route");
        let mut timeouts = vec![];
        if let Some(action) = action {
            timeouts.extend(setting(action, IDLE, IDLE));
            timeouts.extend(action.get(LONGEST).and_then(|node| setting(node, LONGEST, LONGEST)));
        }
        let retries = action.and_then(|action| action.member("retry_policy"));
        Some(Self {
            at: node.at,
            takes_the_rest: matches.members().len() == 1 && matches.str_of("prefix") == Some("/"),
            matches,
            action: Action::read(node),
            timeouts,
            switches: switches(node),
            retries: retries.map(|(key, _)| key.at),
            buffer: Limit::read(file, node, BUFFER),
        })
    }
}

impl Action {
    fn read(route: &Node) -> Self {
        if let Some(answer) = route.get("direct_response") {
            let status = answer.get("status").and_then(|node| node.number());
            return status.map_or(Self::Other, Self::Answer);
        }
        let Some(action) = route.get("route") else { return Self::Other };
        if let Some(cluster) = action.str_of("cluster") {
            return Self::Ask(vec![cluster.to_owned()]);
        }
        let weighted = action.path(&["weighted_clusters", "clusters"]).map(Node::items);
        let names = weighted.unwrap_or_default().iter().filter_map(|one| one.str_of("name"));
        let names: Vec<_> = names.map(str::to_owned).collect();
        if names.is_empty() { Self::Other } else { Self::Ask(names) }
    }
}

impl<'a> Candidate<'a> {
    /// Whether a filter works for the requests of the route, by its name and whether the list
    /// disables it.
    pub(crate) fn works(&self, filter: &str, disabled: bool) -> bool {
        self.switch(filter).map_or(!disabled, |switch| switch != Switch::Off)
    }

    /// What the route, its virtual host or its table says of a filter.
    pub(crate) fn switch(&self, filter: &str) -> Option<Switch> {
        let levels = [&self.route.switches, &self.host.switches, &self.table.switches];
        levels.into_iter().find_map(|switches| switches.get(filter).copied())
    }

    /// What Envoy buffers of a body on this route, in place of the listener's limit.
    pub(crate) fn buffer(&self) -> Option<&'a Limit> {
        self.route.buffer.as_ref().or(self.host.buffer.as_ref())
    }
}

/// A duration under a name of the file's.
pub(super) fn setting(node: &Node, key: &str, place: &'static str) -> Option<Setting> {
    let (key, value) = node.member(key)?;
    Some(Setting { at: key.at, place, after: parse_duration(value.str()?)? })
}

fn switches(node: &Node) -> Switches {
    let filters = node.get("typed_per_filter_config").map(|node| node.members());
    let switch = |config: &Node| {
        let kind = config.str_of("@type").unwrap_or_default();
        let general = kind.ends_with("route.v3.FilterConfig");
        match config.get("disabled").is_some_and(|node| node.is_true()) {
            true => Switch::Off,
            false if general && config.get("config").is_none() => Switch::Empty(config.at),
            false => Switch::On,
        }
    };
    let filters = filters.unwrap_or_default().iter();
    filters.map(|(key, config)| (key.name.clone(), switch(config))).collect()
}
