//! Which proxies a resource of a control plane is for.

use crate::yaml::Node;

/// Namespace, labels and targets of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    namespace: Option<String>,
    labels: Vec<(String, String)>,
    /// Kind and name.
    targets: Vec<(String, String)>,
    /// Ports and directions, as they are written.
    matches: Option<String>,
}

/// Whose resources of Istio are for all namespaces.
const ROOT: &str = "istio-system";

impl Scope {
    /// Reads the scope of a resource.
    pub(super) fn read(resource: &Node) -> Self {
        let spec = resource.get("spec");
        let namespace = resource.path(&["metadata", "namespace"]).and_then(Node::str);
        let labels = spec.and_then(|spec| {
            spec.path(&["selector", "match_labels"])
                .or_else(|| spec.path(&["workload_selector", "labels"]))
        });
        let labels = labels.map(Node::members).unwrap_or_default().iter();
        let targets = spec.and_then(|spec| spec.get("target_refs"));
        let single = spec.and_then(|spec| spec.get("target_ref"));
        let targets = targets.into_iter().flat_map(|node| node.items()).chain(single);
        let text = |node: &Node, key| node.str_of(key).unwrap_or_default().to_owned();
        let mut labels: Vec<_> = labels
            .map(|(key, value)| (key.name.clone(), value.str().unwrap_or_default().to_owned()))
            .collect();
        labels.sort();
        let mut targets: Vec<_> =
            targets.map(|node| (text(node, "kind"), text(node, "name"))).collect();
        targets.sort();
        let matches = spec.and_then(|spec| spec.get("match"));
        Self {
            namespace: namespace.map(str::to_owned),
            labels,
            targets,
            matches: matches.map(|node| node.to_json().as_str().to_owned()),
        }
    }

    /// The scope of what is for one route of the Gateway API.
    pub(super) fn of_route(namespace: &str, name: &str) -> Self {
        let targets = vec![("HTTPRoute".to_owned(), name.to_owned())];
        Self { namespace: Some(namespace.to_owned()), targets, ..Self::default() }
    }

    /// What this one is for that another is not, where each of the other's requests should be
    /// this one's too.
    pub(crate) fn misses(&self, other: &Self) -> Option<&'static str> {
        if self.namespace != other.namespace && self.namespace.as_deref() != Some(ROOT) {
            return Some("namespace");
        }
        let selects = self.labels.iter().all(|label| other.labels.contains(label));
        if !selects || !self.targets.is_empty() && self.targets != other.targets {
            return Some("selector");
        }
        (self.matches.is_some() && self.matches != other.matches).then_some("match")
    }

    /// Whether both are for a proxy, as far as can be told.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let roots = [self, other].iter().any(|one| one.namespace.as_deref() == Some(ROOT));
        let apart = |(key, value): &(String, String)| {
            other.labels.iter().any(|(their_key, theirs)| key == their_key && value != theirs)
        };
        let targeted = self.targets.is_empty()
            || other.targets.is_empty()
            || self.targets.iter().any(|target| other.targets.contains(target));
        (self.namespace == other.namespace || roots) && !self.labels.iter().any(apart) && targeted
    }

    pub(crate) fn targets(&self) -> &[(String, String)] {
        &self.targets
    }

    pub(crate) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }
}
