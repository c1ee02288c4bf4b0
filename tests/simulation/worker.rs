//! One worker of Envoy's, with its requests and its timer, as `filter` has them.

use std::collections::BTreeMap;
use std::ops::{AddAssign, SubAssign};
use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::delivery::Sender;
use envoy_service_bus::delivery::{Delivery, StreamId, TickTimer};
use envoy_service_bus::exchange::Exchange;
use envoy_service_bus::message::Outgoing;
use envoy_service_bus::shared::Shared;

pub(crate) struct Worker {
    pub(crate) delivery: Delivery,
    pub(crate) exchanges: BTreeMap<StreamId, Exchange>,
    /// When Envoy calls, in time that no clock can change.
    pub(crate) rings_at: Option<Duration>,
    timer: TickTimer,
}

/// What a worker has not settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) count: usize,
    /// Bytes of the messages, and with a copy of each.
    pub(crate) bytes: Bytes,
}

/// What a message takes, at least and at most: it may stand in a batch a second time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) least: usize,
    pub(crate) most: usize,
}

impl Bytes {
    pub(crate) fn of(message: &Outgoing) -> Self {
        let least = message.size();
        let copy = message.element().map_or(0, |element| element.len() + 1);
        Self { least, most: least + copy }
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        self.least += other.least;
        self.most += other.most;
    }
}

impl SubAssign for Bytes {
    fn sub_assign(&mut self, other: Self) {
        self.least -= other.least;
        self.most -= other.most;
    }
}

impl Worker {
    pub(crate) fn new(sender: &Rc<Sender>, shared: Rc<dyn Shared>, seed: u64) -> Self {
        Self {
            delivery: Delivery::new(Rc::clone(sender), shared, seed),
            exchanges: BTreeMap::new(),
            rings_at: Some(Duration::ZERO),
            timer: TickTimer::default(),
        }
    }

    /// Envoy's timer has rung.
    pub(crate) fn has_fired(&mut self) {
        self.timer.has_fired();
        self.rings_at = None;
    }

    /// Sees to it that Envoy calls in time.
    pub(crate) fn arm(&mut self, real: Duration) {
        let wait = self.timer.set(self.delivery.wake(), self.delivery.time());
        if let Some(wait) = wait {
            self.rings_at = Some(real + wait);
        }
    }
}
