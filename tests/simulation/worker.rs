//! One worker of Envoy's, with its requests and its timer, as `filter` has them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::config::Sender;
use envoy_service_bus::delivery::{Alarm, Delivery, StreamId};
use envoy_service_bus::exchange::Exchange;
use envoy_service_bus::shared::Shared;

pub(crate) struct Worker {
    pub(crate) delivery: Delivery,
    pub(crate) exchanges: BTreeMap<StreamId, Exchange>,
    /// When Envoy calls, in time that no clock can change.
    pub(crate) rings_at: Option<Duration>,
    alarm: Alarm,
}

impl Worker {
    pub(crate) fn new(sender: &Rc<Sender>, shared: Rc<dyn Shared>, seed: u64) -> Self {
        Self {
            delivery: Delivery::new(Rc::clone(sender), shared, seed),
            exchanges: BTreeMap::new(),
            rings_at: Some(Duration::ZERO),
            alarm: Alarm::default(),
        }
    }

    /// Envoy's timer has rung.
    pub(crate) fn has_rung(&mut self) {
        self.alarm.has_rung();
        self.rings_at = None;
    }

    /// Sees to it that Envoy calls in time.
    pub(crate) fn arm(&mut self, real: Duration) {
        let wait = self.alarm.set(self.delivery.wake(), self.delivery.time());
        self.rings_at = wait.map(|wait| real + wait).or(self.rings_at);
    }
}
