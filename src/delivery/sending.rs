//! From a message to its result: group, token, breaker, callout, classification, and again where that may help.

use std::rc::Rc;
use std::time::Duration;

use super::batcher::Arrival;
use super::breaker::{Admission, Change, Permit, Signal};
use super::classify::Classification;
use super::destination_state::{DestinationState, TOO_LATE, is_late};
use super::event::Namespace;
use super::outbound::{Budget, OutboundRequest, PendingMessage, is_short};
use super::{AttemptId, Delivery, Event, OutboundId, Purpose, Timer, callout};
use crate::credentials::{Access, TokenId};
use crate::http::{DispatchError, Response};
use crate::outcome::{Failure, Outcome, Reason, SendResult, Served};
use crate::route::Destination;

impl Delivery {
    /// The state of a destination.
    pub(super) fn state(&mut self, destination: &Rc<Destination>) -> usize {
        let known =
            self.states.iter().position(|state| Rc::ptr_eq(&state.destination, destination));
        known.unwrap_or_else(|| {
            self.states.push(DestinationState::new(destination, &self.sender.delivery));
            self.states.len() - 1
        })
    }

    /// Puts a message in flight: by itself, or on a group.
    pub(super) fn take(&mut self, pending: PendingMessage, state: usize) {
        let now = self.time.monotonic;
        let Some(batcher) = &mut self.batcher else {
            let entity = Rc::clone(&pending.entity);
            return self.send_new(Some(OutboundRequest::new(vec![pending], state, entity)));
        };
        let Arrival { leaving, waits } = batcher.arrive(pending, state, &self.buffer, now);
        if let Some((group, until)) = waits {
            self.timers.insert((until, Timer::Group(group)));
        }
        for request in leaving {
            self.send_new(Some(request));
        }
    }

    pub(super) fn send_new(&mut self, request: Option<OutboundRequest>) {
        let Some(request) = request else { return };
        let id = OutboundId(self.next_id());
        self.outbound.insert(id, request);
        self.send(id);
    }

    /// Sends an outbound request now, unless it must wait for a token or may not be sent.
    pub(super) fn send(&mut self, id: OutboundId) {
        let Some(mut request) = self.outbound.remove(&id) else { return };
        let now = self.time.monotonic;
        let attempt_timeout = self.sender.delivery.attempt_timeout;
        let timeout = loop {
            let Some((shortest, longest)) = request.timeouts(now, attempt_timeout) else {
                return self.end(request);
            };
            // Nobody is late as long as every callout may take a while.
            let late = match shortest < TOO_LATE {
                true => request.remove(|pending| is_late(pending, now)),
                false => vec![],
            };
            if !late.is_empty() {
                self.fail_late(&request, late);
            } else if is_short(shortest, longest) {
                let short = request.take_short(now, attempt_timeout, longest);
                self.send_short(short);
            } else {
                break shortest;
            }
        };
        let Some(state) = self.states.get_mut(request.state) else { return self.end(request) };
        let (time, shared) = (self.time, self.shared.as_ref());
        let access = state.signer.access(&request.entity.path, request.refused, time, shared);
        let (authorization, token_id) = match access {
            Access::Unsigned => (None, None),
            Access::Token { value, token_id } => (Some(value), Some(token_id)),
            Access::Wait => {
                state.waiting.push(id);
                request.waited_for_token = true;
                self.outbound.insert(id, request);
                return;
            }
            Access::Unavailable { cause } => {
                let failure = Failure::new(Reason::CredentialsUnavailable, cause);
                return self.fail(request, &failure);
            }
        };
        let permit = match &mut state.breaker {
            None => None,
            Some(breaker) => match breaker.enter(now, shared) {
                Admission::Admitted(permit) => Some(permit),
                Admission::Refused(left) => {
                    let failure = request.last.clone().unwrap_or_else(|| {
                        Failure::new(Reason::CircuitOpen, "the circuit breaker is open")
                    });
                    let retry_after = Some(seconds(left));
                    return self.fail(request, &Failure { retry_after, ..failure });
                }
            },
        };
        let packed = request.packed();
        let bytes = packed.1.len();
        let namespace = Namespace(Rc::clone(&state.destination));
        let destination = &state.destination;
        let callout = callout::send(destination, &request.entity, authorization, packed, timeout);
        for pending in &mut request.messages {
            pending.attempts += 1;
        }
        if !request.budget.is_repeated() {
            self.savings.sent(&self.sender.delivery.retries);
        }
        let messages = request.messages.len();
        self.outbound.insert(id, request);
        let sent = Event::Sent { namespace, messages, bytes };
        self.dispatch(Purpose::Send { request: id, permit, token_id }, callout, Some(sent));
    }

    /// Envoy has not begun a send.
    pub(super) fn send_refused(
        &mut self,
        attempt: AttemptId,
        id: OutboundId,
        permit: Option<Permit>,
        error: DispatchError,
    ) {
        let Some(mut request) = self.outbound.remove(&id) else { return };
        for pending in &mut request.messages {
            pending.attempts = pending.attempts.saturating_sub(1);
        }
        self.report(request.state, permit, Signal::None);
        let Some(state) = self.states.get(request.state) else { return self.end(request) };
        let cluster = Rc::clone(&state.destination.cluster);
        // Envoy says the same of a cluster without a healthy host and of one at its limits.
        let unavailable = match self.is_used(&cluster, attempt) {
            true => Reason::Overloaded,
            false => Reason::BrokerUnreachable,
        };
        let failure = error.failure(&cluster, unavailable);
        match error {
            DispatchError::Unavailable => self.repeat(id, request, failure, None),
            DispatchError::UnknownCluster => self.fail(request, &failure),
        }
    }

    /// Whether a send from before an attempt is on its way through a cluster. What came later may
    /// be refused as well.
    fn is_used(&self, cluster: &str, attempt: AttemptId) -> bool {
        self.attempts.range(..attempt).any(|(_, other)| {
            let Purpose::Send { request, .. } = &other.purpose else { return false };
            let state =
                self.outbound.get(request).and_then(|request| self.states.get(request.state));
            state.is_some_and(|state| &*state.destination.cluster == cluster)
        })
    }

    pub(super) fn send_answered(
        &mut self,
        id: OutboundId,
        permit: Option<Permit>,
        token_id: Option<TokenId>,
        answer: &Response,
    ) {
        let Some(mut request) = self.outbound.remove(&id) else { return };
        let Classification { outcome, signal, again, retry_after } = answer.classify();
        self.report(request.state, permit, signal);
        self.leave_group(&mut request);
        let failure = match outcome {
            Outcome::Failed(failure) => failure,
            Outcome::Accepted | Outcome::Found(_) => {
                self.accept(request, token_id, answer);
                return;
            }
        };
        if failure.reason == Reason::BrokerUnauthorized {
            if self.renewed(&request, token_id, answer.date()) {
                request.auth_retries += 1;
                request.refused = token_id;
                request.last = Some(failure);
                self.outbound.insert(id, request);
                self.send(id);
            } else {
                self.fail(request, &failure);
            }
        } else if again {
            self.repeat(id, request, failure, retry_after);
        } else if request.messages.len() > 1 && is_of_content(failure.reason) {
            self.halve(request);
        } else {
            self.fail(request, &failure);
        }
    }

    fn accept(
        &mut self,
        mut request: OutboundRequest,
        token_id: Option<TokenId>,
        answer: &Response,
    ) {
        let now = self.time.wall;
        if let (Some(state), Some(token_id)) = (self.states.get_mut(request.state), token_id) {
            state.signer.accepted(&request.entity.path, token_id, || answer.date(), now);
            self.tell_of_tokens(request.state);
        }
        for pending in std::mem::take(&mut request.messages) {
            self.finish(&pending, Outcome::Accepted);
        }
        self.end(request);
    }

    /// Whether an outbound request whose token was refused is worth another.
    fn renewed(
        &mut self,
        request: &OutboundRequest,
        token_id: Option<TokenId>,
        date: Option<Duration>,
    ) -> bool {
        let Some(state) = self.states.get_mut(request.state) else { return false };
        let Some(token_id) = token_id else { return false };
        let (time, shared) = (self.time, self.shared.as_ref());
        let renewed = state.signer.refused(&request.entity.path, token_id, date, time, shared);
        let most = state.signer.auth_retries();
        self.tell_of_tokens(request.state);
        renewed && request.auth_retries < most
    }

    /// Tells those whose clients have waited for as long as they may.
    fn fail_late(&mut self, request: &OutboundRequest, late: Vec<PendingMessage>) {
        for pending in late {
            let failure = request.last.clone().unwrap_or_else(|| match request.waited_for_token {
                true => Failure::new(Reason::CredentialsUnavailable, "no token has come in time"),
                false => Failure::new(Reason::Overloaded, "was not sent in time"),
            });
            self.fail_message(pending, failure);
        }
    }

    /// Sends an outbound request again after a wait, or gives up on it.
    fn repeat(
        &mut self,
        id: OutboundId,
        mut request: OutboundRequest,
        failure: Failure,
        retry_after: Option<Duration>,
    ) {
        self.leave_group(&mut request);
        let retries = self.sender.delivery.retries;
        let others = self.repeated.saturating_sub(usize::from(request.budget.is_repeated()));
        request.sends += 1;
        // This outbound request is not among those that are kept at the moment.
        let callouts = self.outbound.len().saturating_sub(self.parts.len()) + 1;
        let affordable = retries.affords(others, callouts) && self.savings.afford();
        if request.sends > retries.max || !affordable {
            return self.fail(request, &failure);
        }
        let wait = retries.wait(request.sends, retry_after, &mut self.rng);
        let due = self.time.monotonic.saturating_add(wait);
        let too_late = |pending: &PendingMessage| {
            is_late(pending, due)
                || (due >= pending.halfway && pending.second(failure.reason).is_some())
        };
        for pending in request.remove(too_late) {
            self.fail_message(pending, failure.clone());
        }
        if request.messages.is_empty() {
            return self.end(request);
        }
        for pending in &mut request.messages {
            pending.in_doubt |= failure.reason.is_doubtful();
        }
        self.savings.repeated();
        self.repeated = others + 1;
        if request.budget == Budget::Free {
            request.budget = Budget::Repetition;
        }
        request.last = Some(failure);
        let state = self.states.get(request.state).map(|state| Rc::clone(&state.destination));
        self.outbound.insert(id, request);
        self.timers.insert((due, Timer::Retry(id)));
        if let Some(destination) = state {
            self.tell(Event::Repeated { namespace: Namespace(destination), wait });
        }
    }

    fn fail(&mut self, mut request: OutboundRequest, failure: &Failure) {
        for pending in std::mem::take(&mut request.messages) {
            self.fail_message(pending, failure.clone());
        }
        self.end(request);
    }

    /// A message that its destination has not taken: to the second one, or to its client.
    pub(super) fn fail_message(&mut self, mut pending: PendingMessage, failure: Failure) {
        let late = is_late(&pending, self.time.monotonic);
        let Some(fallback) = pending.second(failure.reason).filter(|_| !late).map(Rc::clone) else {
            let failure = pending.told(failure);
            return self.finish(&pending, Outcome::Failed(failure));
        };
        pending.copy = None;
        pending.in_doubt |= failure.reason.is_doubtful();
        pending.fallback = None;
        pending.served = Served::Fallback;
        if let Some(entity) = &fallback.entity {
            pending.entity = Rc::clone(entity);
        }
        let namespace = Namespace(Rc::clone(&fallback.destination));
        self.tell(Event::FellBack { namespace });
        let state = self.state(&fallback.destination);
        self.take(pending, state);
    }

    fn finish(&mut self, pending: &PendingMessage, outcome: Outcome) {
        self.open = self.open.saturating_sub(1);
        let PendingMessage { stream, attempts, served, .. } = *pending;
        self.tell_stream(stream, SendResult { outcome, attempts, served });
    }

    /// An outbound request without messages.
    pub(super) fn end(&mut self, mut request: OutboundRequest) {
        self.repeated = self.repeated.saturating_sub(usize::from(request.budget.is_repeated()));
        self.parts_on_their_way =
            self.parts_on_their_way.saturating_sub(usize::from(request.budget.is_part()));
        self.leave_group(&mut request);
    }

    /// Lets those leave who wait for an outbound request's first callout.
    fn leave_group(&mut self, request: &mut OutboundRequest) {
        if let (Some(group), Some(batcher)) = (request.group.take(), &mut self.batcher) {
            let next = batcher.ended(group);
            self.send_new(next);
        }
    }

    fn report(&mut self, state: usize, permit: Option<Permit>, signal: Signal) {
        let Some(state) = self.states.get_mut(state) else { return };
        let (Some(breaker), Some(permit)) = (&mut state.breaker, permit) else { return };
        let change = breaker.report(permit, signal, self.time.monotonic, self.shared.as_ref());
        let namespace = Namespace(Rc::clone(&state.destination));
        match change {
            Some(Change::Opened) => self.tell(Event::BreakerOpened { namespace }),
            Some(Change::Closed) => self.tell(Event::BreakerClosed { namespace }),
            None => {}
        }
    }
}

/// Whether a batch may have been refused for one of its messages.
fn is_of_content(reason: Reason) -> bool {
    matches!(reason, Reason::MessageRejected | Reason::PayloadTooLarge)
}

/// Whole seconds, rounded up, for `Retry-After`.
fn seconds(left: Duration) -> u32 {
    u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}
