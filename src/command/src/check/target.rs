//! What the files say of the cluster of a callout, whoever makes it.

use std::rc::Rc;

use super::case::Case;
use super::configuration::Reference;
use crate::manifests::{Cluster, ClusterOptions, Manifests, Registry, Tls, is_bus};
use crate::text::Position;

/// A cluster with all that is known of it.
pub(super) struct Target<'a> {
    /// Where it stands as a cluster of Envoy's.
    pub(super) cluster: Option<&'a Cluster>,
    /// Where to say what is wrong with it.
    pub(super) place: Option<(&'a Rc<str>, Position)>,
    /// Whether it leads to port 443, or to a host of Azure's.
    pub(super) is_azure: bool,
    /// Whether limits that are not set are Envoy's own.
    pub(super) has_defaults: bool,
    pub(super) options: ClusterOptions,
}

/// Puts together what stands in clusters, resources and patches.
pub(super) fn find<'a>(case: &'a Case<'_>, one: &Reference) -> Target<'a> {
    let manifests = case.manifests;
    let cluster = manifests.clusters.iter().find(|cluster| cluster.name == one.name);
    let mut target = match (cluster, mesh_host(&one.name), gateway_rule(&one.name)) {
        (Some(cluster), ..) => Target {
            cluster: Some(cluster),
            place: Some((&cluster.file, cluster.at)),
            is_azure: cluster.leads_to_azure(),
            has_defaults: true,
            options: cluster.options.clone(),
        },
        (None, Some((host, port)), _) => of_mesh(manifests, host, port),
        (None, None, Some((namespace, name, rule))) => of_gateway(manifests, namespace, name, rule),
        _ => nothing(),
    };
    let patches = manifests.cluster_patches.iter().filter(|patch| patch.is_for(&one.name));
    if target.cluster.is_none() {
        for patch in patches {
            target.options.overlay(&patch.options);
            target.place = target.place.or(Some((&patch.file, patch.at)));
        }
        // Where nothing but patches is known, what they leave out may stand elsewhere.
        if target.options.tls.is_none() && !target.is_azure {
            target.options.tls = Some(Tls::Unknown);
        }
    }
    target.options.conclude();
    target
}

fn nothing<'a>() -> Target<'a> {
    Target {
        cluster: None,
        place: None,
        is_azure: false,
        has_defaults: false,
        options: ClusterOptions::default(),
    }
}

/// Istio's name for the cluster of a service: `outbound|443||host`.
fn mesh_host(name: &str) -> Option<(&str, u64)> {
    let mut parts = name.split('|');
    let (direction, port, _, host) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (direction == "outbound" && parts.next().is_none()).then_some((host, port.parse().ok()?))
}

fn of_mesh<'a>(manifests: &'a Manifests, host: &str, port: u64) -> Target<'a> {
    let mut target = nothing();
    let entry = manifests.service_entries.iter().find(|entry| entry.has(host));
    let rule =
        manifests.destination_rules.iter().find_map(|rule| Some((rule, rule.options(host, port)?)));
    // Without both, who makes the cluster is not known.
    if let Some(entry) = entry {
        target.place = Some((&entry.file, entry.at));
    }
    if let Some((rule, options)) = rule {
        target.place = Some((&rule.file, rule.at));
        target.options = options.clone();
    }
    target.is_azure = (entry.is_some() || rule.is_some()) && (port == 443 || is_bus(host));
    // Higress makes of a registry an entry and a rule, which checks no names.
    if let Some(registry) = manifests.registries.iter().find(|one| one.gives(host, port)) {
        target.place = Some((&registry.file, registry.at));
        target.is_azure = port == 443;
        target.options.tls =
            Some(if registry.is_encrypted { Tls::NameUnchecked } else { Tls::Plain });
    }
    let newer = entry.and_then(|entry| Some((entry, entry.protocol(port)?)));
    if let Some((entry, "HTTP2" | "GRPC")) = newer {
        let place = (Rc::clone(&entry.file), entry.at);
        target.options.http2.get_or_insert(place);
    }
    target
}

/// Envoy Gateway's name for the cluster of a rule: `httproute/NAMESPACE/NAME/rule/INDEX`.
fn gateway_rule(name: &str) -> Option<(&str, &str, usize)> {
    let mut parts = name.strip_prefix("httproute/")?.split('/');
    let (namespace, name, rule) = (parts.next()?, parts.next()?, parts.next()?);
    let index = parts.next()?.parse().ok()?;
    (rule == "rule" && parts.next().is_none()).then_some((namespace, name, index))
}

fn of_gateway<'a>(
    manifests: &'a Manifests,
    namespace: &str,
    name: &str,
    rule: usize,
) -> Target<'a> {
    let gateway = &manifests.gateway;
    let mut target = nothing();
    let route = gateway.routes.iter().find(|it| it.name == name && it.namespace == namespace);
    let Some((route, backends)) = route.and_then(|it| Some((it, it.rules.get(rule)?))) else {
        return target;
    };
    target.options = gateway.options(route);
    target.has_defaults = true;
    let Some(backend) = backends.iter().find_map(|one| gateway.backend(one)) else {
        return target;
    };
    target.place = Some((&backend.file, backend.at));
    target.is_azure = backend.ports.contains(&443);
    target.options.tls = Some(gateway.tls(backend));
    target
}

/// What to say of a name that a control plane makes of nothing in the files.
pub(super) fn absence(manifests: &Manifests, name: &str) -> Option<String> {
    if manifests.clusters.iter().any(|cluster| cluster.name == name) {
        return None;
    }
    let gateway = &manifests.gateway;
    if let Some((namespace, route, rule)) = gateway_rule(name) {
        if gateway.routes.is_empty() {
            return None;
        }
        let found = gateway.routes.iter().find(|it| it.name == route && it.namespace == namespace);
        let Some(backends) = found.and_then(|route| route.rules.get(rule)) else {
            return Some(format!("no rule of an HTTPRoute gives the cluster {name:?}"));
        };
        let backend = backends.first().filter(|_| gateway.merges_backends)?;
        let merged = format!(
            "{}/{}/{}/{}",
            backend.kind.to_ascii_lowercase(),
            backend.namespace,
            backend.name,
            backend.port.unwrap_or(443)
        );
        return Some(format!(
            "there is no cluster {name:?}: with mergeBackends its name is {merged:?}"
        ));
    }
    if let Some(rest) = name.strip_prefix("backend/") {
        let mut parts = rest.split('/');
        let (namespace, backend) = (parts.next()?, parts.next()?);
        let known = gateway.backends.iter();
        let known = known.filter(|it| it.namespace == namespace && it.name == backend).count() > 0;
        let gone = !gateway.backends.is_empty() && (!known || !gateway.merges_backends);
        return gone.then(|| {
            format!(
                "there is no cluster {name:?}: it needs such a Backend, and mergeBackends in \
                     the EnvoyProxy"
            )
        });
    }
    let (host, port) = mesh_host(name)?;
    if Registry::is_of_registry(host) {
        let known = manifests.registries.iter().any(|registry| registry.gives(host, port));
        let gone = !manifests.registries.is_empty() && !known;
        return gone.then(|| format!("no registry of an McpBridge gives the cluster {name:?}"));
    }
    let mut entries = manifests.service_entries.iter();
    let given = entries.any(|entry| entry.has(host) && entry.protocol(port).is_some());
    let gone = !manifests.service_entries.is_empty() && is_bus(host) && !given;
    gone.then(|| format!("no ServiceEntry gives the cluster {name:?}"))
}
