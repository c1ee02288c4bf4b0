//! One worker's delivery, and what it wants.

use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::delivery::Sender;
use envoy_service_bus::delivery::{AttemptId, Delivery, Effect, Event, StreamId, Submission};
use envoy_service_bus::http::{Callout, DispatchError, Response};
use envoy_service_bus::message::{BrokerProperties, Message, Outgoing, TextProperty};
use envoy_service_bus::outcome::{Failure, Outcome, Reason, SendResult};
use envoy_service_bus::route::Action;

use super::START;
use super::shared::Memory;
use envoy_service_bus::time::Time;

const LIMIT: usize = 262_144;

/// A worker that sends as the first route of its sender does.
pub(crate) struct Worker {
    pub(crate) delivery: Delivery,
    pub(crate) now: Time,
    sender: Rc<Sender>,
    /// Events that no test has asked for yet.
    pub(crate) events: Vec<Event>,
}

impl Worker {
    pub(crate) fn new(sender: Rc<Sender>) -> Self {
        Self::sharing(sender, &Rc::default())
    }

    pub(crate) fn sharing(sender: Rc<Sender>, memory: &Rc<Memory>) -> Self {
        let shared = Rc::clone(memory);
        let delivery = Delivery::new(Rc::clone(&sender), shared, 1);
        Self { delivery, now: START, sender, events: vec![] }
    }

    /// With other waits between retries.
    pub(crate) fn seeded(mut self, seed: u64) -> Self {
        self.delivery = Delivery::new(Rc::clone(&self.sender), Rc::new(Memory::default()), seed);
        self
    }

    pub(crate) fn submit(&mut self, stream: u32, body: &[u8]) {
        self.submit_message(stream, message(&stream.to_string(), body));
    }

    pub(crate) fn submit_message(&mut self, stream: u32, message: Message) {
        self.submit_on(0, stream, message);
    }

    /// As another route does.
    pub(crate) fn submit_on(&mut self, route: usize, stream: u32, message: Message) {
        let Action::Send(send, destination) = &self.sender.routes[route].action else {
            panic!("a lookup")
        };
        let envoy_service_bus::message::EntityConfig::Fixed(entity) = &send.entity else {
            panic!("chosen by the request")
        };
        let submission = Submission {
            destination: Rc::clone(destination),
            entity: Rc::clone(entity),
            message: match self.sender.delivery.batch {
                Some(_) => Outgoing::for_batch(message, LIMIT),
                None => Outgoing::new(message, LIMIT),
            }
            .unwrap(),
            fallback: self.sender.routes[route].fallback.clone(),
        };
        self.delivery.submit(StreamId(stream), submission, self.now);
    }

    /// The next effect but for events, which are kept.
    pub(crate) fn effect(&mut self) -> Option<Effect> {
        loop {
            match self.delivery.poll()? {
                Effect::Tell(event) => self.events.push(event),
                Effect::Forget(_) => {}
                Effect::Dispatch(attempt, callout, taken) => {
                    self.events.extend(taken.clone());
                    return Some(Effect::Dispatch(attempt, callout, taken));
                }
                effect => return Some(effect),
            }
        }
    }

    pub(crate) fn dispatched(&mut self) -> (AttemptId, Callout) {
        match self.effect() {
            Some(Effect::Dispatch(attempt, callout, _)) => (attempt, callout),
            other => panic!("no dispatch: {other:?}"),
        }
    }

    pub(crate) fn settlement(&mut self) -> (u32, SendResult) {
        match self.effect() {
            Some(Effect::Finish(stream, settlement)) => (stream.0, settlement),
            other => panic!("no outcome: {other:?}"),
        }
    }

    /// The stream that hears next, and why it failed if it did.
    pub(crate) fn settled(&mut self) -> (u32, Option<Reason>) {
        let (stream, settlement) = self.settlement();
        match settlement.outcome {
            Outcome::Accepted | Outcome::Found(_) => (stream, None),
            Outcome::Failed(failure) => (stream, Some(failure.reason)),
        }
    }

    pub(crate) fn failure(&mut self) -> Failure {
        match self.settlement().1.outcome {
            Outcome::Failed(failure) => failure,
            other => panic!("no failure: {other:?}"),
        }
    }

    /// Nothing more is to be done now.
    pub(crate) fn nothing(&mut self) {
        assert_eq!(self.effect(), None);
    }

    pub(crate) fn answer(&mut self, attempt: AttemptId, answer: Response) {
        self.delivery.answered(attempt, answer, self.now);
    }

    pub(crate) fn refuse(&mut self, attempt: AttemptId, error: DispatchError) {
        self.delivery.refused(attempt, error, self.now);
    }

    /// Sets the wall clock, forward or back.
    pub(crate) fn set_clock(&mut self, hours: i32) {
        let span = Duration::from_secs(3600) * hours.unsigned_abs();
        let wall = self.now.wall;
        self.now.wall = if hours < 0 { wall - span } else { wall + span };
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.delivery.tick(self.now);
    }

    /// The next effect but for events, when its time has come.
    pub(crate) fn next(&mut self) -> Effect {
        loop {
            if let Some(effect) = self.effect() {
                return effect;
            }
            self.pass_to_wake();
        }
    }

    /// The next callout, when its time has come.
    pub(crate) fn next_dispatch(&mut self) -> (AttemptId, Callout) {
        match self.next() {
            Effect::Dispatch(attempt, callout, _) => (attempt, callout),
            other => panic!("no dispatch: {other:?}"),
        }
    }

    /// Lets time pass until delivery wants it, and says how much.
    pub(crate) fn pass_to_wake(&mut self) -> Duration {
        let wake = self.delivery.wake().unwrap();
        self.pass(wake);
        wake
    }
}

/// A message with an id.
pub(crate) fn message(id: &str, body: &[u8]) -> Message {
    Message {
        body: body.to_vec(),
        content_type: None,
        broker: BrokerProperties::new(id.to_owned()),
        properties: vec![],
    }
}

/// A message of a session.
pub(crate) fn of_session(id: &str, session: &str) -> Message {
    with_text(id, TextProperty::SessionId, session)
}

/// A message with a broker property.
pub(crate) fn with_text(id: &str, property: TextProperty, value: &str) -> Message {
    let mut message = message(id, b"{}");
    message.broker.texts.push((property, value.to_owned()));
    message
}

/// The broker's answer.
pub(crate) fn answer(status: &str) -> Response {
    answer_saying(status, "")
}

/// The broker's answer, with the detail of an error.
pub(crate) fn answer_saying(status: &str, detail: &str) -> Response {
    let detail = format!("{detail} TrackingId:1_G1, SystemTracker:x");
    upstream_answer(
        status,
        &format!("<Error><Code>{status}</Code><Detail>{detail}</Detail></Error>"),
    )
}

/// The answer of something on the way to the broker, such as an egress proxy.
pub(crate) fn proxy_answer(status: &str) -> Response {
    upstream_answer(status, "upstream request timeout")
}

fn upstream_answer(status: &str, body: &str) -> Response {
    let headers = [(":status", status), ("x-envoy-upstream-service-time", "1")];
    Response { headers: headers.into_iter().collect(), body: body.as_bytes().to_vec() }
}

/// Envoy's own answer when its timeout is over.
pub(crate) fn timed_out() -> Response {
    let headers = [(":status", "504")].into_iter().collect();
    Response { headers, body: b"upstream request timeout".to_vec() }
}

/// Envoy's own answer when it cannot connect.
pub(crate) fn not_connected() -> Response {
    never_sent("remote connection failure")
}

/// Envoy's own answer when a callout has waited for a connection, and the cluster's limits do not
/// let it have one.
pub(crate) fn over_limits() -> Response {
    never_sent("overflow")
}

fn never_sent(reset: &str) -> Response {
    let headers = [(":status", "503")].into_iter().collect();
    let start = "upstream connect error or disconnect/reset before headers. reset reason: ";
    Response { headers, body: format!("{start}{reset}").into_bytes() }
}
