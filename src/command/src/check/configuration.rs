//! What a configuration says, with its places: names of what must be somewhere else, and what the
//! rules look at.

use std::rc::Rc;

use super::reply::Reply;
use crate::text::{Position, Text};
use crate::yaml::{self, Key, Malformed, Node};

/// A name with the place where it stands.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) place: String,
    pub(super) at: Position,
    pub(super) name: String,
}

/// Which requests a route takes.
#[derive(Debug)]
pub(super) struct RouteMatch {
    pub(super) place: String,
    pub(super) at: Position,
    /// Whether the route sends messages.
    pub(super) sends: bool,
    /// Whether its requests go on once they are sent.
    pub(super) forwards: bool,
}

impl RouteMatch {
    /// Whether something after the filter must hold its requests for good.
    pub(super) fn is_to_be_held(&self) -> bool {
        self.sends && !self.forwards
    }
}

/// The names in one configuration.
#[derive(Debug, Default)]
pub(super) struct References {
    /// Clusters that messages go to.
    pub(super) destinations: Vec<Reference>,
    /// Clusters of lookups.
    pub(super) lookups: Vec<Reference>,
    /// Clusters that tokens come from.
    pub(super) token_services: Vec<Reference>,
    pub(super) namespaces: Vec<Reference>,
    /// Queues and topics.
    pub(super) entities: Vec<Reference>,
    /// Variables of the environment.
    pub(super) variables: Vec<Reference>,
    pub(super) matches: Vec<RouteMatch>,
    /// Properties of messages whose body is the request's, byte for byte.
    pub(super) properties: Vec<Reference>,
    pub(super) replies: Vec<Reply>,
    /// Where `jwt_authn` is said to leave tokens.
    pub(super) jwt_payload_key: Option<Reference>,
    pub(super) header_mode: Option<Position>,
    pub(super) max_body_bytes: Option<Position>,
}

impl References {
    /// Collects the names of a configuration that the filter reads. JSON is YAML, but for oddities
    /// such as pairs of surrogates.
    pub(super) fn read(configuration: &Text) -> Result<Self, Malformed> {
        let mut found = Self::default();
        for root in yaml::read(configuration)? {
            let at = |key: &str| root.member(key).map(|(key, _)| key.at);
            found.header_mode = at("header_mode");
            found.max_body_bytes = at("max_body_bytes");
            found.jwt_payload_key = reference(&root, "jwt_payload_key", "");
            found.destination(&root, "");
            let routes = root.get("routes").map(|node| node.items()).unwrap_or_default();
            for (index, route) in routes.iter().enumerate() {
                found.route(route, &format!("routes[{index}]."));
            }
        }
        Ok(found)
    }

    fn route(&mut self, route: &Node, place: &str) {
        self.destination(route, place);
        if let Some(fallback) = route.get("fallback") {
            self.destination(fallback, &format!("{place}fallback."));
            self.entities(fallback, &format!("{place}fallback."));
        }
        if let Some(send) = route.get("send") {
            self.entities(send, &format!("{place}send."));
            if send.get("payload").is_none() {
                self.properties(send, &format!("{place}send."));
            }
        }
        if let Some(lookup) = route.get("lookup") {
            let place = format!("{place}lookup.");
            self.lookups.extend(reference(lookup, "cluster", &place));
        }
        if let Some(value) = route.get("dry_run").and_then(|node| node.get("value")) {
            self.variables.extend(reference(value, "env", &format!("{place}dry_run.value.")));
        }
        if let Some(reply) = route.get("reply") {
            self.replies(reply, &format!("{place}reply."));
        }
        if let Some((key, _)) = route.member("match") {
            self.matches.push(RouteMatch {
                place: format!("{place}match"),
                at: key.at,
                sends: route.get("send").is_some(),
                forwards: route.get("forward").is_some(),
            });
        }
    }

    fn properties(&mut self, send: &Node, place: &str) {
        let own = send.get("properties").map(|node| node.members()).unwrap_or_default();
        self.properties.extend(own.iter().map(|(key, _)| {
            let place = format!("{place}properties.{}", key.name);
            Reference { place, at: key.at, name: key.name.clone() }
        }));
        let forwarded = send.get("forward_headers").map(|node| node.items()).unwrap_or_default();
        self.properties.extend(forwarded.iter().enumerate().filter_map(|(index, item)| {
            let place = format!("{place}forward_headers[{index}]");
            let name = item.str().map(str::to_ascii_lowercase);
            let name = name.or_else(|| item.str_of("as").map(str::to_owned))?;
            Some(Reference { place, at: item.at, name })
        }));
    }

    fn replies(&mut self, reply: &Node, place: &str) {
        self.replies.extend(Reply::read(reply, place));
        let failures = reply.get("failures").map(|node| node.members()).unwrap_or_default();
        let of = |(key, node): &(Key, Rc<Node>)| {
            Reply::read(node, &format!("{place}failures.{}.", key.name))
        };
        self.replies.extend(failures.iter().filter_map(of));
    }

    fn entities(&mut self, node: &Node, place: &str) {
        for key in ["queue", "topic"] {
            self.entities.extend(reference(node, key, place));
        }
        if let Some(allowed) = node.get("allowed") {
            self.entities.extend(allowed.items().iter().enumerate().filter_map(|(index, item)| {
                let place = format!("{place}allowed[{index}]");
                Some(Reference { place, at: item.at, name: item.str()?.to_owned() })
            }));
        }
    }

    /// What a namespace, cluster and credentials name.
    fn destination(&mut self, node: &Node, place: &str) {
        self.destinations.extend(reference(node, "cluster", place));
        self.namespaces.extend(reference(node, "namespace", place));
        let Some(credentials) = node.get("credentials") else { return };
        for (key, kind) in credentials.members() {
            let place = format!("{place}credentials.{}.", key.name);
            self.token_services.extend(reference(kind, "cluster", &place));
            self.variables.extend(reference(kind, "env", &place));
            for (key, secret) in kind.members() {
                let place = format!("{place}{}.", key.name);
                self.variables.extend(reference(secret, "env", &place));
            }
        }
    }
}

fn reference(node: &Node, key: &str, place: &str) -> Option<Reference> {
    let (found, value) = node.member(key)?;
    let (at, name) = (found.at, value.str()?.to_owned());
    Some(Reference { place: format!("{place}{key}"), at, name })
}
