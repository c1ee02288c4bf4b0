//! One instance of the filter, as a file configures it.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Limit, Timeout};
use crate::text::{Position, Text};

/// An instance of the filter with what its file says about it.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) file: Rc<str>,
    pub(crate) at: Position,
    /// Name of the filter or resource.
    pub(crate) name: Option<String>,
    pub(crate) platform: Platform,
    /// JSON; `None` where there is none that could be read, which is reported.
    pub(crate) configuration: Option<Text>,
    /// Where it is told to let requests pass when it fails.
    pub(crate) open: Option<(Position, &'static str)>,
    /// Variables of the environment that the module sees, where the file decides that.
    pub(crate) variables: Option<BTreeSet<String>>,
    /// Whether Envoy goes on with the body when the filter holds the headers.
    pub(crate) body_while_held: bool,
    pub(crate) order: Order,
    /// Whether Envoy's buffer filter comes after it.
    pub(crate) buffer_after: bool,
    /// What that one takes.
    pub(crate) buffer: Option<Limit>,
    /// What Envoy buffers at most.
    pub(crate) limits: Vec<Limit>,
    /// When Envoy ends a request that waits.
    pub(crate) timeouts: Vec<Timeout>,
}

/// What configures Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    /// Nothing is known: the configuration stands alone.
    Unknown,
    Envoy,
    /// A patch of Envoy's configuration, by `EnvoyFilter` or `EnvoyPatchPolicy`.
    Patch,
    Istio,
    EnvoyGateway,
    Higress,
}

/// What decides which of two instances works first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Unknown,
    /// The chain and the place in it.
    Chain(usize, usize),
    /// The phase, and in it the priority: the highest works first.
    Priority(usize, i64),
}

impl Plugin {
    /// An instance of which only the configuration is known.
    pub(crate) fn plain(file: &Rc<str>, configuration: Option<Text>) -> Self {
        Self {
            file: Rc::clone(file),
            at: Position::START,
            name: None,
            platform: Platform::Unknown,
            configuration,
            open: None,
            variables: None,
            body_while_held: false,
            order: Order::Unknown,
            buffer_after: false,
            buffer: None,
            limits: vec![],
            timeouts: vec![],
        }
    }

    /// Whether it works after another on the same request, as far as can be told.
    pub(crate) fn follows(&self, other: &Self) -> bool {
        match (&self.order, &other.order) {
            (Order::Chain(chain, at), Order::Chain(others, before)) => {
                chain == others && at > before
            }
            (Order::Priority(phase, priority), Order::Priority(others, before)) => {
                phase > others || phase == others && priority < before
            }
            (Order::Unknown, _) | (_, Order::Unknown) => true,
            _ => false,
        }
    }
}
