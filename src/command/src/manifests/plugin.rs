//! One instance of the filter, as a file configures it.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Limit;
use super::connection_manager::ConnectionManager;
use super::istio::Stage;
use super::scope::Scope;
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
    /// What the module may call and is called for, where a list restricts it.
    pub(crate) capabilities: Option<(Position, BTreeSet<String>)>,
    /// Whether Envoy goes on with the body when the filter holds the headers.
    pub(crate) body_while_held: bool,
    pub(crate) order: Order,
    /// The proxies that it is for, where a control plane decides.
    pub(crate) scope: Scope,
    /// Its name in the list of Envoy's filters, or of the resource that brings it.
    pub(crate) filter: Option<String>,
    /// Whether it works on those routes alone that enable it.
    pub(crate) disabled: bool,
    /// Name of the buffer filter after it, and whether the list disables that one.
    pub(crate) buffer_after: Option<(String, bool)>,
    /// What that one takes.
    pub(crate) buffer: Option<Limit>,
    /// What its listener buffers at most, and the window of a stream of HTTP/2.
    pub(crate) listener_buffer: Option<Limit>,
    pub(crate) window: Option<Limit>,
    /// What it stands in, in Envoy's own configuration.
    pub(crate) manager: Option<Rc<ConnectionManager>>,
    /// Where `jwt_authn` of its chain leaves tokens; `None` when no such filter is known.
    pub(crate) token_keys: Option<BTreeSet<String>>,
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
    Priority(Stage, i64),
}

impl Order {
    /// Whether it works after another on the same request; `None` when that cannot be told.
    pub(crate) fn follows(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Chain(chain, at), Self::Chain(others, before)) => {
                Some(chain == others && at > before)
            }
            (Self::Priority(stage, priority), Self::Priority(others, before)) => {
                Some(stage > others || stage == others && priority < before)
            }
            (Self::Unknown, _) | (_, Self::Unknown) => None,
            _ => Some(false),
        }
    }
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
            capabilities: None,
            body_while_held: false,
            order: Order::Unknown,
            scope: Scope::default(),
            filter: None,
            disabled: false,
            buffer_after: None,
            buffer: None,
            listener_buffer: None,
            window: None,
            manager: None,
            token_keys: None,
        }
    }

    /// Whether it works after another on the same request, as far as can be told.
    pub(crate) fn follows(&self, other: &Self) -> bool {
        self.order.follows(&other.order).unwrap_or(true)
    }
}
