//! One sender with what stands around it, which all rules look at.

use envoy_service_bus::delivery::{Gate, Sender};
use envoy_service_bus::route::Action;
use envoy_service_bus::route::{HostMatch, PathMatch, Segment};

use super::configuration::References;
use super::{
    buffers, capabilities, clusters, environment, envoy_routes, hold, local_reply, message, order,
    reply, timeouts, tokens,
};
use crate::finding::Finding;
use crate::manifests::{Candidate, Manifests, Platform, Plugin, Request};
use crate::text::Position;

/// A sender, its configuration, and the files around it.
pub(super) struct Case<'a> {
    pub(super) plugin: &'a Plugin,
    pub(super) sender: &'a Sender,
    pub(super) names: References,
    pub(super) manifests: &'a Manifests,
    /// The gates that work after it.
    pub(super) gates: Vec<(&'a Plugin, &'a Gate)>,
    /// Whether something after it has mistakes, and may be meant for a gate.
    pub(super) unread: bool,
}

impl<'a> Case<'a> {
    /// All that is to be said about it.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = message::check(self);
        findings.extend(reply::check(self));
        if self.plugin.platform == Platform::Unknown {
            return findings;
        }
        for check in [
            environment::check,
            capabilities::check,
            hold::check,
            order::check,
            envoy_routes::check,
            clusters::check,
            buffers::check,
            timeouts::check,
            local_reply::check,
            tokens::check,
        ] {
            findings.extend(check(self));
        }
        findings
    }

    pub(super) fn warning(&self, at: Position, place: &str, message: &str) -> Finding {
        Finding::warning(&self.plugin.file, at, place, message)
    }

    /// Requests that a route of the filter takes, one of each form.
    pub(super) fn requests(&self, route: usize) -> Vec<Request> {
        let Some(route) = self.sender.routes.get(route) else { return vec![] };
        let default = match route.action {
            Action::Lookup(_) => "GET",
            _ => "POST",
        };
        let matches = &route.matches;
        let methods = match matches.methods.as_slice() {
            [] => vec![default.to_owned()],
            methods => methods.to_vec(),
        };
        let hosts = match matches.hosts.as_slice() {
            [] => vec![None],
            hosts => hosts.iter().map(host).map(Some).collect(),
        };
        let mut requests = vec![];
        for path in paths(&matches.path) {
            for method in &methods {
                for host in &hosts {
                    requests.push(Request {
                        method: method.clone(),
                        host: host.clone(),
                        path: path.clone(),
                        headers: matches.headers.clone(),
                    });
                }
            }
        }
        requests
    }

    /// For each of those the routes of Envoy's that may take it, where all are known.
    pub(super) fn candidates(&self, route: usize) -> Option<Vec<Vec<Candidate<'a>>>> {
        let table = self.manifests.routes(self.plugin.manager.as_deref()?)?;
        Some(self.requests(route).iter().map(|request| table.candidates(request)).collect())
    }
}

/// A path of each form; `x1` stands for any segment.
fn paths(path: &PathMatch) -> Vec<String> {
    match path {
        PathMatch::Exact(path) => vec![path.clone()],
        PathMatch::Prefix(prefix) => {
            let slash = if prefix.ends_with('/') { "" } else { "/" };
            vec![prefix.clone(), format!("{prefix}{slash}x1")]
        }
        PathMatch::Template(segments) => {
            let segment = |segment: &Segment| match segment {
                Segment::Capture(_) => "/x1".to_owned(),
                Segment::Literal(text) => format!("/{text}"),
            };
            vec![segments.iter().map(segment).collect()]
        }
    }
}

fn host(host: &HostMatch) -> String {
    match host {
        HostMatch::Exact(host) => host.clone(),
        HostMatch::Suffix(suffix) => format!("x1{suffix}"),
    }
}
