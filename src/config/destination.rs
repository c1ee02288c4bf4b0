//! Where messages go: namespace, cluster and credentials, for all routes or for one.

use crate::route::{Bound, Destination};
use std::cell::Cell;
use std::rc::Rc;

use super::credentials::{self, Environment};
use super::node::{Fields, Node};

impl Destination {
    /// The only entity that the credentials open, where there is such a bound.
    pub(super) fn only_entity(&self) -> Option<&str> {
        self.bound.entity_path.as_deref()
    }

    /// The destination with what `fields` say in place of its own parts; itself when they say
    /// nothing.
    pub(super) fn read_override(
        self: &Rc<Self>,
        fields: &mut Fields<'_>,
        environment: Environment<'_>,
    ) -> Option<Rc<Self>> {
        let nodes = KEYS.map(|key| fields.optional(key));
        if nodes.iter().all(Option::is_none) {
            return Some(Rc::clone(self));
        }
        let parts = Parts {
            namespace: Some(self.namespace.to_string()),
            cluster: Some(self.cluster.to_string()),
            credentials: Some(Rc::clone(&self.bound)),
        };
        parts.overlaid(nodes, environment)?.join()
    }
}

/// What makes a destination; a part with a mistake, or left out, is `None`.
#[derive(Clone)]
struct Parts {
    namespace: Option<String>,
    cluster: Option<String>,
    credentials: Option<Rc<Bound>>,
}

impl Parts {
    fn read(nodes: [Option<Node<'_>>; 3], environment: Environment<'_>) -> Self {
        let [namespace, cluster, credentials] = nodes;
        let namespace = namespace.and_then(|node| read_namespace(&node));
        let cluster = cluster.and_then(|node| node.filled_text().map(str::to_owned));
        let credentials = credentials
            .and_then(|node| credentials::read(&node, namespace.as_deref(), environment))
            .map(Rc::new);
        Self { namespace, cluster, credentials }
    }

    /// These parts with others in place of some.
    fn overlaid(&self, nodes: [Option<Node<'_>>; 3], environment: Environment<'_>) -> Option<Self> {
        let [namespace, cluster, credentials] = nodes;
        let mut parts = self.clone();
        if let Some(node) = namespace {
            let host = read_namespace(&node)?;
            // A connection string is for one namespace, and nothing can take it elsewhere.
            let bound = self.credentials.as_ref().and_then(|read| read.host.as_deref());
            if credentials.is_none()
                && let Some(bound) = bound.filter(|bound| *bound != host)
            {
                node.error(format!(
                    "needs credentials of its own: the general connection string is for {bound:?}"
                ));
                return None;
            }
            parts.namespace = Some(host);
        }
        if let Some(node) = cluster {
            parts.cluster = node.filled_text().map(str::to_owned);
        }
        if let Some(node) = credentials {
            let read = credentials::read(&node, parts.namespace.as_deref(), environment);
            parts.credentials = read.map(Rc::new);
        }
        Some(parts)
    }

    fn join(&self) -> Option<Rc<Destination>> {
        let read = self.credentials.as_ref()?;
        Some(Rc::new(Destination {
            namespace: self.namespace.as_deref()?.into(),
            cluster: self.cluster.as_deref()?.into(),
            credentials: Rc::clone(&read.credentials),
            bound: Rc::clone(read),
        }))
    }
}

/// What routes use unless they say otherwise.
pub(super) struct General<'a> {
    environment: Environment<'a>,
    parts: Parts,
    whole: Option<Rc<Destination>>,
    /// Whether the three keys stood there, right or wrong.
    present: [bool; 3],
    /// Whether a route needed one that did not.
    missed: Cell<[bool; 3]>,
}

const KEYS: [&str; 3] = ["namespace", "cluster", "credentials"];

impl<'a> General<'a> {
    pub(super) fn read(fields: &mut Fields<'_>, environment: Environment<'a>) -> Self {
        let nodes = KEYS.map(|key| fields.optional(key));
        let present = nodes.each_ref().map(Option::is_some);
        let parts = Parts::read(nodes, environment);
        let whole = parts.join();
        Self { environment, parts, whole, present, missed: Cell::new([false; 3]) }
    }

    pub(super) fn environment(&self) -> Environment<'a> {
        self.environment
    }

    /// The destination of one route. What it says itself takes the place of the general part.
    pub(super) fn read_override(
        &self,
        fields: &mut Fields<'_>,
        lookup: bool,
    ) -> Option<Rc<Destination>> {
        let nodes = KEYS.map(|key| fields.optional(key));
        if lookup {
            for node in nodes.into_iter().flatten() {
                node.error("does not go with a lookup, which names its own cluster");
            }
            return None;
        }
        let own = nodes.each_ref().map(Option::is_some);
        if self.misses(own) {
            return None;
        }
        if own == [false; 3] {
            return self.whole.clone();
        }
        self.parts.overlaid(nodes, self.environment)?.join()
    }

    /// Whether a route that sets `own` lacks a part, which is remembered.
    fn misses(&self, own: [bool; 3]) -> bool {
        let mut missed = self.missed.get();
        let mut any = false;
        for ((missed, own), present) in missed.iter_mut().zip(own).zip(self.present) {
            let lacks = !own && !present;
            *missed |= lacks;
            any |= lacks;
        }
        self.missed.set(missed);
        any
    }

    /// Reports what routes lack; without routes, all that is not there.
    pub(super) fn report_missing(&self, fields: &Fields<'_>, has_routes: bool) {
        if !has_routes {
            self.misses([false; 3]);
        }
        for (key, missed) in KEYS.into_iter().zip(self.missed.get()) {
            if missed {
                fields.missing(key);
            }
        }
    }
}

/// The host of a namespace, with a port where there is one.
fn read_namespace(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    let (host, port) = text.split_once(':').map_or((text, None), |(h, p)| (h, Some(p)));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let port_fits = port.is_none_or(|port| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0)
    });
    if !host.split('.').all(label) || !port_fits {
        node.expected("a host such as \"contoso.servicebus.windows.net\"");
        return None;
    }
    Some(text.to_ascii_lowercase())
}
