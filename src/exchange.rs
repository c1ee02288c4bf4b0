//! One request as a state machine: each event yields at most one step.

use std::rc::Rc;
use std::time::Duration;

use uuid::Builder;

use crate::config::{Route, Sender};
use crate::delivery::Submission;
use crate::headers::Headers;
use crate::message::{Unsendable, compose, limits, pack};
use crate::reply::{self, Failure, Outcome, Reason, Reply};

/// Longest `Idempotency-Key`: it becomes the `MessageId`.
const IDEMPOTENCY_KEY_CHARS: usize = limits::ID_CHARS;

/// What Envoy is to do with the request.
#[derive(Debug, PartialEq)]
#[must_use]
pub enum Step {
    /// Not ours: it goes on untouched.
    Pass,
    /// Hold it: there is more to come.
    Wait,
    /// Hand the message to delivery, and hold the request.
    Send(Submission),
    /// Answer it.
    Reply(Reply, Report),
}

/// What the log is told of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Name of the route.
    pub route: String,
    /// Path of the queue or topic.
    pub entity: String,
    /// The request's id.
    pub tracking_id: String,
    /// What became of the message.
    pub outcome: Outcome,
}

/// One request.
#[derive(Debug)]
pub struct Exchange {
    sender: Rc<Sender>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing has arrived.
    Fresh,
    /// Not ours.
    Passing,
    /// Ours, until its end arrives.
    Receiving(Box<Request>),
    /// Its message is with delivery.
    Sending { route: usize, tracking_id: String },
    /// It has its answer.
    Answered,
}

#[derive(Debug)]
struct Request {
    headers: Headers,
    route: usize,
    tracking_id: String,
}

impl Exchange {
    /// A request of which nothing has arrived.
    pub fn new(sender: Rc<Sender>) -> Self {
        Self { sender, state: State::Fresh }
    }

    /// The request's headers. `random` is asked for the bytes of a UUID if one is needed.
    pub fn headers_arrived(
        &mut self,
        headers: Headers,
        random: impl FnOnce() -> Option<[u8; 16]>,
    ) -> Step {
        if !matches!(self.state, State::Fresh) {
            return self.idle();
        }
        let matches = |route: &Route| route.matches.captures(&headers).is_some();
        let Some(route) = self.sender.routes.iter().position(matches) else {
            self.state = State::Passing;
            return Step::Pass;
        };
        let key = idempotency_key(&headers);
        let tracking_id = match key {
            Ok(Some(key)) => Some(key.to_owned()),
            _ => random().map(fresh_id),
        };
        let fault = match (&tracking_id, key) {
            (None, _) => Some(Failure::new(Reason::Misconfigured, "the host gave no random bytes")),
            (_, Err(fault)) => Some(Failure::of_request(Reason::InvalidMessage, fault)),
            _ if content_length(&headers).is_some_and(|length| self.is_too_large(length)) => {
                Some(self.too_large())
            }
            _ => None,
        };
        let tracking_id = tracking_id.unwrap_or_else(|| "none".to_owned());
        self.state = State::Receiving(Box::new(Request { headers, route, tracking_id }));
        fault.map_or(Step::Wait, |fault| self.finish(fault))
    }

    /// More of the body is here; `total` is its size so far.
    pub fn body_grew(&mut self, total: usize) -> Step {
        match self.state {
            State::Receiving(_) if self.is_too_large(total) => self.finish(self.too_large()),
            _ => self.idle(),
        }
    }

    /// The request is complete: its headers, body or trailers were the last.
    pub fn request_ended(&mut self, body: Vec<u8>, now: Duration) -> Step {
        if self.is_too_large(body.len()) {
            return self.body_grew(body.len());
        }
        let State::Receiving(request) = &self.state else { return self.idle() };
        let Some(route) = self.sender.routes.get(request.route) else { return self.idle() };
        let limit = limits::message_bytes(self.sender.max_body_bytes);
        let packed = compose(&route.send, &request.headers, &request.tracking_id, body, now)
            .and_then(|message| pack(message, limit));
        match packed {
            Err(unsendable) => self.finish(failure(&unsendable)),
            Ok(packed) => {
                let entity = route.send.entity.clone();
                let tracking_id = request.tracking_id.clone();
                self.state = State::Sending { route: request.route, tracking_id };
                Step::Send(Submission { entity, packed })
            }
        }
    }

    /// Envoy could not give what the request needs, such as the time.
    pub fn failed(&mut self, failure: Failure) -> Step {
        match self.state {
            State::Receiving(_) | State::Sending { .. } => self.finish(failure),
            _ => self.idle(),
        }
    }

    /// Delivery knows what became of the message.
    pub fn settled(&mut self, outcome: Outcome) -> Step {
        match self.state {
            State::Sending { .. } => self.answer(outcome),
            _ => self.idle(),
        }
    }

    /// Whether its message is on its way.
    pub fn is_sending(&self) -> bool {
        matches!(self.state, State::Sending { .. })
    }

    /// The step when an event changes nothing.
    fn idle(&self) -> Step {
        if matches!(self.state, State::Passing) { Step::Pass } else { Step::Wait }
    }

    fn finish(&mut self, failure: Failure) -> Step {
        self.answer(Outcome::Failed(failure))
    }

    fn answer(&mut self, outcome: Outcome) -> Step {
        let (route, tracking_id) = match std::mem::replace(&mut self.state, State::Answered) {
            State::Receiving(request) => (request.route, request.tracking_id),
            State::Sending { route, tracking_id } => (route, tracking_id),
            State::Fresh | State::Passing | State::Answered => return Step::Wait,
        };
        let Some(route) = self.sender.routes.get(route) else { return Step::Wait };
        let reply = match &outcome {
            Outcome::Accepted => reply::accepted(&route.reply, &tracking_id),
            Outcome::Failed(failure) => reply::failed(failure, &tracking_id),
        };
        let report = Report {
            route: route.name.clone(),
            entity: route.send.entity.path.clone(),
            tracking_id,
            outcome,
        };
        Step::Reply(reply, report)
    }

    fn is_too_large(&self, size: usize) -> bool {
        size > self.sender.max_body_bytes
    }

    fn too_large(&self) -> Failure {
        let limit = self.sender.max_body_bytes;
        let detail = format!("the body has more than {limit} bytes");
        Failure::of_request(Reason::PayloadTooLarge, detail)
    }
}

fn failure(unsendable: &Unsendable) -> Failure {
    let reason = match unsendable {
        Unsendable::TooLarge { .. } => Reason::PayloadTooLarge,
        _ => Reason::InvalidMessage,
    };
    Failure::of_request(reason, unsendable.to_string())
}

/// The client's `Idempotency-Key`, if it sent one.
fn idempotency_key(headers: &Headers) -> Result<Option<&str>, &'static str> {
    let mut lines = headers.all("idempotency-key");
    let Some(key) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err("Idempotency-Key stands more than once");
    }
    let fits =
        (1..=IDEMPOTENCY_KEY_CHARS).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(key)
        .ok()
        .filter(|_| fits)
        .map(Some)
        .ok_or("Idempotency-Key must be 1 to 128 visible ASCII characters")
}

fn content_length(headers: &Headers) -> Option<usize> {
    headers.first_text("content-length")?.parse().ok()
}

/// A version 4 UUID. Never Envoy's `x-request-id`: a client may repeat it, and duplicate detection
/// would then drop a message.
fn fresh_id(random: [u8; 16]) -> String {
    Builder::from_random_bytes(random).into_uuid().to_string()
}
