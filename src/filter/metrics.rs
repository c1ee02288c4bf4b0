//! Metrics by Envoy's ids: each is defined when it is first needed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::host;
use crate::delivery::Event;
use crate::delivery::Sender;
use crate::exchange::Report;
use crate::message::Entity;
use crate::metrics::{Kind, Metric, NamespaceMetric, changes};
use crate::outcome::Served;

/// What one worker counts.
#[derive(Debug)]
pub(super) struct Metrics {
    sender: Rc<Sender>,
    defined: RefCell<BTreeMap<Key, Option<Defined>>>,
    in_flight: Cell<usize>,
    buffered_bytes: Cell<usize>,
    /// Destinations, by address, whose secondary key signs here.
    secondary: RefCell<BTreeSet<usize>>,
}

/// A metric without the texts of its name. Entities and destinations live in the configuration, so
/// that their addresses are theirs alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Requests { route: usize, entity: usize, outcome: &'static str, fallback: bool },
    Duration { route: usize },
    ClientsGone { route: usize },
    InFlight,
    BufferedBytes,
    Namespace(usize, NamespaceMetric),
}

/// What Envoy knows a metric by.
#[derive(Clone, Copy, Debug)]
struct Defined {
    id: u32,
    kind: Kind,
}

impl Metrics {
    pub(super) fn new(sender: Rc<Sender>) -> Self {
        Self {
            sender,
            defined: RefCell::default(),
            in_flight: Cell::default(),
            buffered_bytes: Cell::default(),
            secondary: RefCell::default(),
        }
    }

    /// A request was answered.
    pub(super) fn answered(&self, report: &Report) {
        let outcome = report.outcome;
        let entity = report.entity.as_ref().map_or(0, |entity| Rc::as_ptr(entity).addr());
        let (route, destination) = (report.route, report.served);
        let fallback = destination == Served::Fallback;
        let key = Key::Requests { route, entity, outcome, fallback };
        self.change(key, 1, || Metric::Requests {
            route: self.route(route),
            entity: report.entity.as_deref().map(path),
            outcome,
            destination,
        });
    }

    /// How long a request waited that was sent.
    pub(super) fn took(&self, report: &Report, now: Duration) {
        let route = report.route;
        if let Some(since) = report.since {
            let millis = now.saturating_sub(since).as_millis();
            let millis = u64::try_from(millis).unwrap_or(u64::MAX);
            let name = || Metric::Duration { route: self.route(route) };
            self.change(Key::Duration { route }, millis, name);
        }
    }

    /// A client left while its message was in flight.
    pub(super) fn client_gone(&self, route: usize) {
        let name = || Metric::ClientsGone { route: self.route(route) };
        self.change(Key::ClientsGone { route }, 1, name);
    }

    /// Something happened on the way.
    pub(super) fn happened(&self, event: &Event) {
        let namespace = event.namespace();
        for (metric, number) in changes(event).into_iter().flatten() {
            let key = Key::Namespace(namespace.address(), metric);
            let name = || Metric::Namespace(namespace.as_str(), metric);
            match metric {
                NamespaceMetric::SecondaryKey => {
                    self.secondary_signs(namespace.address(), number > 0, name);
                }
                _ => self.change(key, number, name),
            }
        }
    }

    /// Envoy adds up the workers' parts: each finds out about a key by itself.
    fn secondary_signs<'a>(
        &self,
        address: usize,
        signs: bool,
        metric: impl FnOnce() -> Metric<'a>,
    ) {
        let changed = match signs {
            true => self.secondary.borrow_mut().insert(address),
            false => self.secondary.borrow_mut().remove(&address),
        };
        if changed {
            let key = Key::Namespace(address, NamespaceMetric::SecondaryKey);
            self.shift(key, usize::from(!signs), usize::from(signs), metric);
        }
    }

    /// What is in flight now. Envoy adds up the workers' parts.
    pub(super) fn on_the_way(&self, in_flight: usize, bytes: usize) {
        let before = self.in_flight.replace(in_flight);
        self.shift(Key::InFlight, before, in_flight, || Metric::InFlight);
        let before = self.buffered_bytes.replace(bytes);
        self.shift(Key::BufferedBytes, before, bytes, || Metric::BufferedBytes);
    }

    fn shift<'a>(&self, key: Key, from: usize, to: usize, metric: impl FnOnce() -> Metric<'a>) {
        let wide = |number| i64::try_from(number).unwrap_or(i64::MAX);
        if from != to
            && let Some(Defined { id, .. }) = self.defined(key, metric)
        {
            host::increment_metric(id, wide(to) - wide(from));
        }
    }

    fn change<'a>(&self, key: Key, number: u64, metric: impl FnOnce() -> Metric<'a>) {
        match self.defined(key, metric) {
            Some(Defined { id, kind: Kind::Counter }) => {
                host::increment_metric(id, i64::try_from(number).unwrap_or(i64::MAX));
            }
            Some(Defined { id, kind: Kind::Gauge | Kind::Histogram }) => {
                host::record_metric(id, number);
            }
            None => {}
        }
    }

    fn defined<'a>(&self, key: Key, metric: impl FnOnce() -> Metric<'a>) -> Option<Defined> {
        if let Some(defined) = self.defined.borrow().get(&key) {
            return *defined;
        }
        let metric = metric();
        let kind = metric.kind();
        let defined = host::define_metric(kind, &metric.name()).map(|id| Defined { id, kind });
        self.defined.borrow_mut().insert(key, defined);
        defined
    }

    fn route(&self, index: usize) -> &str {
        self.sender.routes.get(index).map_or("", |route| &route.name)
    }
}

/// A gauge holds the parts of workers that are there.
impl Drop for Metrics {
    fn drop(&mut self) {
        self.on_the_way(0, 0);
        for address in self.secondary.take() {
            let key = Key::Namespace(address, NamespaceMetric::SecondaryKey);
            let defined = self.defined.borrow().get(&key).copied().flatten();
            if let Some(Defined { id, .. }) = defined {
                host::increment_metric(id, -1);
            }
        }
    }
}

fn path(entity: &Entity) -> &str {
    &entity.path
}
