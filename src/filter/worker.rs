//! What the root and the streams of one worker share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use log::{debug, error, warn};

use super::access_log;
use super::clock::Clock;
use super::events::{log_answer, log_event};
use super::host;
use super::metrics::Metrics;
use super::process::Process;
use super::ticking::Ticking;
use crate::buffer::Buffer;
use crate::delivery::{AttemptId, Delivery, Effect, Event, StreamId};
use crate::delivery::{HeaderMode, Sender};
use crate::exchange::{Exchange, Forwarding, Report, Step};
use crate::http::Headers;
use crate::jwt::Claims;
use crate::outcome::{Failure, Reason, SendResult};
use crate::reply::Reply;
use crate::template::{Attributes, Needs};
use crate::time::Time;

/// One worker's sender. No borrow is held over a host call.
pub(super) struct Worker {
    root_id: u32,
    sender: Rc<Sender>,
    delivery: RefCell<Delivery>,
    buffer: Rc<Buffer>,
    /// The streams that may still be answered. Envoy's word is not enough: see [`host::act_as`].
    exchanges: RefCell<BTreeMap<StreamId, Exchange>>,
    /// Attempts by Envoy's id of their callout, and how much of its answer is needed.
    callouts: RefCell<BTreeMap<u32, (AttemptId, usize)>>,
    metrics: Metrics,
    ticking: Ticking,
    /// The stream in whose callback the root's runs, and no time has passed.
    within_stream: Cell<Option<StreamId>>,
    /// Whether that stream goes on when its callback returns.
    goes_on: Cell<bool>,
    /// Whether the log has a line on claims that could be either of several.
    has_warned_of_claims: Cell<bool>,
    /// The time of the last event, for a host that has lost its clock.
    time: Cell<Time>,
    clock: Clock,
}

impl Worker {
    pub(super) fn new(root_id: u32, sender: Rc<Sender>) -> Self {
        let delivery = Delivery::new(Rc::clone(&sender), Rc::new(Process), seed());
        Self {
            root_id,
            buffer: Rc::clone(delivery.buffer()),
            delivery: RefCell::new(delivery),
            metrics: Metrics::new(Rc::clone(&sender)),
            sender,
            exchanges: RefCell::default(),
            callouts: RefCell::default(),
            ticking: Ticking::default(),
            within_stream: Cell::default(),
            goes_on: Cell::default(),
            has_warned_of_claims: Cell::default(),
            time: Cell::default(),
            clock: Clock::default(),
        }
    }

    /// Has Envoy call soon, for what needs no request, such as fetching a token. Nothing is sent
    /// before: the clusters may not be there yet.
    pub(super) fn start(&self) {
        self.arm();
    }

    pub(super) fn header_mode(&self) -> HeaderMode {
        self.sender.header_mode
    }

    /// A request's headers are here; one that is not ours is forgotten at once.
    pub(super) fn headers_arrived(&self, stream: StreamId, headers: Headers) -> Step {
        let mut exchange =
            Exchange::new(Rc::clone(&self.sender), Rc::clone(&self.buffer), host::random);
        let step = exchange.headers_arrived(headers);
        // One that was refused is kept too: what Envoy may still bring of it must not pass.
        if !matches!(step, Step::Pass) {
            self.exchanges.borrow_mut().insert(stream, exchange);
        }
        let Step::Change(forwarding) = step else { return step };
        match host::change_headers(&forwarding) {
            Ok(()) => Step::Wait,
            Err(status) => {
                let cause = format!("Envoy did not let the request be changed: status {status}");
                let failure = Failure::new(Reason::Misconfigured, cause);
                self.tell(stream, |exchange| exchange.failed(failure))
            }
        }
    }

    /// More of a request's body is here.
    pub(super) fn body_grew(&self, stream: StreamId, total: usize) -> Step {
        self.tell(stream, |exchange| exchange.body_grew(total))
    }

    /// A request is complete, within a callback of its stream.
    pub(super) fn request_ended(&self, stream: StreamId) -> Step {
        let Some(needs) = self.exchanges.borrow().get(&stream).map(Exchange::needs) else {
            return Step::Pass;
        };
        let Some(now) = self.clock.time() else {
            let failure = Failure::new(Reason::CredentialsUnavailable, "the host has no clock");
            return self.tell(stream, |exchange| exchange.failed(failure));
        };
        let attributes = self.attributes(needs);
        let body = host::request_body();
        let step = self.tell(stream, |exchange| exchange.request_ended(body, now, attributes));
        match step {
            Step::Send(submission) => self.delivery.borrow_mut().submit(stream, submission, now),
            Step::LookUp(inquiry) => self.delivery.borrow_mut().look_up(stream, inquiry, now),
            other => return other,
        }
        self.within_stream.set(Some(stream));
        host::run_root(self.root_id);
        self.within_stream.set(None);
        if self.goes_on.take() { Step::Pass } else { Step::Wait }
    }

    /// What expressions need of the current request beyond headers and body.
    fn attributes(&self, needs: Needs) -> Attributes {
        let claims = match needs.jwt {
            true => host::claims(self.sender.jwt_payload_key.as_deref()),
            false => Claims::Absent,
        };
        if let Claims::Ambiguous(keys) = &claims
            && !self.has_warned_of_claims.replace(true)
        {
            warn!("which are the claims is not known: set jwt_payload_key to one of {keys:?}");
        }
        Attributes {
            jwt: if let Claims::Found(claims) = claims { Some(claims) } else { None },
            source_address: needs.source_address.then(host::source_address).flatten(),
        }
    }

    /// Tells a request what happened; one that is gone or not ours has nothing to say.
    fn tell(&self, stream: StreamId, event: impl FnOnce(&mut Exchange) -> Step) -> Step {
        self.exchanges.borrow_mut().get_mut(&stream).map_or(Step::Pass, event)
    }

    /// A request is over, answered or not.
    pub(super) fn request_gone(&self, stream: StreamId) {
        let exchange = self.exchanges.borrow_mut().remove(&stream);
        if let Some(route) = exchange.and_then(|exchange| exchange.waiting_on()) {
            debug!("a client left before its answer");
            self.metrics.client_gone(route);
        }
    }

    /// The root's tick: Envoy's, or ours from within a stream's callback.
    pub(super) fn tick(&self) {
        if self.within_stream.get().is_some() {
            return self.pump();
        }
        self.delivery.borrow_mut().tick(self.now());
        self.run();
        let delivery = self.delivery.borrow();
        self.metrics.on_the_way(delivery.in_flight(), delivery.buffered_bytes());
        self.ticking.has_ticked(delivery.wake(), delivery.time());
    }

    /// A callout ended, within a callback of the root.
    pub(super) fn callout_ended(&self, callout: u32, num_headers: usize, body_size: usize) {
        let Some((attempt, most)) = self.callouts.borrow_mut().remove(&callout) else { return };
        let answer = host::answer(num_headers, body_size.min(most));
        self.delivery.borrow_mut().answered(attempt, answer, self.now());
        self.pump();
    }

    fn pump(&self) {
        self.run();
        self.arm();
    }

    fn arm(&self) {
        let delivery = self.delivery.borrow();
        self.ticking.arm(delivery.wake(), delivery.time());
    }

    /// Does what delivery asks for, within a callback of the root.
    fn run(&self) {
        // From answer to answer of a batch there is no need to return.
        let mut away = false;
        loop {
            let effect = self.delivery.borrow_mut().poll();
            if away && !matches!(effect, Some(Effect::Finish(..))) {
                self.return_to_root();
                away = false;
            }
            match effect {
                None => return,
                Some(Effect::Finish(stream, result)) => {
                    away |= self.finish(stream, result);
                }
                Some(Effect::Tell(event)) => self.record(&event),
                Some(Effect::Forget(attempt)) => {
                    self.callouts.borrow_mut().retain(|_, (other, _)| *other != attempt);
                }
                Some(Effect::Dispatch(attempt, callout, taken)) => match host::dispatch(&callout) {
                    Ok(id) => {
                        let expected = (attempt, callout.response_bytes);
                        self.callouts.borrow_mut().insert(id, expected);
                        taken.iter().for_each(|event| self.record(event));
                    }
                    Err(error) => self.delivery.borrow_mut().refused(attempt, error, self.now()),
                },
            }
        }
    }

    fn record(&self, event: &Event) {
        log_event(event);
        self.metrics.happened(event);
    }

    fn now(&self) -> Time {
        let now = self.clock.time().unwrap_or(self.time.get());
        self.time.set(now);
        now
    }

    /// Answers a stream from the root, or lets it go on; true when that has left the root's
    /// context.
    fn finish(&self, stream: StreamId, result: SendResult) -> bool {
        let step = self.tell(stream, |exchange| exchange.settled(result));
        let (Step::Reply(_, report) | Step::Forward(_, report)) = &step else { return false };
        if host::act_as(stream.0).is_err() {
            warn!("cannot answer the request {}: its stream is gone", report.tracking_id);
            return false;
        }
        match step {
            Step::Reply(reply, report) => self.conclude(&reply, report),
            Step::Forward(forwarding, report) => self.forward(stream, &forwarding, report),
            _ => {}
        }
        true
    }

    fn conclude(&self, reply: &Reply, report: Report) {
        self.answer(reply, &report);
        self.metrics.took(&report, self.time.get().monotonic);
    }

    /// Lets the request of the effective context go on to the backend. With headers of its client's
    /// it must not; then the client is told.
    fn forward(&self, stream: StreamId, forwarding: &Forwarding, report: Report) {
        let resumed = host::change_headers(forwarding).and_then(|()| {
            if self.within_stream.get() == Some(stream) {
                self.goes_on.set(true);
                return Ok(());
            }
            host::resume_request()
        });
        match resumed {
            Ok(()) => {
                let _ = self.tell(stream, Exchange::gone_on);
                self.record_end(&report);
                self.metrics.took(&report, self.time.get().monotonic);
            }
            Err(status) => {
                let cause = format!("Envoy did not let the request go on: status {status}");
                let step = self.tell(stream, |exchange| exchange.stuck(cause));
                if let Step::Reply(reply, stuck) = step {
                    let report =
                        Report { attempts: report.attempts, served: report.served, ..stuck };
                    self.conclude(&reply, report);
                }
            }
        }
    }

    fn return_to_root(&self) {
        if host::act_as(self.root_id).is_err() {
            warn!("cannot return to the root context");
        }
    }

    /// Sends an answer to the request of the effective context, and says in log and metrics what
    /// became of it.
    pub(super) fn answer(&self, reply: &Reply, report: &Report) {
        self.record_end(report);
        if let Err(status) = host::reply(reply) {
            error!("Envoy did not take the answer to {}: status {status}", report.tracking_id);
        }
    }

    /// Says what became of the request of the effective context, before that is answered.
    fn record_end(&self, report: &Report) {
        let route = self.sender.routes.get(report.route).map_or("-", |route| &route.name);
        if self.sender.filter_state {
            access_log::record(route, report);
        }
        self.metrics.answered(report);
        log_answer(route, report);
    }
}

/// What makes the waits of this worker its own.
fn seed() -> u64 {
    let bytes = host::random().unwrap_or_default();
    u64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
}
