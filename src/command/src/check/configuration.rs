//! What a configuration names that must be somewhere else: clusters, variables, paths.

use envoy_service_bus::json;
use serde_json::Value as Json;

use crate::text::{Position, Text};
use crate::yaml::{self, Malformed, Node};

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
    /// In a form that equals another's when the same requests match.
    pub(super) json: Json,
    /// Whether the route sends messages.
    pub(super) sends: bool,
}

impl RouteMatch {
    /// The methods that it names.
    pub(super) fn methods(&self) -> impl Iterator<Item = &str> {
        let methods = self.json.get("methods").and_then(Json::as_array);
        methods.into_iter().flatten().filter_map(Json::as_str)
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
        }
        if let Some(lookup) = route.get("lookup") {
            let place = format!("{place}lookup.");
            self.lookups.extend(reference(lookup, "cluster", &place));
        }
        if let Some(value) = route.get("dry_run").and_then(|node| node.get("value")) {
            self.variables.extend(reference(value, "env", &format!("{place}dry_run.value.")));
        }
        if let Some((key, matches)) = route.member("match") {
            self.matches.push(RouteMatch {
                place: format!("{place}match"),
                at: key.at,
                json: as_sets(
                    json::read(matches.to_json().as_str().as_bytes()).unwrap_or_default(),
                ),
                sends: route.get("send").is_some(),
            });
        }
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

/// Methods and hosts have no order, and hosts and names of headers no case.
fn as_sets(mut matches: Json) -> Json {
    for key in ["methods", "hosts"] {
        if let Some(Json::Array(items)) = matches.get_mut(key) {
            if key == "hosts" {
                items.iter_mut().for_each(|item| {
                    *item = item.as_str().unwrap_or_default().to_ascii_lowercase().into();
                });
            }
            items.sort_by_cached_key(Json::to_string);
            items.dedup();
        }
    }
    if let Some(Json::Object(headers)) = matches.get_mut("headers") {
        *headers = std::mem::take(headers)
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
    }
    matches
}

fn reference(node: &Node, key: &str, place: &str) -> Option<Reference> {
    let (found, value) = node.member(key)?;
    let (at, name) = (found.at, value.str()?.to_owned());
    Some(Reference { place: format!("{place}{key}"), at, name })
}
