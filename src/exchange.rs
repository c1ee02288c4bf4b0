//! One request as a state machine: each event yields at most one step.

mod dry_run;
mod forwarding;
mod hold;
mod prepare;
mod replies;
mod report;
mod request;
mod unsupported;

use std::rc::Rc;

use serde_json::Value;

use crate::buffer::{Buffer, Share};
use crate::delivery::Sender;
use crate::delivery::{LookupRequest, Submission};
use crate::http::{Headers, header};
use crate::message::Entity;
use crate::message::Outgoing;
use crate::outcome::{Failure, Outcome, Reason, SendResult, Served};
use crate::reply::Reply;
use crate::route::{Action, Route};
use crate::template::{Attributes, Needs, Random};
use crate::time::Time;
pub use forwarding::Forwarding;
use forwarding::{Ready, forwards};
use replies::{failed, failure};
pub use report::Report;
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
    /// The same, once its headers are changed; when they cannot be, tell [`Exchange::failed`].
    Change(Forwarding),
    /// Hand the lookup to delivery, and hold the request.
    LookUp(LookupRequest),
    /// Hand the message to delivery, and hold the request.
    Send(Submission),
    /// Answer it.
    Reply(Reply, Report),
    /// Change its headers and let it go on, then say so: [`Exchange::gone_on`], or
    /// [`Exchange::stuck`].
    Forward(Forwarding, Report),
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
    /// Its message is with delivery; what follows when it is accepted is ready.
    Sending(Box<Request>, Box<Ready>),
    /// Its lookup is with delivery.
    Inquiring(Box<Request>),
    /// It is about to go on to the backend.
    Forwarding(Box<Request>),
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

    /// More of the body is here; `total` is its size so far.
    pub fn body_grew(&mut self, total: usize) -> Step {
        match self.state {
            State::Receiving(_) if self.is_too_large(total) => self.finish(self.too_large()),
            _ => self.idle(),
        }
    }

    /// What the request's route needs of Envoy beyond headers and body.
    pub fn needs(&self) -> Needs {
        let route = self.request().and_then(|request| self.sender.routes.get(request.route));
        route.map(|route| route.needs).unwrap_or_default()
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
            Action::Send(send, destination) => {
                match prepare::message(request, &sender, route, (send, body), self.random) {
                    Ok((entity, message, ready)) => {
                        if self.is_shown(route, &entity, &message) {
                            let request = dry_run::request(destination, &entity, &message);
                            return self.show(route, request, ready);
                        }
                        if !self.holds(ready.size()) {
                            return self.finish(self.overloaded());
                        }
                        self.advance(|request| State::Sending(request, Box::new(ready)));
                        let destination = Rc::clone(destination);
                        let fallback = route.fallback.clone();
                        Step::Send(Submission { destination, entity, message, fallback })
                    }
                    Err(unsendable) => self.finish(failure(&unsendable)),
                }
            }
            Action::Lookup(lookup) => match prepare::inquiry(request, route, lookup, self.random) {
                Ok(_) if !self.holds(0) => self.finish(self.overloaded()),
                Ok(inquiry) => {
                    self.advance(State::Inquiring);
                    Step::LookUp(inquiry)
                }
                Err(unsendable) => self.finish(failure(&unsendable)),
            },
        }
    }

    /// Envoy could not give what the request needs, such as the time.
    pub fn failed(&mut self, failure: Failure) -> Step {
        match self.state {
            State::Receiving(_) | State::Sending(..) | State::Inquiring(_) => self.finish(failure),
            _ => self.idle(),
        }
    }

    /// Envoy did not let the request go on: its client is told, since the message may be stored.
    pub fn stuck(&mut self, cause: String) -> Step {
        match self.state {
            State::Forwarding(_) => self.finish(Failure::new(Reason::OutcomeUnknown, cause)),
            _ => self.idle(),
        }
    }

    /// The request goes on; nothing is kept of it.
    pub fn gone_on(&mut self) -> Step {
        if matches!(self.state, State::Forwarding(_)) {
            self.state = State::Passing;
        }
        self.idle()
    }

    /// Delivery knows what became of the message or the lookup.
    pub fn settled(&mut self, result: SendResult) -> Step {
        match (&self.state, &result.outcome) {
            (State::Sending(..), Outcome::Accepted | Outcome::Failed(_))
            | (State::Inquiring(_), Outcome::Found(_) | Outcome::Failed(_)) => self.answer(result),
            _ => self.idle(),
        }
    }

    /// The route of a request whose message or lookup is in flight.
    pub fn waiting_on(&self) -> Option<usize> {
        match &self.state {
            State::Sending(request, _) | State::Inquiring(request) => Some(request.route),
            _ => None,
        }
    }

    /// The step when an event changes nothing.
    fn idle(&self) -> Step {
        match self.state {
            State::Passing | State::Forwarding(_) => Step::Pass,
            _ => Step::Wait,
        }
    }

    fn advance(&mut self, next: impl FnOnce(Box<Request>) -> State) {
        self.state = match std::mem::replace(&mut self.state, State::Answered) {
            State::Receiving(request) => next(request),
            other => other,
        };
    }

    fn finish(&mut self, failure: Failure) -> Step {
        let outcome = Outcome::Failed(failure);
        self.answer(SendResult { outcome, attempts: 0, served: Served::Primary })
    }

    fn answer(&mut self, result: SendResult) -> Step {
        let (request, ready) = match std::mem::replace(&mut self.state, State::Answered) {
            State::Receiving(request) | State::Inquiring(request) | State::Forwarding(request) => {
                (request, None)
            }
            State::Sending(request, ready) => (request, Some(*ready)),
            State::Fresh | State::Passing | State::Answered => return Step::Wait,
        };
        let sender = Rc::clone(&self.sender);
        let Some(route) = sender.routes.get(request.route) else { return Step::Wait };
        let ready = match (ready, &route.forward) {
            (Some(Ready::Forward(headers)), Some(forward)) => {
                if let Some(unsent) = forwards(forward, &result.outcome) {
                    let headers = match forward.early {
                        true => Forwarding::default(),
                        false => Forwarding::new(forward, headers, &request.tracking_id, unsent),
                    };
                    let report = request.settled("forwarded", result);
                    self.state = State::Forwarding(request);
                    return Step::Forward(headers, report);
                }
                None
            }
            (Some(Ready::Reply(reply)), _) => Some(reply),
            _ => None,
        };
        let scope = request.scope(&route.name, self.random);
        let SendResult { outcome, attempts, served } = result;
        let (mut reply, outcome) = match (outcome, ready) {
            (Outcome::Accepted, Some(ready)) => (ready, Outcome::Accepted),
            (Outcome::Found(found), _) => match replies::found(route, &scope, &found) {
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
        Step::Reply(reply, request.settled(word, SendResult { outcome, attempts, served }))
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
    fn show(&mut self, route: &Route, message: Value, ready: Ready) -> Step {
        let State::Receiving(request) = std::mem::replace(&mut self.state, State::Answered) else {
            return Step::Wait;
        };
        let shown = dry_run::shown(message, route, ready, &request.tracking_id);
        Step::Reply(shown, request.report("dry_run"))
    }

    fn request(&self) -> Option<&Request> {
        match &self.state {
            State::Receiving(request)
            | State::Sending(request, _)
            | State::Inquiring(request)
            | State::Forwarding(request) => Some(request),
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
        self.request().and_then(|request| request.share.as_ref()).map_or(0, Share::bytes)
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
