//! A request that goes on to the backend after its message.

use crate::http::{Header, header};
use crate::message::{Unsendable, ValueFault};
use crate::outcome::{Outcome, Reason};
use crate::reply::Reply;
use crate::route::{Forward, OUTCOME, OnFailure, TRACKING_ID};
use crate::template::Scope;
use crate::text::is_visible_ascii;

/// What follows when a message is accepted.
#[derive(Debug)]
pub(super) enum Ready {
    /// The client is answered.
    Reply(Reply),
    /// The request goes on, with these headers of the route's.
    Forward(Vec<Header>),
}

impl Ready {
    /// Bytes that are kept of it.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Reply(reply) => reply.size(),
            Self::Forward(headers) => headers.iter().map(|(n, v)| n.len() + v.len()).sum(),
        }
    }
}

/// What is changed of a request before it goes on: a client that names these headers itself is not
/// believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Headers to remove, in lower case.
    pub removed: Vec<String>,
    /// Headers to add then.
    pub added: Vec<Header>,
}

/// What a route adds, made before the message is sent: what cannot be said then must not be found
/// out when it is stored.
pub(super) fn headers(forward: &Forward, scope: &Scope<'_>) -> Result<Vec<Header>, Unsendable> {
    let mut headers = Vec::with_capacity(forward.headers.len() + 2);
    for (name, template) in &forward.headers {
        let fault = |fault| Unsendable::Value(format!("forward.headers.{name}"), fault);
        let text = template.text(scope).map_err(|error| fault(ValueFault::Eval(error)))?;
        let Some(text) = text else { continue };
        if !is_visible_ascii(&text) {
            return Err(fault(ValueFault::Unfit("visible ASCII characters")));
        }
        headers.push(header(name.clone(), text));
    }
    Ok(headers)
}

impl Forwarding {
    /// What is changed when the headers are here, before there is a message.
    pub(super) fn early(forward: &Forward, scope: &Scope<'_>) -> Result<Self, Unsendable> {
        let added = headers(forward, scope)?;
        Ok(Self::new(forward, added, scope.tracking_id, None))
    }

    /// With what the route adds; `unsent` is why the message was not stored.
    pub(super) fn new(
        forward: &Forward,
        mut added: Vec<Header>,
        tracking_id: &str,
        unsent: Option<Reason>,
    ) -> Self {
        added.push(header(TRACKING_ID, tracking_id.to_owned()));
        if let Some(reason) = unsent {
            added.push(header(OUTCOME, reason.as_str()));
        }
        Self { removed: forward.removed().map(str::to_owned).collect(), added }
    }
}

/// Whether a request goes on, and why it does so unsent.
pub(super) fn forwards(forward: &Forward, outcome: &Outcome) -> Option<Option<Reason>> {
    match outcome {
        Outcome::Accepted => Some(None),
        Outcome::Failed(failure) if forward.on_failure == OnFailure::Forward => {
            Some(Some(failure.reason))
        }
        Outcome::Failed(_) | Outcome::Found(_) => None,
    }
}
