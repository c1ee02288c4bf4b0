//! HTTP requests for Envoy to make.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Destination, Entity};
use crate::reply::{Failure, Reason};

/// An HTTP request for Envoy to make.
#[derive(Clone, PartialEq, Eq)]
pub struct Callout {
    /// Envoy's name of the upstream.
    pub cluster: String,
    /// Pseudo-headers included.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Rc<Vec<u8>>,
    /// When Envoy is to give up.
    pub timeout: Duration,
    /// How much of the answer's body is needed.
    pub answer_bytes: usize,
}

/// Headers and body may hold keys and tokens.
impl fmt::Debug for Callout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.headers.iter().find(|(name, _)| name == ":path").map(|(_, path)| path);
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("Callout")
            .field("cluster", &self.cluster)
            .field("path", &path)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A GET whose answer a client waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// Envoy cluster.
    pub cluster: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`.
    pub path: String,
    /// When Envoy is to give up.
    pub timeout: Duration,
}

/// Why Envoy did not start a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DispatchError {
    /// There is no such cluster.
    UnknownCluster,
    /// The cluster has no healthy host, its circuit breaker is open, or it lacks the token that
    /// Envoy adds.
    Unavailable,
}

/// Errors of Service Bus are short.
const ERROR_BYTES: usize = 2 * 1024;
/// Longest answer of a lookup.
const FOUND_BYTES: usize = 1024 * 1024;

impl Inquiry {
    pub(super) fn callout(self) -> Callout {
        let Self { cluster, authority, path, timeout } = self;
        let headers = [
            (":method", "GET"),
            (":path", path.as_str()),
            (":authority", authority.as_str()),
            (":scheme", "https"),
            ("accept", "application/json"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Callout { cluster, headers, body: Rc::default(), timeout, answer_bytes: FOUND_BYTES }
    }
}

/// A send to Service Bus.
pub(super) fn send(
    destination: &Destination,
    entity: &Entity,
    authorization: Option<&str>,
    (own, body): (Vec<(String, String)>, Rc<Vec<u8>>),
    timeout: Duration,
) -> Callout {
    let mut headers = Vec::with_capacity(own.len() + 6);
    let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    add(":method", "POST");
    add(":path", &entity.messages_path);
    add(":authority", &destination.namespace);
    add(":scheme", "https");
    // Envoy sets it for a body only, and Service Bus needs it for each POST.
    if body.is_empty() {
        add("content-length", "0");
    }
    if let Some(token) = authorization {
        add("authorization", token);
    }
    headers.extend(own);
    let cluster = destination.cluster.clone();
    Callout { cluster, headers, body, timeout, answer_bytes: ERROR_BYTES }
}

impl DispatchError {
    /// What it means for whoever asked; `unavailable` where the cluster is there but does not serve.
    pub(super) fn failure(self, cluster: &str, unavailable: Reason) -> Failure {
        match self {
            Self::UnknownCluster => Failure::new(
                Reason::Misconfigured,
                format!("Envoy knows no cluster {cluster:?} or refused the callout's headers"),
            ),
            Self::Unavailable => Failure::new(
                unavailable,
                format!("cluster {cluster:?} has no healthy host, too many requests or no token"),
            ),
        }
    }
}
