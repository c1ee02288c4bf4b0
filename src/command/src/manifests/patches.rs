//! Patches of clusters, by which control planes take headers away.

use std::collections::BTreeSet;

use super::envoy::removed_headers;
use crate::yaml::Node;

/// What a patch removes, and on which clusters.
#[derive(Debug)]
pub(crate) struct Removal {
    clusters: Clusters,
    pub(crate) headers: BTreeSet<String>,
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

impl Removal {
    /// Reads the patches of an `EnvoyFilter` or `EnvoyPatchPolicy`.
    pub(super) fn read(spec: &Node) -> Vec<Self> {
        let of = |key| spec.get(key).map(|node| node.items()).unwrap_or_default();
        let istio =
            of("config_patches").iter().filter(|patch| patch.str_of("apply_to") == Some("CLUSTER"));
        let istio = istio.map(|patch| {
            let cluster = patch.path(&["match", "cluster"]);
            let text = |key| cluster.and_then(|node| node.str_of(key)).map(str::to_owned);
            let clusters = match (text("name"), text("service")) {
                (Some(name), _) => Clusters::Named(name),
                (None, Some(service)) => Clusters::Of { service, port: text("port_number") },
                (None, None) => Clusters::All,
            };
            Self { clusters, headers: removed_headers(patch) }
        });
        let gateway = of("json_patches")
            .iter()
            .filter(|patch| patch.str_of("type").is_none_or(|kind| kind.ends_with(".Cluster")));
        let gateway = gateway.map(|patch| {
            let name = patch.str_of("name").map(str::to_owned);
            let clusters = name.map_or(Clusters::All, Clusters::Named);
            Self { clusters, headers: removed_headers(patch) }
        });
        istio.chain(gateway).collect()
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
