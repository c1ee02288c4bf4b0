//! What has happened, and how often.

use std::ops::{Add, AddAssign};

use envoy_service_bus::delivery::Event;
use envoy_service_bus::outcome::Reason;

/// Counts of one life, or of many.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) requests: u64,
    pub(crate) left: u64,
    pub(crate) clocks_set: u64,
    pub(crate) batches: u64,
    pub(crate) refused: u64,
    pub(crate) no_room: u64,
    pub(crate) forgotten: u64,
    pub(crate) answered_twice: u64,
    pub(crate) breaker_refused: u64,
    repeated: u64,
    fell_back: u64,
    halved: u64,
    opened: u64,
    closed: u64,
    accepted: u64,
    in_doubt: u64,
    overloaded: u64,
    failed: u64,
}

impl Tally {
    pub(crate) fn named(&self) -> [(&'static str, u64); 18] {
        [
            ("requests", self.requests),
            ("clients that left", self.left),
            ("clocks set", self.clocks_set),
            ("batches", self.batches),
            ("callouts refused", self.refused),
            ("requests without room", self.no_room),
            ("callouts forgotten", self.forgotten),
            ("answers that came twice", self.answered_twice),
            ("refused by breakers", self.breaker_refused),
            ("repeated", self.repeated),
            ("fell back", self.fell_back),
            ("parts of refused batches", self.halved),
            ("breakers opened", self.opened),
            ("breakers closed", self.closed),
            ("accepted", self.accepted),
            ("in doubt", self.in_doubt),
            ("overloaded", self.overloaded),
            ("failed", self.failed),
        ]
    }

    /// A client was told.
    pub(crate) fn told(&mut self, reason: Option<Reason>) {
        match reason {
            None => self.accepted += 1,
            Some(Reason::Overloaded) => self.overloaded += 1,
            Some(reason) if reason.is_doubtful() => self.in_doubt += 1,
            Some(_) => self.failed += 1,
        }
    }

    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Repeated { .. } => self.repeated += 1,
            Event::FellBack { .. } => self.fell_back += 1,
            Event::Halved { .. } => self.halved += 1,
            Event::BreakerOpened { .. } => self.opened += 1,
            Event::BreakerClosed { .. } => self.closed += 1,
            Event::Sent { .. } | Event::Credentials { .. } => {}
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.requests += other.requests;
        self.left += other.left;
        self.clocks_set += other.clocks_set;
        self.batches += other.batches;
        self.refused += other.refused;
        self.no_room += other.no_room;
        self.forgotten += other.forgotten;
        self.answered_twice += other.answered_twice;
        self.breaker_refused += other.breaker_refused;
        self.repeated += other.repeated;
        self.fell_back += other.fell_back;
        self.halved += other.halved;
        self.opened += other.opened;
        self.closed += other.closed;
        self.accepted += other.accepted;
        self.in_doubt += other.in_doubt;
        self.overloaded += other.overloaded;
        self.failed += other.failed;
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}
