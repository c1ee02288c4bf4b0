//! Where messages go.

use std::rc::Rc;

use crate::credentials::Credentials;
use crate::message::Entity;

/// A Service Bus namespace, the way to it, and who signs.
#[derive(Debug)]
pub struct Destination {
    /// Host that is signed and sent as `:authority`.
    pub namespace: Rc<str>,
    /// Envoy cluster of the callout.
    pub cluster: Rc<str>,
    /// Who signs.
    pub credentials: Rc<Credentials>,
    /// What its credentials are bound to.
    pub(crate) bound: Rc<Bound>,
}

/// Credentials with what they are bound to, where there is such a bound.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) credentials: Rc<Credentials>,
    pub(crate) host: Option<String>,
    pub(crate) entity_path: Option<String>,
}

impl From<Credentials> for Bound {
    fn from(credentials: Credentials) -> Self {
        Self { credentials: Rc::new(credentials), host: None, entity_path: None }
    }
}

/// A second destination.
#[derive(Debug)]
pub struct Fallback {
    /// Namespace, cluster and credentials.
    pub destination: Rc<Destination>,
    /// Queue or topic; the message's own, when absent.
    pub entity: Option<Rc<Entity>>,
    /// Whether it is also taken when the first may have stored the message.
    pub allow_duplicates: bool,
}
