//! The state of one destination: who signs, and whether it is open.

use std::rc::Rc;
use std::time::Duration;

use super::OutboundId;
use super::breaker::Breaker;
use super::outbound::PendingMessage;
use crate::credentials::Signer;
use crate::delivery::DeliveryConfig;
use crate::route::Destination;
use crate::time::Time;

/// What one worker knows of a destination.
#[derive(Debug)]
pub(super) struct DestinationState {
    pub(super) destination: Rc<Destination>,
    pub(super) signer: Signer,
    pub(super) breaker: Option<Breaker>,
    /// Whether a token is on its way to us.
    pub(super) fetching: bool,
    /// Those that wait for a token.
    pub(super) waiting: Vec<OutboundId>,
}

/// How often those who wait for a token are looked at.
const LOOK: Duration = Duration::from_millis(25);

impl DestinationState {
    pub(super) fn new(destination: &Rc<Destination>, config: &DeliveryConfig) -> Self {
        let breaker = config
            .circuit_breaker
            .map(|breaker| Breaker::new(destination, breaker, config.attempt_timeout));
        Self {
            signer: Signer::new(&destination.credentials, &destination.namespace),
            destination: Rc::clone(destination),
            breaker,
            fetching: false,
            waiting: vec![],
        }
    }

    /// In how long it is to be looked at.
    pub(super) fn wake(&self, now: Time) -> Option<Duration> {
        // What is on its way to us comes, or is given up, without it.
        let signer = self.signer.wake(now).filter(|_| !self.fetching);
        let waiting = (!self.waiting.is_empty()).then_some(LOOK);
        signer.into_iter().chain(waiting).min()
    }
}

/// The least time that a send is begun with.
pub(super) const TOO_LATE: Duration = Duration::from_millis(1);

/// Whether a client has waited for as long as it may.
pub(super) fn is_late(pending: &PendingMessage, now: Duration) -> bool {
    pending.deadline.saturating_sub(now) < TOO_LATE
}
