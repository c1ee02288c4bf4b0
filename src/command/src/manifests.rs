//! What stands in the files that a command was given: instances of the filter, and what surrounds
//! them.

mod envoy;
mod kubernetes;
mod limits;
mod patches;
mod plugin;
mod timeouts;

use std::collections::BTreeSet;
use std::rc::Rc;

pub(crate) use limits::Limit;
pub(crate) use patches::Removal;
pub(crate) use plugin::{Order, Platform, Plugin};
pub(crate) use timeouts::Timeout;

use crate::finding::Finding;
use crate::text::{Position, Text};
use crate::yaml::{self, Node};

/// All that is known of some files.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// In the order of the files.
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) clusters: Vec<Cluster>,
    /// Whether Envoy may learn of more clusters than stand here.
    pub(crate) more_clusters: bool,
    /// Headers that patches of a control plane remove on clusters.
    pub(crate) removals: Vec<Removal>,
    /// Whether a patch of a control plane brings Envoy's buffer filter.
    pub(crate) buffer_by_patch: bool,
    /// What that one takes.
    pub(crate) patched_buffer: Option<Limit>,
    /// Largest body that an Envoy Gateway buffers, as a `ClientTrafficPolicy` says.
    pub(crate) gateway_buffer: Option<Limit>,
    /// What is wrong with the files themselves.
    pub(crate) findings: Vec<Finding>,
    chains: usize,
}

/// One of Envoy's clusters.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) file: Rc<str>,
    pub(crate) at: Position,
    pub(crate) name: String,
    /// Headers that its upstream filters remove.
    pub(crate) removed: BTreeSet<String>,
}

impl Manifests {
    /// Looks through one file.
    pub(crate) fn add(&mut self, file: &Rc<str>, text: &Text) {
        let braced = text.as_str().trim_start().starts_with('{');
        let json = serde_json::from_str::<serde_json::Value>(text.as_str());
        if json.as_ref().is_ok_and(|value| stands_alone(|key| value.get(key).is_some())) {
            return self.plugins.push(Plugin::plain(file, Some(text.clone())));
        }
        let documents = yaml::read(text);
        // A text in braces is meant as JSON, and its own reader tells better what is wrong.
        let alone = match &documents {
            _ if !braced || json.is_ok() => false,
            Ok(documents) => {
                documents.iter().all(|node| stands_alone(|key| node.get(key).is_some()))
            }
            Err(_) => !AROUND.iter().any(|key| text.as_str().contains(key)),
        };
        match documents {
            _ if alone => self.plugins.push(Plugin::plain(file, Some(text.clone()))),
            Ok(documents) => documents.iter().for_each(|node| self.document(file, node)),
            Err(malformed) => self.error(file, malformed.at, "", &malformed.message),
        }
    }

    fn document(&mut self, file: &Rc<str>, node: &Rc<Node>) {
        if node.get("apiVersion").is_some() && node.get("kind").is_some() {
            self.kubernetes(file, node);
        } else if node.get("routes").is_some()
            && (node.get("namespace").is_some() || node.get("role").is_some())
        {
            let message = "the configuration of the filter is JSON, not YAML";
            self.error(file, node.at, "", message);
        } else {
            let before = self.plugins.len() + self.clusters.len();
            self.envoy(file, node);
            let concerned = self.plugins.len() + self.clusters.len() > before;
            if let Some(at) = node.first_merge().filter(|_| concerned) {
                let message = "Envoy does not know merge keys and refuses the file: write what \
                               `<<` stands for";
                self.error(file, at, "", message);
            }
        }
    }

    fn error(&mut self, file: &Rc<str>, at: Position, place: &str, message: &str) {
        self.findings.push(Finding::error(file, at, place, message));
    }

    /// A number for a list of filters that work one after the other.
    fn new_chain(&mut self) -> usize {
        self.chains += 1;
        self.chains
    }
}

/// Keys of Envoy's and of Kubernetes' that stand in no configuration of the filter.
const AROUND: [&str; 9] = [
    "@type",
    "apiVersion",
    "filter_chains",
    "filterChains",
    "load_assignment",
    "loadAssignment",
    "static_resources",
    "staticResources",
    "virtual_hosts",
];
/// Keys of theirs that do stand in one, but not at its top.
const PARTS: [&str; 7] = ["address", "admin", "configs", "domains", "kind", "name", "resources"];

/// Whether what has these keys is the filter's configuration and nothing around it.
fn stands_alone(has: impl Fn(&str) -> bool) -> bool {
    const OWN: [&str; 7] =
        ["namespace", "cluster", "credentials", "role", "header_mode", "delivery", "routes"];
    // Nothing of theirs has these two, so that another key beside them is a mistake.
    let certain = has("namespace") && has("credentials");
    let part = !certain && PARTS.iter().any(|key| has(key));
    OWN.iter().any(|key| has(key)) && !part && !AROUND.iter().any(|key| has(key))
}
