//! A GET whose answer becomes the reply.

use std::rc::Rc;
use std::time::Duration;

use crate::template::Template;

/// A GET of another cluster.
#[derive(Debug)]
pub struct Lookup {
    /// Envoy cluster of the callout.
    pub cluster: Rc<str>,
    /// `:authority`.
    pub authority: Rc<str>,
    /// `:path`; what expressions insert is percent-encoded.
    pub path: Template,
    /// What the callout may take.
    pub timeout: Duration,
}
