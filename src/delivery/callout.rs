//! HTTP requests for Envoy to make.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Destination, Entity};
use crate::headers::{Header, header};
use crate::reply::{Failure, Reason};

/// An HTTP request for Envoy to make. What it has in common with others is shared, not copied.
#[derive(Clone, PartialEq, Eq)]
pub struct Callout {
    /// Envoy's name of the upstream.
    pub cluster: Rc<str>,
    /// `:method`.
    pub method: &'static str,
    /// `:scheme`.
    pub scheme: &'static str,
    /// `:authority`.
    pub authority: Rc<str>,
    /// `:path`.
    pub path: Rc<str>,
    /// Value of `authorization`.
    pub authorization: Option<Rc<str>>,
    /// Other headers.
    pub fields: Rc<Vec<Header>>,
    /// May be empty.
    pub body: Rc<Vec<u8>>,
    /// When Envoy is to give up.
    pub timeout: Duration,
    /// How much of the answer's body is needed.
    pub answer_bytes: usize,
}

impl Callout {
    /// All headers, pseudo-headers first.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let pseudo = [
            (":method", self.method),
            (":path", &*self.path),
            (":authority", &*self.authority),
            (":scheme", self.scheme),
        ];
        // Envoy sets it for a body only, and Service Bus needs it for each POST.
        let empty = self.method == "POST" && self.body.is_empty();
        let length = empty.then_some(("content-length", "0"));
        let authorization = self.authorization.as_deref().map(|token| ("authorization", token));
        let fields = self.fields.iter().map(|(name, value)| (&**name, &**value));
        pseudo.into_iter().chain(length).chain(authorization).chain(fields)
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(other, _)| *other == name).map(|(_, value)| value)
    }
}

/// Headers and body may hold keys and tokens.
impl fmt::Debug for Callout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers().map(|(name, _)| name).collect();
        formatter
            .debug_struct("Callout")
            .field("cluster", &self.cluster)
            .field("path", &self.path)
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
    pub cluster: Rc<str>,
    /// `:authority`.
    pub authority: Rc<str>,
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
        Callout {
            cluster,
            method: "GET",
            scheme: "https",
            authority,
            path: path.into(),
            authorization: None,
            fields: Rc::new(vec![header("accept", "application/json")]),
            body: Rc::default(),
            timeout,
            answer_bytes: FOUND_BYTES,
        }
    }
}

/// A send to Service Bus.
pub(super) fn send(
    destination: &Destination,
    entity: &Entity,
    authorization: Option<Rc<str>>,
    (fields, body): (Rc<Vec<Header>>, Rc<Vec<u8>>),
    timeout: Duration,
) -> Callout {
    Callout {
        cluster: Rc::clone(&destination.cluster),
        method: "POST",
        scheme: "https",
        authority: Rc::clone(&destination.namespace),
        path: Rc::clone(&entity.messages_path),
        authorization,
        fields,
        body,
        timeout,
        answer_bytes: ERROR_BYTES,
    }
}

impl DispatchError {
    /// What it means for who asked; `unavailable` where the cluster is there but does not serve.
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
