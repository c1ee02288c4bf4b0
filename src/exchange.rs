//! One request as a state machine: each event yields at most one step.

mod dry_run;
mod request;
mod unsupported;

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::buffer::{Buffer, Share};
use crate::config::{Action, Entity, Lookup, Payload, Route, Send, Sender};
use crate::delivery::{Inquiry, Submission};
use crate::headers::{Headers, header};
use crate::json;
use crate::message::{Outgoing, Unsendable, ValueFault, compose, limits};
use crate::reply::{self, Failure, Outcome, Reason, Reply, Served, Settlement};
use crate::template::{Attributes, Found, Needs, Random, Scope};
use crate::time::Time;
use request::Request;

/// Which of a route's two destinations a message came to.
const DESTINATION: &str = "x-service-bus-destination";

/// What Envoy is to do with the request.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Not ours: it goes on untouched.
    Pass,
    /// Hold it: there is more to come.
    Wait,
    /// Hand the lookup to delivery, and hold the request.
    Inquire(Inquiry),
    /// Hand the message to delivery, and hold the request.
    Send(Submission),
    /// Answer it.
    Reply(Reply, Report),
}

/// What log and metrics are told of an answer.
#[derive(Clone, Debug)]
pub struct Report {
    /// Index of the route.
    pub route: usize,
    /// Queue or topic, once it is known.
    pub entity: Option<Rc<Entity>>,
    /// The request's id.
    pub tracking_id: String,
    /// When the request was complete, if it ever was, by the monotonic clock.
    pub since: Option<Duration>,
    /// The message's id, once there is a message and if the configuration asks for it.
    pub message_id: Option<String>,
    /// What became of it: the word of its `Outcome`, or `dry_run`.
    pub outcome: &'static str,
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
    /// Callouts that have carried it.
    pub attempts: u32,
    /// Which of the route's destinations it came to.
    pub served: Served,
}

/// One request.
#[derive(Debug)]
pub struct Exchange {
    sender: Rc<Sender>,
    buffer: Rc<Buffer>,
    random: Random,
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
    /// Its message is with delivery; the reply is ready for when it is accepted.
    Sending(Box<Request>, Box<Reply>),
    /// Its lookup is with delivery.
    Inquiring(Box<Request>),
    /// It has its answer.
    Answered,
}

impl Exchange {
    /// A request of which nothing has arrived. `buffer` is its worker's, and `random` is asked for
    /// the bytes of UUIDs.
    pub fn new(sender: Rc<Sender>, buffer: Rc<Buffer>, random: Random) -> Self {
        Self { sender, buffer, random, state: State::Fresh }
    }

    /// The request's headers.
    pub fn headers_arrived(&mut self, headers: Headers) -> Step {
        if !matches!(self.state, State::Fresh) {
            return self.idle();
        }
        let mut routes = self.sender.routes.iter().enumerate();
        let found = routes.find_map(|(index, route)| {
            let captures = route.matches.captures(&headers)?;
            let owned = captures.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            Some((index, owned))
        });
        let Some((route, captures)) = found else {
            self.state = State::Passing;
            return Step::Pass;
        };
        let (request, fault) = Request::new(headers, route, captures, self.random);
        let fault = unsupported::refusal(&request.headers).or(fault);
        let large = request.content_length().is_some_and(|length| self.is_too_large(length));
        self.state = State::Receiving(Box::new(request));
        match fault {
            Some(fault) => self.finish(fault),
            None if large => self.finish(self.too_large()),
            None => self.hold(),
        }
    }

    /// Keeps what the route may read of a request, if there is room for it.
    fn hold(&mut self) -> Step {
        let State::Receiving(request) = &mut self.state else { return self.idle() };
        if let Some(route) = self.sender.routes.get(request.route) {
            request.headers = request.headers.only(&route.headers);
        }
        match self.buffer.reserve(request.size()) {
            Some(share) => {
                request.share = Some(share);
                Step::Wait
            }
            None => self.finish(self.overloaded()),
        }
    }

    /// More of the body is here; `total` is its size so far.
    pub fn body_grew(&mut self, total: usize) -> Step {
        match self.state {
            State::Receiving(_) if self.is_too_large(total) => self.finish(self.too_large()),
            _ => self.idle(),
        }
    }

    /// What the request's route needs of Envoy beyond headers and body.
    pub fn needs(&self) -> Needs {
        self.route().map(|route| route.needs).unwrap_or_default()
    }

    /// The request is complete: its headers, body or trailers were the last.
    pub fn request_ended(&mut self, body: Vec<u8>, now: Time, attributes: Attributes) -> Step {
        if self.is_too_large(body.len()) {
            return self.body_grew(body.len());
        }
        let State::Receiving(request) = &mut self.state else { return self.idle() };
        request.now = Some(now);
        request.attributes = attributes;
        let sender = Rc::clone(&self.sender);
        let Some(route) = sender.routes.get(request.route) else { return self.idle() };
        match &route.action {
            Action::Send(send, destination) => match self.prepare(route, send, body) {
                Ok((entity, message, reply)) => {
                    if self.is_shown(route, &entity, &message) {
                        return self.show(dry_run::shown(destination, &entity, &message, &reply));
                    }
                    if !self.holds(reply.size()) {
                        return self.finish(self.overloaded());
                    }
                    self.advance(|request| State::Sending(request, Box::new(reply)));
                    let destination = Rc::clone(destination);
                    let fallback = send.fallback.clone();
                    Step::Send(Submission { destination, entity, message, fallback })
                }
                Err(unsendable) => self.finish(failure(&unsendable)),
            },
            Action::Lookup(lookup) => match self.inquiry(route, lookup) {
                Ok(_) if !self.holds(0) => self.finish(self.overloaded()),
                Ok(inquiry) => {
                    self.advance(State::Inquiring);
                    Step::Inquire(inquiry)
                }
                Err(unsendable) => self.finish(failure(&unsendable)),
            },
        }
    }

    /// The message, and the reply for when it is accepted: what cannot be said then must not be
    /// found out when the message is stored.
    fn prepare(
        &self,
        route: &Route,
        send: &Send,
        body: Vec<u8>,
    ) -> Result<(Rc<Entity>, Outgoing, Reply), Unsendable> {
        let State::Receiving(request) = &self.state else { return Err(missing("the request")) };
        let mut scope = request.scope(&route.name, self.random);
        scope.body = &body;
        let (entity, mut message) = compose(send, &scope)?;
        let reply = reply::accepted(&route.reply, &scope)?;
        drop(scope);
        if matches!(send.payload, Payload::Body) {
            message.body = body;
        }
        let limit = limits::message_bytes(self.sender.max_body_bytes);
        let message = match self.sender.delivery.batch {
            Some(_) => Outgoing::for_batch(message, limit),
            None => Outgoing::new(message, limit),
        };
        Ok((entity, message?, reply))
    }

    fn inquiry(&self, route: &Route, lookup: &Lookup) -> Result<Inquiry, Unsendable> {
        const PLACE: &str = "lookup.path";
        let State::Receiving(request) = &self.state else { return Err(missing("the request")) };
        let scope = request.scope(&route.name, self.random);
        let eval = |error| Unsendable::Value(PLACE.to_owned(), ValueFault::Eval(error));
        let path = lookup.path.path(&scope).map_err(eval)?.ok_or_else(|| missing(PLACE))?;
        Ok(Inquiry {
            cluster: Rc::clone(&lookup.cluster),
            authority: Rc::clone(&lookup.authority),
            path,
            timeout: lookup.timeout,
        })
    }

    /// Envoy could not give what the request needs, such as the time.
    pub fn failed(&mut self, failure: Failure) -> Step {
        match self.state {
            State::Receiving(_) | State::Sending(..) | State::Inquiring(_) => self.finish(failure),
            _ => self.idle(),
        }
    }

    /// Delivery knows what became of the message or the lookup.
    pub fn settled(&mut self, settlement: Settlement) -> Step {
        match (&self.state, &settlement.outcome) {
            (State::Sending(..), Outcome::Accepted | Outcome::Failed(_))
            | (State::Inquiring(_), Outcome::Found(_) | Outcome::Failed(_)) => {
                self.answer(settlement)
            }
            _ => self.idle(),
        }
    }

    /// The route of a request whose message or lookup is on its way.
    pub fn waiting_on(&self) -> Option<usize> {
        match &self.state {
            State::Sending(request, _) | State::Inquiring(request) => Some(request.route),
            _ => None,
        }
    }

    /// The step when an event changes nothing.
    fn idle(&self) -> Step {
        if matches!(self.state, State::Passing) { Step::Pass } else { Step::Wait }
    }

    fn advance(&mut self, next: impl FnOnce(Box<Request>) -> State) {
        self.state = match std::mem::replace(&mut self.state, State::Answered) {
            State::Receiving(request) => next(request),
            other => other,
        };
    }

    fn finish(&mut self, failure: Failure) -> Step {
        let outcome = Outcome::Failed(failure);
        self.answer(Settlement { outcome, attempts: 0, served: Served::Primary })
    }

    fn answer(&mut self, Settlement { outcome, attempts, served }: Settlement) -> Step {
        let (request, ready) = match std::mem::replace(&mut self.state, State::Answered) {
            State::Receiving(request) | State::Inquiring(request) => (request, None),
            State::Sending(request, reply) => (request, Some(*reply)),
            State::Fresh | State::Passing | State::Answered => return Step::Wait,
        };
        let Some(route) = self.sender.routes.get(request.route) else { return Step::Wait };
        let scope = request.scope(&route.name, self.random);
        let (mut reply, outcome) = match (outcome, ready) {
            (Outcome::Accepted, Some(ready)) => (ready, Outcome::Accepted),
            (Outcome::Found(found), _) => match found_reply(route, &scope, &found) {
                Ok(reply) => (reply, Outcome::Found(found)),
                Err(failure) => (failed(route, &scope, &failure), Outcome::Failed(failure)),
            },
            (Outcome::Failed(failure), _) => {
                (failed(route, &scope, &failure), Outcome::Failed(failure))
            }
            (Outcome::Accepted, None) => return Step::Wait,
        };
        if attempts > 0 && route.has_fallback() {
            reply.headers.push(header(DESTINATION, served.as_str()));
        }
        let word = outcome.as_str();
        let failure = match outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Accepted | Outcome::Found(_) => None,
        };
        let report = Report { failure, attempts, served, ..request.report(word) };
        Step::Reply(reply, report)
    }

    /// Keeps what is told of a message, and says whether it is shown instead of sent.
    fn is_shown(&mut self, route: &Route, entity: &Rc<Entity>, message: &Outgoing) -> bool {
        let State::Receiving(request) = &mut self.state else { return false };
        request.entity = Some(Rc::clone(entity));
        if self.sender.filter_state {
            request.message_id = Some(message.message_id().to_owned());
        }
        route.dry_run.as_ref().is_some_and(|it| it.applies(&request.headers))
    }

    /// Answers with the message and sends nothing.
    fn show(&mut self, shown: Reply) -> Step {
        match std::mem::replace(&mut self.state, State::Answered) {
            State::Receiving(request) => Step::Reply(shown, request.report("dry_run")),
            _ => Step::Wait,
        }
    }

    fn route(&self) -> Option<&Route> {
        match &self.state {
            State::Receiving(request) | State::Sending(request, _) | State::Inquiring(request) => {
                self.sender.routes.get(request.route)
            }
            State::Fresh | State::Passing | State::Answered => None,
        }
    }

    /// Whether there is room for all of a complete request, and for so many bytes beside it.
    fn holds(&mut self, more: usize) -> bool {
        let State::Receiving(request) = &mut self.state else { return false };
        let size = request.size().saturating_add(more);
        request.share.as_mut().is_some_and(|share| share.resize(size))
    }

    /// Bytes that are kept of it.
    pub fn held_bytes(&self) -> usize {
        match &self.state {
            State::Receiving(request) | State::Sending(request, _) | State::Inquiring(request) => {
                request.share.as_ref().map_or(0, Share::bytes)
            }
            State::Fresh | State::Passing | State::Answered => 0,
        }
    }

    fn overloaded(&self) -> Failure {
        let held = self.buffer.held();
        Failure::new(Reason::Overloaded, format!("requests and messages of {held} bytes are held"))
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

fn failed(route: &Route, scope: &Scope<'_>, failure: &Failure) -> Reply {
    let change = route.reply.failures.iter().find(|(reason, _)| *reason == failure.reason);
    let reply = reply::failed(failure, scope, change.map(|(_, change)| change));
    unsupported::readable(reply, scope.headers, failure)
}

/// The reply to a lookup that has found something: what was found, unless the route says otherwise.
fn found_reply(route: &Route, scope: &Scope<'_>, found: &Found) -> Result<Reply, Failure> {
    let scope = scope.with_lookup(found);
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::new(Reason::LookupUnavailable, format!("the answer cannot be used: {error}"))
    };
    let body = match &route.reply.body {
        Some(_) => Value::Null,
        None => json::read(&found.body).map_err(|error| unusable(&error))?,
    };
    reply::found(&route.reply, &scope, &body).map_err(|error| unusable(&error))
}

fn missing(place: &str) -> Unsendable {
    Unsendable::Value(place.to_owned(), ValueFault::Missing)
}

fn failure(unsendable: &Unsendable) -> Failure {
    let reason = match unsendable {
        Unsendable::TooLarge { .. } => Reason::PayloadTooLarge,
        _ => Reason::InvalidMessage,
    };
    Failure::of_request(reason, unsendable.to_string())
}
