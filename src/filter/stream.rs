//! Stream contexts: callbacks to events, steps to actions.

use std::rc::Rc;

use log::error;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::host;
use super::worker::Worker;
use crate::delivery::StreamId;
use crate::delivery::{Gate, HeaderMode};
use crate::exchange::Step;
use crate::reply;

/// A request before a sender.
pub(super) struct Sending {
    id: StreamId,
    worker: Rc<Worker>,
}

impl Sending {
    pub(super) fn new(id: StreamId, worker: Rc<Worker>) -> Self {
        Self { id, worker }
    }

    /// Carries out a step of this stream's own callback.
    fn act(&self, step: Step) -> Action {
        match step {
            Step::Pass => Action::Continue,
            Step::Reply(reply, report) => {
                self.worker.answer(&reply, &report);
                Action::Pause
            }
            // Its headers are changed already.
            Step::Forward(..) => Action::Continue,
            Step::Wait | Step::Change(_) | Step::Send(_) | Step::LookUp(_) => Action::Pause,
        }
    }
}

impl Context for Sending {}

impl HttpContext for Sending {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let Some(headers) = host::request_headers() else {
            error!("Envoy gave no request headers");
            return refuse();
        };
        let step = self.worker.headers_arrived(self.id, headers);
        if !matches!(step, Step::Wait) {
            return self.act(step);
        }
        if end_of_stream {
            let step = self.worker.request_ended(self.id);
            return self.act(step);
        }
        match self.worker.header_mode() {
            HeaderMode::Continue => Action::Continue,
            HeaderMode::Pause => Action::Pause,
        }
    }

    fn on_http_request_body(&mut self, total: usize, end_of_stream: bool) -> Action {
        // `total` counts all that is buffered, not this part alone.
        let step = if end_of_stream {
            self.worker.request_ended(self.id)
        } else {
            self.worker.body_grew(self.id, total)
        };
        self.act(step)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        // With trailers no part of the body was the last.
        let step = self.worker.request_ended(self.id);
        self.act(step)
    }
}

/// Envoy deletes the context at the end of its stream, whether that was answered or not.
impl Drop for Sending {
    fn drop(&mut self) {
        self.worker.request_gone(self.id);
    }
}

/// A request before a gate.
pub(super) struct Held {
    gate: Rc<Gate>,
}

impl Held {
    pub(super) fn new(gate: Rc<Gate>) -> Self {
        Self { gate }
    }
}

impl Context for Held {}

impl HttpContext for Held {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let Some(headers) = host::request_headers() else {
            error!("Envoy gave no request headers");
            return refuse();
        };
        let ours = self.gate.matches.iter().any(|m| m.captures(&headers).is_some());
        if ours { Action::Pause } else { Action::Continue }
    }
}

/// A request before a plugin that has no configuration: it must not go on unsent.
pub(super) struct Refused;

impl Context for Refused {}

impl HttpContext for Refused {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        refuse()
    }
}

fn refuse() -> Action {
    if let Err(status) = host::reply(&reply::misconfigured()) {
        error!("Envoy did not take an answer: status {status}");
    }
    Action::Pause
}
