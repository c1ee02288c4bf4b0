//! Patches of what a control plane gives Envoy: `EnvoyFilter` and `EnvoyPatchPolicy`.

use std::rc::Rc;

use super::clusters::Options;
use super::connection_manager::ConnectionManager;
use super::envoy::Around;
use super::istio::Stage;
use super::{Manifests, Platform, guard};
use crate::text::Position;
use crate::yaml::Node;

/// What a patch does to clusters.
#[derive(Debug)]
pub(crate) struct ClusterPatch {
    pub(crate) file: Rc<str>,
    pub(crate) at: Position,
    clusters: Clusters,
    pub(crate) options: Options,
    /// Where it merges a `transport_socket` with other members, which Istio then drops.
    pub(crate) drops_the_rest: Option<Position>,
}

#[derive(Debug)]
enum Clusters {
    All,
    Named(String),
    /// As Istio names those of a service: `outbound|443||host`.
    Of {
        service: String,
        port: Option<String>,
    },
}

/// A filter that an `EnvoyFilter` puts into Istio's chain.
#[derive(Debug)]
pub(crate) struct Insertion {
    name: String,
    stage: Option<Stage>,
    /// A filter that refuses, which this one is put before.
    pub(crate) before: Option<String>,
}

impl Manifests {
    /// Reads the patches of a resource.
    pub(super) fn patches(&mut self, file: &Rc<str>, resource: &Node, spec: &Node) {
        let of = |key| spec.get(key).map(|node| node.items()).unwrap_or_default();
        for patch in of("config_patches") {
            self.istio_patch(file, patch);
        }
        let clusters = of("json_patches")
            .iter()
            .filter(|patch| patch.str_of("type").is_none_or(|kind| kind.ends_with(".Cluster")));
        self.cluster_patches.extend(clusters.map(|patch| ClusterPatch::of_gateway(file, patch)));
        let (before, scope) = (self.plugins.len(), super::scope::Scope::read(resource));
        self.walk(spec, &Around::nothing(file, Platform::Patch));
        for plugin in self.plugins.iter_mut().skip(before) {
            plugin.scope = scope.clone();
        }
    }

    fn istio_patch(&mut self, file: &Rc<str>, patch: &Node) {
        let value = patch.path(&["patch", "value"]);
        let operation = patch.path(&["patch", "operation"]).and_then(Node::str).unwrap_or_default();
        match patch.str_of("apply_to") {
            Some("CLUSTER") => {
                self.cluster_patches.push(ClusterPatch::of_istio(file, patch, operation, value));
            }
            Some("HTTP_FILTER") => {
                self.insertions
                    .extend(value.and_then(|value| Insertion::read(patch, operation, value)));
            }
            Some("NETWORK_FILTER") => {
                if let Some(manager) = value.and_then(|value| value.get("typed_config")) {
                    let manager = ConnectionManager::patched(file, manager);
                    self.patched_managers.extend(manager.map(Rc::new));
                }
            }
            _ => {}
        }
    }

    /// Where an `EnvoyFilter` puts a filter.
    pub(crate) fn insertion(&self, name: Option<&str>) -> Option<&Insertion> {
        self.insertions.iter().find(|one| Some(one.name.as_str()) == name)
    }
}

impl ClusterPatch {
    fn of_istio(file: &Rc<str>, patch: &Node, operation: &str, value: Option<&Node>) -> Self {
        let cluster = patch.path(&["match", "cluster"]);
        let text = |key| cluster.and_then(|node| node.str_of(key)).map(str::to_owned);
        let clusters = match (text("name"), text("service")) {
            (Some(name), _) => Clusters::Named(name),
            (None, Some(service)) => Clusters::Of { service, port: text("port_number") },
            (None, None) => Clusters::All,
        };
        let socket = value.and_then(|value| value.member("transport_socket"));
        let more = value.is_some_and(|value| value.members().len() > 1);
        Self {
            file: Rc::clone(file),
            at: patch.at,
            clusters,
            options: value.map(|value| Options::read(file, value)).unwrap_or_default(),
            drops_the_rest: socket.filter(|_| more && operation == "MERGE").map(|(key, _)| key.at),
        }
    }

    fn of_gateway(file: &Rc<str>, patch: &Node) -> Self {
        let name = patch.str_of("name").map(str::to_owned);
        let operation = patch.get("operation");
        let path = operation.and_then(|node| node.str_of("path")).unwrap_or_default();
        let value = operation.and_then(|node| node.member("value"));
        Self {
            file: Rc::clone(file),
            at: patch.at,
            clusters: name.map_or(Clusters::All, Clusters::Named),
            options: value
                .map(|(key, value)| Options::read_path(file, path, key.at, value))
                .unwrap_or_default(),
            drops_the_rest: None,
        }
    }

    /// Whether it is for a cluster.
    pub(crate) fn is_for(&self, cluster: &str) -> bool {
        match &self.clusters {
            Clusters::All => true,
            Clusters::Named(name) => name == cluster,
            Clusters::Of { service, port } => {
                let mut parts = cluster.split('|');
                let own = parts.nth(1);
                let same_port = port.is_none() || own == port.as_deref();
                same_port && parts.next_back() == Some(service)
            }
        }
    }
}

impl Insertion {
    fn read(patch: &Node, operation: &str, value: &Node) -> Option<Self> {
        let name = value.str_of("name")?.to_owned();
        let chain = patch.path(&["match", "listener", "filter_chain"]);
        let other = chain.and_then(|node| node.path(&["filter", "sub_filter", "name"]));
        let other = other.and_then(Node::str);
        let short = other.map(|name| name.trim_start_matches("envoy.filters.http."));
        let stage = match (operation, short) {
            ("INSERT_FIRST", _) | ("INSERT_BEFORE", None) => Some(Stage::First),
            ("INSERT_BEFORE", Some("jwt_authn")) => Some(Stage::Authn),
            ("INSERT_AFTER", Some("jwt_authn")) | ("INSERT_BEFORE", Some("rbac")) => {
                Some(Stage::Authz)
            }
            ("INSERT_BEFORE", Some("router")) => Some(Stage::Last),
            _ => None,
        };
        let refuses = |name: &&str| guard::kind(name) == Some(guard::Kind::Refuses);
        let before = other.filter(|_| operation == "INSERT_BEFORE").filter(refuses);
        Some(Self { name, stage, before: before.map(str::to_owned) })
    }

    pub(crate) fn stage(&self) -> Option<Stage> {
        self.stage
    }
}
