//! What stands in the files that a command was given: instances of the filter, and what surrounds
//! them.

mod envoy;
mod kubernetes;
mod limits;
mod plugin;
mod timeouts;

use std::collections::BTreeSet;
use std::rc::Rc;

pub(crate) use limits::Limit;
pub(crate) use plugin::{Order, Platform, Plugin};
pub(crate) use timeouts::Timeout;

use crate::check::Finding;
use crate::text::{Position, Text};
use crate::yaml::{self, Node};

/// All that is known of some files.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// In the order of the files.
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) clusters: Vec<Cluster>,
    /// Whether Envoy may learn of more clusters than stand here.
    pub(crate) more_clusters: bool,
    /// Headers that patches of a control plane remove on clusters.
    pub(crate) removed_by_patches: BTreeSet<String>,
    /// Whether a patch of a control plane brings Envoy's buffer filter.
    pub(crate) buffer_by_patch: bool,
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

impl Survey {
    /// Looks through one file.
    pub(crate) fn add(&mut self, file: &Rc<str>, text: &Text) {
        let json = serde_json::from_str::<serde_json::Value>(text.as_str());
        let braced = text.as_str().trim_start().starts_with('{');
        let wrapped = match &json {
            Ok(value) => {
                ["@type", "kind", "static_resources", "staticResources", "resources", "admin"]
                    .iter()
                    .any(|key| value.get(key).is_some())
            }
            Err(_) => false,
        };
        if braced && json.is_ok() && !wrapped {
            self.plugins.push(Plugin::plain(file, Some(text.clone())));
            return;
        }
        match yaml::read(text) {
            Ok(documents) => documents.iter().for_each(|node| self.document(file, node)),
            // A text in braces is meant as JSON, and its own reader tells better what is wrong.
            Err(_) if braced => self.plugins.push(Plugin::plain(file, Some(text.clone()))),
            Err(malformed) => {
                self.error(file, malformed.at, "", &malformed.message);
            }
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
            self.envoy(file, node);
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
