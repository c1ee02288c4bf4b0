//! Where messages go: namespace, cluster and credentials, for all routes or for one.

use std::cell::Cell;
use std::rc::Rc;

use super::credentials::{self, Environment, Read};
use super::node::{Fields, Node};
use crate::credentials::Credentials;

/// A Service Bus namespace, the way to it, and who signs.
#[derive(Debug)]
pub struct Destination {
    /// Host that is signed and sent as `:authority`.
    pub namespace: String,
    /// Envoy cluster of the callout.
    pub cluster: String,
    /// Who signs.
    pub credentials: Rc<Credentials>,
    /// The only entity that the credentials open, where there is such a bound.
    pub(super) entity_path: Option<String>,
}

impl Destination {
    pub(super) fn only_entity(&self) -> Option<&str> {
        self.entity_path.as_deref()
    }
}

/// What routes use unless they say otherwise; parts with mistakes, or left out, are `None`.
pub(super) struct Fallback<'a> {
    environment: Environment<'a>,
    namespace: Option<String>,
    cluster: Option<String>,
    credentials: Option<Rc<Read>>,
    whole: Option<Rc<Destination>>,
    /// Whether the three keys stood there, right or wrong.
    present: [bool; 3],
    /// Whether a route needed one that did not.
    missed: Cell<[bool; 3]>,
}

const KEYS: [&str; 3] = ["namespace", "cluster", "credentials"];

impl<'a> Fallback<'a> {
    pub(super) fn read(fields: &mut Fields<'_>, environment: Environment<'a>) -> Self {
        let [namespace, cluster, credentials] = KEYS.map(|key| fields.optional(key));
        let present = [&namespace, &cluster, &credentials].map(Option::is_some);
        let namespace = namespace.and_then(|node| read_namespace(&node));
        let cluster = cluster.and_then(|node| node.filled_text().map(str::to_owned));
        let credentials = credentials
            .and_then(|node| credentials::read(&node, namespace.as_deref(), environment))
            .map(Rc::new);
        let whole = join(namespace.as_ref(), cluster.as_ref(), credentials.as_ref());
        let missed = Cell::new([false; 3]);
        Self { environment, namespace, cluster, credentials, whole, present, missed }
    }

    /// The destination of one route. What it says itself takes the place of the general part.
    pub(super) fn read_override(
        &self,
        fields: &mut Fields<'_>,
        lookup: bool,
    ) -> Option<Rc<Destination>> {
        let [namespace, cluster, credentials] = KEYS.map(|key| fields.optional(key));
        let own = [&namespace, &cluster, &credentials].map(Option::is_some);
        if lookup {
            for node in [namespace, cluster, credentials].into_iter().flatten() {
                node.error("does not go with a lookup, which names its own cluster");
            }
            return None;
        }
        if self.misses(own) {
            return None;
        }
        if own == [false; 3] {
            return self.whole.clone();
        }
        let host = match namespace {
            Some(node) => {
                let host = read_namespace(&node)?;
                self.check_host(&node, &host, credentials.is_some())?;
                Some(host)
            }
            None => self.namespace.clone(),
        };
        let cluster = match cluster {
            Some(node) => node.filled_text().map(str::to_owned),
            None => self.cluster.clone(),
        };
        let credentials = match credentials {
            Some(node) => credentials::read(&node, host.as_deref(), self.environment).map(Rc::new),
            None => self.credentials.clone(),
        };
        join(host.as_ref(), cluster.as_ref(), credentials.as_ref())
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

    /// A connection string is for one namespace, and no route can take it elsewhere.
    fn check_host(&self, node: &Node<'_>, host: &str, own_credentials: bool) -> Option<()> {
        let bound = self.credentials.as_ref().and_then(|read| read.host.as_deref());
        match bound.filter(|bound| !own_credentials && *bound != host) {
            Some(bound) => {
                node.error(format!(
                    "needs credentials of its own: the general connection string is for {bound:?}"
                ));
                None
            }
            None => Some(()),
        }
    }
}

fn join(
    namespace: Option<&String>,
    cluster: Option<&String>,
    credentials: Option<&Rc<Read>>,
) -> Option<Rc<Destination>> {
    let read = credentials?;
    Some(Rc::new(Destination {
        namespace: namespace?.clone(),
        cluster: cluster?.clone(),
        credentials: Rc::clone(&read.credentials),
        entity_path: read.entity_path.clone(),
    }))
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
