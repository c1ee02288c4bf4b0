//! Callouts of a send and of a lookup.

use std::rc::Rc;
use std::time::Duration;

use crate::http::{Callout, DispatchError, Header, header};
use crate::message::Entity;
use crate::outcome::{Failure, Reason};
use crate::route::Destination;

/// A GET whose answer a client waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupRequest {
    /// Envoy cluster.
    pub cluster: Rc<str>,
    /// `:authority`.
    pub authority: Rc<str>,
    /// `:path`.
    pub path: String,
    /// When Envoy is to give up.
    pub timeout: Duration,
}

/// Errors of Service Bus are short.
const ERROR_BYTES: usize = 2 * 1024;
/// Longest answer of a lookup.
const FOUND_BYTES: usize = 1024 * 1024;

impl LookupRequest {
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
            response_bytes: FOUND_BYTES,
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
        response_bytes: ERROR_BYTES,
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
