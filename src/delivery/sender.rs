//! What one instance of the plugin does, as its configuration says.

use std::rc::Rc;

use super::config::DeliveryConfig;
use crate::route::{Action, Destination, Match, Route};

/// The routes that a gate holds.
#[derive(Debug)]
pub struct Gate {
    /// One per route.
    pub matches: Vec<Match>,
}

/// All that a sender needs.
#[derive(Debug)]
pub struct Sender {
    /// What the headers callback returns for a matched request with a body.
    pub header_mode: HeaderMode,
    /// Largest request body in bytes.
    pub max_body_bytes: usize,
    /// Whether each answer leaves what became of it in Envoy's filter state, for access logs.
    pub filter_state: bool,
    /// Where `jwt_authn` leaves the claims in its dynamic metadata; absent, at a usual key.
    pub jwt_payload_key: Option<String>,
    /// Timeouts and bounds of sending.
    pub delivery: DeliveryConfig,
    /// First match wins.
    pub routes: Vec<Route>,
}

impl Sender {
    /// Each destination that a message may go to, once.
    pub fn destinations(&self) -> Vec<Rc<Destination>> {
        let mut all: Vec<Rc<Destination>> = vec![];
        let mut add = |one: &Rc<Destination>| {
            if !all.iter().any(|known| Rc::ptr_eq(known, one)) {
                all.push(Rc::clone(one));
            }
        };
        for route in &self.routes {
            if let Action::Send(_, destination) = &route.action {
                add(destination);
                route.fallback.iter().for_each(|fallback| add(&fallback.destination));
            }
        }
        all
    }
}

/// What the headers callback returns for a matched request whose body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderMode {
    /// Pause: needs `allow_on_headers_stop_iteration: true`.
    Pause,
    /// Continue: something after this filter must hold the headers.
    Continue,
}
