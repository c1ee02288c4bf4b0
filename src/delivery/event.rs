//! What happens on the way, for log and metrics.

use std::rc::Rc;
use std::time::Duration;

use crate::credentials::CredentialEvent;
use crate::route::Destination;

/// Something that no client is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A callout with so many messages leaves.
    Sent {
        /// Where it goes.
        namespace: Namespace,
        /// More than one are a batch.
        messages: usize,
        /// Size of its body.
        bytes: usize,
    },
    /// A callout failed and will be made again, after a wait.
    Repeated {
        /// Where it goes.
        namespace: Namespace,
        /// How long it waits.
        wait: Duration,
    },
    /// A part of a batch that was refused for one of its messages is sent.
    Halved {
        /// Where it goes.
        namespace: Namespace,
    },
    /// A message goes to its second destination.
    FellBack {
        /// The namespace that it goes to now.
        namespace: Namespace,
    },
    /// The circuit breaker of a namespace and its cluster has opened: nothing is sent there.
    BreakerOpened {
        /// The namespace.
        namespace: Namespace,
    },
    /// The circuit breaker of a namespace and its cluster has closed.
    BreakerClosed {
        /// The namespace.
        namespace: Namespace,
    },
    /// Something happened to the tokens of a namespace.
    Credentials {
        /// The namespace.
        namespace: Namespace,
        /// What happened.
        event: CredentialEvent,
    },
}

impl Event {
    /// The namespace that it is about.
    pub const fn namespace(&self) -> &Namespace {
        match self {
            Self::Sent { namespace, .. }
            | Self::Repeated { namespace, .. }
            | Self::FellBack { namespace }
            | Self::Halved { namespace }
            | Self::BreakerOpened { namespace }
            | Self::BreakerClosed { namespace }
            | Self::Credentials { namespace, .. } => namespace,
        }
    }
}

/// A namespace by its destination.
#[derive(Clone, Debug)]
pub struct Namespace(pub(super) Rc<Destination>);

impl Namespace {
    /// Its host.
    pub fn as_str(&self) -> &str {
        &self.0.namespace
    }

    /// The cluster that leads there.
    pub fn cluster(&self) -> &str {
        &self.0.cluster
    }

    /// Where its destination is: the same for each event of one destination, and of no other.
    pub fn address(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}
