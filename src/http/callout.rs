//! HTTP requests for Envoy to make.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::headers::Header;

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
    pub response_bytes: usize,
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

/// Why Envoy did not start a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DispatchError {
    /// There is no such cluster.
    UnknownCluster,
    /// The cluster has no healthy host, its circuit breaker is open, or it lacks the token that
    /// Envoy adds.
    Unavailable,
}
