//! A message's life: lane, token, breaker, callout, verdict, and again where that may help.

use std::rc::Rc;
use std::time::Duration;

use super::breaker::{Change, Entry, Signal, Ticket};
use super::event::Namespace;
use super::lane::Arrival;
use super::parcel::{Job, Parcel};
use super::verdict::Verdict;
use super::way::{Way, is_late};
use super::{AttemptId, Delivery, Event, ParcelId, Purpose, Timer, callout};
use crate::credentials::{Access, Stamp};
use crate::http::{Answer, DispatchError};
use crate::outcome::{Failure, Outcome, Reason, Served, Settlement};
use crate::route::Destination;

impl Delivery {
    /// The way to a destination.
    pub(super) fn way(&mut self, destination: &Rc<Destination>) -> usize {
        let known = self.ways.iter().position(|way| Rc::ptr_eq(&way.destination, destination));
        known.unwrap_or_else(|| {
            self.ways.push(Way::new(destination, &self.sender.delivery));
            self.ways.len() - 1
        })
    }

    /// Puts a job on its way: by itself, or on a lane.
    pub(super) fn take(&mut self, job: Job, way: usize) {
        let now = self.time.monotonic;
        let Some(lanes) = &mut self.lanes else {
            let entity = Rc::clone(&job.entity);
            return self.send_new(Some(Parcel::new(vec![job], way, entity)));
        };
        let Arrival { leaving, waits } = lanes.arrive(job, way, &self.buffer, now);
        if let Some((lane, until)) = waits {
            self.timers.insert((until, Timer::Lane(lane)));
        }
        for parcel in leaving {
            self.send_new(Some(parcel));
        }
    }

    pub(super) fn send_new(&mut self, parcel: Option<Parcel>) {
        let Some(parcel) = parcel else { return };
        let id = ParcelId(self.next_id());
        self.parcels.insert(id, parcel);
        self.send(id);
    }

    /// Sends a parcel now, unless it must wait for a token or may not be sent.
    pub(super) fn send(&mut self, id: ParcelId) {
        let Some(mut parcel) = self.parcels.remove(&id) else { return };
        let now = self.time.monotonic;
        for job in parcel.remove(|job| is_late(job, now)) {
            let failure = parcel.last.clone().unwrap_or_else(|| match parcel.waited_for_token {
                true => Failure::new(Reason::CredentialsUnavailable, "no token has come in time"),
                false => Failure::new(Reason::Overloaded, "was not sent in time"),
            });
            self.fail_job(job, failure);
        }
        let attempt_timeout = self.sender.delivery.attempt_timeout;
        while let Some(short) = parcel.take_short(now, attempt_timeout) {
            self.send_short(short);
        }
        let Some(timeout) = parcel.timeout(now, attempt_timeout) else { return self.end(parcel) };
        let Some(way) = self.ways.get_mut(parcel.way) else { return self.end(parcel) };
        let (time, shared) = (self.time, self.shared.as_ref());
        let access = way.signer.access(&parcel.entity.path, parcel.refused, time, shared);
        let (authorization, stamp) = match access {
            Access::Unsigned => (None, None),
            Access::Token { value, stamp } => (Some(value), Some(stamp)),
            Access::Wait => {
                way.waiting.push(id);
                parcel.waited_for_token = true;
                self.parcels.insert(id, parcel);
                return;
            }
            Access::Unavailable { cause } => {
                let failure = Failure::new(Reason::CredentialsUnavailable, cause);
                return self.fail(parcel, &failure);
            }
        };
        let ticket = match &mut way.breaker {
            None => None,
            Some(breaker) => match breaker.enter(now, shared) {
                Entry::Admitted(ticket) => Some(ticket),
                Entry::Refused(left) => {
                    let failure = parcel.last.clone().unwrap_or_else(|| {
                        Failure::new(Reason::CircuitOpen, "the circuit breaker is open")
                    });
                    let retry_after = Some(seconds(left));
                    return self.fail(parcel, &Failure { retry_after, ..failure });
                }
            },
        };
        let packed = parcel.packed();
        let bytes = packed.1.len();
        let namespace = Namespace(Rc::clone(&way.destination));
        let destination = &way.destination;
        let callout = callout::send(destination, &parcel.entity, authorization, packed, timeout);
        for job in &mut parcel.jobs {
            job.attempts += 1;
        }
        if !parcel.repeated {
            self.savings.sent(&self.sender.delivery.retries);
        }
        let messages = parcel.jobs.len();
        self.parcels.insert(id, parcel);
        let sent = Event::Sent { namespace, messages, bytes };
        self.dispatch(Purpose::Send { parcel: id, ticket, stamp }, callout, Some(sent));
    }

    /// Envoy has not begun a send.
    pub(super) fn send_refused(
        &mut self,
        attempt: AttemptId,
        id: ParcelId,
        ticket: Option<Ticket>,
        error: DispatchError,
    ) {
        let Some(mut parcel) = self.parcels.remove(&id) else { return };
        for job in &mut parcel.jobs {
            job.attempts = job.attempts.saturating_sub(1);
        }
        self.report(parcel.way, ticket, Signal::None);
        let Some(way) = self.ways.get(parcel.way) else { return self.end(parcel) };
        let cluster = Rc::clone(&way.destination.cluster);
        // Envoy says the same of a cluster without a healthy host and of one at its limits.
        let unavailable = match self.is_used(&cluster, attempt) {
            true => Reason::Overloaded,
            false => Reason::BrokerUnreachable,
        };
        let failure = error.failure(&cluster, unavailable);
        match error {
            DispatchError::Unavailable => self.repeat(id, parcel, failure, None),
            DispatchError::UnknownCluster => self.fail(parcel, &failure),
        }
    }

    /// Whether a send from before an attempt is on its way through a cluster. What came later may
    /// be refused as well.
    fn is_used(&self, cluster: &str, attempt: AttemptId) -> bool {
        self.attempts.range(..attempt).any(|(_, other)| {
            let Purpose::Send { parcel, .. } = &other.purpose else { return false };
            let way = self.parcels.get(parcel).and_then(|parcel| self.ways.get(parcel.way));
            way.is_some_and(|way| &*way.destination.cluster == cluster)
        })
    }

    pub(super) fn send_answered(
        &mut self,
        id: ParcelId,
        ticket: Option<Ticket>,
        stamp: Option<Stamp>,
        answer: &Answer,
    ) {
        let Some(mut parcel) = self.parcels.remove(&id) else { return };
        let Verdict { outcome, signal, again, wish } = answer.verdict();
        self.report(parcel.way, ticket, signal);
        self.leave_lane(&mut parcel);
        let failure = match outcome {
            Outcome::Failed(failure) => failure,
            Outcome::Accepted | Outcome::Found(_) => {
                self.accept(parcel, stamp, answer);
                return;
            }
        };
        if failure.reason == Reason::BrokerUnauthorized {
            if self.renewed(&parcel, stamp, answer.date()) {
                parcel.second_chances += 1;
                parcel.refused = stamp;
                parcel.last = Some(failure);
                self.parcels.insert(id, parcel);
                self.send(id);
            } else {
                self.fail(parcel, &failure);
            }
        } else if again {
            self.repeat(id, parcel, failure, wish);
        } else if parcel.jobs.len() > 1 && is_of_content(failure.reason) {
            self.halve(parcel);
        } else {
            self.fail(parcel, &failure);
        }
    }

    fn accept(&mut self, mut parcel: Parcel, stamp: Option<Stamp>, answer: &Answer) {
        let now = self.time.wall;
        if let (Some(way), Some(stamp)) = (self.ways.get_mut(parcel.way), stamp) {
            way.signer.accepted(&parcel.entity.path, stamp, || answer.date(), now);
            self.tell_of_tokens(parcel.way);
        }
        for job in std::mem::take(&mut parcel.jobs) {
            self.settle(&job, Outcome::Accepted);
        }
        self.end(parcel);
    }

    /// Whether a parcel whose token was refused is worth another.
    fn renewed(&mut self, parcel: &Parcel, stamp: Option<Stamp>, date: Option<Duration>) -> bool {
        let Some(way) = self.ways.get_mut(parcel.way) else { return false };
        let Some(stamp) = stamp else { return false };
        let (time, shared) = (self.time, self.shared.as_ref());
        let renewed = way.signer.refused(&parcel.entity.path, stamp, date, time, shared);
        let chances = way.signer.second_chances();
        self.tell_of_tokens(parcel.way);
        renewed && parcel.second_chances < chances
    }

    /// Sends those on their own that have little time left.
    fn send_short(&mut self, mut short: Parcel) {
        self.repeated += usize::from(short.repeated);
        self.parts_on_their_way += usize::from(short.part);
        short.drop_copy_of_one();
        self.send_new(Some(short));
    }

    /// Has the halves of a refused batch sent again, so that in the end a bad message fails alone.
    fn halve(&mut self, mut parcel: Parcel) {
        let halves = parcel.halves();
        self.end(parcel);
        for mut half in halves {
            half.drop_copy_of_one();
            let id = ParcelId(self.next_id());
            if let Some(deadline) = half.deadline() {
                self.timers.insert((deadline, Timer::Part(id)));
            }
            self.parcels.insert(id, half);
            self.parts.insert(id);
        }
    }

    /// Sends parts of refused batches, as many as the retry budget lets: a client who sends bad
    /// messages must not take the others' place. One at a time may always go.
    pub(super) fn send_parts(&mut self) {
        let retries = self.sender.delivery.retries;
        while let Some(&id) = self.parts.first() {
            let callouts = self.parcels.len().saturating_sub(self.parts.len());
            let affordable = retries.affords(self.repeated, callouts);
            if self.parts_on_their_way > 0 && !affordable {
                return;
            }
            self.parts.remove(&id);
            let Some(part) = self.parcels.get_mut(&id) else { continue };
            (part.repeated, part.part) = (true, true);
            self.repeated += 1;
            self.parts_on_their_way += 1;
            let way = self.ways.get(part.way).map(|way| Rc::clone(&way.destination));
            if let Some(destination) = way {
                self.tell(Event::Halved { namespace: Namespace(destination) });
            }
            self.send(id);
        }
    }

    /// Tells those whose time is over before their part could be sent.
    pub(super) fn expire_part(&mut self, id: ParcelId) {
        let now = self.time.monotonic;
        let Some(part) = self.parcels.get_mut(&id).filter(|_| self.parts.contains(&id)) else {
            return;
        };
        let late = part.remove(|job| is_late(job, now));
        match part.deadline() {
            Some(deadline) => {
                self.timers.insert((deadline, Timer::Part(id)));
            }
            None => {
                self.parts.remove(&id);
                self.parcels.remove(&id);
            }
        }
        for job in late {
            let failure = Failure::new(Reason::Overloaded, "could not be sent again in time");
            self.fail_job(job, failure);
        }
    }

    /// Sends a parcel again after a wait, or gives up on it.
    fn repeat(
        &mut self,
        id: ParcelId,
        mut parcel: Parcel,
        failure: Failure,
        wish: Option<Duration>,
    ) {
        self.leave_lane(&mut parcel);
        let retries = self.sender.delivery.retries;
        let others = self.repeated.saturating_sub(usize::from(parcel.repeated));
        parcel.sends += 1;
        // This parcel is not among those that are kept at the moment.
        let callouts = self.parcels.len().saturating_sub(self.parts.len()) + 1;
        let affordable = retries.affords(others, callouts) && self.savings.afford();
        if parcel.sends > retries.max || !affordable {
            return self.fail(parcel, &failure);
        }
        let wait = retries.wait(parcel.sends, wish, &mut self.rng);
        let due = self.time.monotonic.saturating_add(wait);
        let too_late = |job: &Job| {
            is_late(job, due) || (due >= job.halfway && job.second(failure.reason).is_some())
        };
        for job in parcel.remove(too_late) {
            self.fail_job(job, failure.clone());
        }
        if parcel.jobs.is_empty() {
            return self.end(parcel);
        }
        for job in &mut parcel.jobs {
            job.in_doubt |= failure.reason.is_doubtful();
        }
        self.savings.repeated();
        self.repeated = others + 1;
        parcel.repeated = true;
        parcel.last = Some(failure);
        let way = self.ways.get(parcel.way).map(|way| Rc::clone(&way.destination));
        self.parcels.insert(id, parcel);
        self.timers.insert((due, Timer::Retry(id)));
        if let Some(destination) = way {
            self.tell(Event::Repeated { namespace: Namespace(destination), wait });
        }
    }

    fn fail(&mut self, mut parcel: Parcel, failure: &Failure) {
        for job in std::mem::take(&mut parcel.jobs) {
            self.fail_job(job, failure.clone());
        }
        self.end(parcel);
    }

    /// A job that its destination has not taken: to the second one, or to its client.
    fn fail_job(&mut self, mut job: Job, failure: Failure) {
        let late = is_late(&job, self.time.monotonic);
        let Some(fallback) = job.second(failure.reason).filter(|_| !late).map(Rc::clone) else {
            let failure = job.verdict(failure);
            return self.settle(&job, Outcome::Failed(failure));
        };
        job.copy = None;
        job.in_doubt |= failure.reason.is_doubtful();
        job.fallback = None;
        job.served = Served::Fallback;
        if let Some(entity) = &fallback.entity {
            job.entity = Rc::clone(entity);
        }
        let namespace = Namespace(Rc::clone(&fallback.destination));
        self.tell(Event::FellBack { namespace });
        let way = self.way(&fallback.destination);
        self.take(job, way);
    }

    fn settle(&mut self, job: &Job, outcome: Outcome) {
        self.open = self.open.saturating_sub(1);
        let Job { stream, attempts, served, .. } = *job;
        self.tell_stream(stream, Settlement { outcome, attempts, served });
    }

    /// A parcel without jobs.
    fn end(&mut self, mut parcel: Parcel) {
        self.repeated = self.repeated.saturating_sub(usize::from(parcel.repeated));
        self.parts_on_their_way = self.parts_on_their_way.saturating_sub(usize::from(parcel.part));
        self.leave_lane(&mut parcel);
    }

    /// Lets those leave who wait for a parcel's first callout.
    fn leave_lane(&mut self, parcel: &mut Parcel) {
        if let (Some(lane), Some(lanes)) = (parcel.lane.take(), &mut self.lanes) {
            let next = lanes.ended(lane);
            self.send_new(next);
        }
    }

    fn report(&mut self, way: usize, ticket: Option<Ticket>, signal: Signal) {
        let Some(way) = self.ways.get_mut(way) else { return };
        let (Some(breaker), Some(ticket)) = (&mut way.breaker, ticket) else { return };
        let change = breaker.report(ticket, signal, self.time.monotonic, self.shared.as_ref());
        let namespace = Namespace(Rc::clone(&way.destination));
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
