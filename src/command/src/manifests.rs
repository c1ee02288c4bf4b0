//! What stands in the files that a command was given: instances of the filter, and what surrounds
//! them.

mod clusters;
mod connection_manager;
mod envoy;
mod envoy_gateway;
mod guard;
mod higress;
mod istio;
mod kubernetes;
mod limits;
mod local_reply;
mod patches;
mod plugin;
mod recognition;
mod request_match;
mod routes;
mod scope;
mod tls;

use std::rc::Rc;

pub(crate) use clusters::{Cluster, Options as ClusterOptions, is_bus};
pub(crate) use connection_manager::{ConnectionManager, REQUEST as REQUEST_TIMEOUT, Routes};
pub(crate) use envoy_gateway::{Gateway, Policy};
pub(crate) use guard::{Guard, Kind as GuardKind};
pub(crate) use higress::Registry;
pub(crate) use istio::{DestinationRule, ServiceEntry};
pub(crate) use limits::Limit;
pub(crate) use patches::{ClusterPatch, Insertion};
pub(crate) use plugin::{Order, Platform, Plugin};
pub(crate) use request_match::Request;
pub(crate) use routes::{Action as RouteAction, Candidate, RouteTable, Setting, Switch};
pub(crate) use tls::Tls;

use envoy_service_bus::json;

use crate::finding::Finding;
use crate::text::{Position, Text};
use crate::yaml::{self, Node};
pub(crate) use recognition::template_action;
use recognition::{AROUND, stands_alone};

/// All that is known of some files.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// In the order of the files.
    pub(crate) plugins: Vec<Plugin>,
    /// What refuses requests in the same chains.
    pub(crate) guards: Vec<Guard>,
    pub(crate) clusters: Vec<Cluster>,
    /// Whether Envoy may learn of more clusters than stand here.
    pub(crate) more_clusters: bool,
    /// Tables of routes that connection managers name.
    route_tables: Vec<RouteTable>,
    pub(crate) cluster_patches: Vec<ClusterPatch>,
    insertions: Vec<Insertion>,
    /// What patches set on connection managers.
    pub(crate) patched_managers: Vec<Rc<ConnectionManager>>,
    /// Whether a patch of a control plane brings Envoy's buffer filter.
    pub(crate) buffer_by_patch: bool,
    /// What that one takes.
    pub(crate) patched_buffer: Option<Limit>,
    pub(crate) service_entries: Vec<ServiceEntry>,
    pub(crate) destination_rules: Vec<DestinationRule>,
    pub(crate) registries: Vec<Registry>,
    pub(crate) gateway: Gateway,
    /// What is wrong with the files themselves.
    pub(crate) findings: Vec<Finding>,
    chains: usize,
}

impl Manifests {
    /// Looks through one file.
    pub(crate) fn add(&mut self, file: &Rc<str>, text: &Text) {
        let braced = text.as_str().trim_start().starts_with('{');
        let json = json::read(text.as_str().as_bytes());
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
            Err(malformed) => match template_action(text.as_str()) {
                Some(offset) => self.error(file, text.position(offset), "", TEMPLATE),
                None => self.error(file, malformed.at, "", &malformed.message),
            },
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

    /// The routes of a connection manager, where they stand in the files.
    pub(crate) fn routes<'a>(&'a self, manager: &'a ConnectionManager) -> Option<&'a RouteTable> {
        let table = match &manager.routes {
            Routes::Here(table) => Some(table),
            Routes::Named(name) => {
                self.route_tables.iter().find(|table| table.name.as_ref() == Some(name))
            }
            Routes::Unknown => None,
        };
        table.filter(|table| table.is_complete())
    }

    /// A number for a list of filters that work one after the other.
    fn new_chain(&mut self) -> usize {
        self.chains += 1;
        self.chains
    }
}

/// What to do with a text that is to become YAML yet.
pub(crate) const TEMPLATE: &str = "a Helm chart or another Go template, not YAML yet: render it first, for \
                        instance with `helm template`, and check what comes out";
