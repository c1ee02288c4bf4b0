//! Requests that come in, callouts that leave, and answers that come back.

use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::delivery::StreamId;
use envoy_service_bus::exchange::{Exchange, Report, Step};
use envoy_service_bus::http::Headers;
use envoy_service_bus::http::{Callout, DispatchError, Response};
use envoy_service_bus::outcome::Reason;
use envoy_service_bus::reply::Reply;
use envoy_service_bus::route::Destination;
use envoy_service_bus::template::Attributes;

use super::breaker::{Breaker, By};
use super::broker::{self, Address, Fate, Way};
use super::common::delivery::{answer, timed_out};
use super::common::exchange::random;
use super::common::tokens::{grant, says};
use super::ledger::{Entry, History, no_session, status, throttles};
use super::setup::one_of;
use super::worker::Bytes;
use super::world::{Happening, World};

/// A callout that has left.
#[derive(Debug)]
pub(crate) struct Sent {
    send: Option<Send>,
    /// When its worker may give it up, in its own time.
    give_up: Duration,
    is_answered: bool,
    /// Whether its worker may have given it up.
    is_lost: bool,
    /// Whether its worker has.
    is_forgotten: bool,
}

#[derive(Clone, Debug)]
struct Send {
    to: Address,
    ids: Vec<u32>,
    epoch: u32,
    is_part: bool,
}

/// No request here takes more, its body aside.
const SMALL_REQUEST: usize = 1024;

impl World {
    /// A client sends something.
    pub(super) fn request(&mut self) -> (usize, StreamId) {
        self.tally.requests += 1;
        let id = u32::try_from(self.tally.requests).unwrap();
        let worker = self.rng.usize(0..self.workers.len());
        let path =
            one_of(&mut self.rng, &["/raw", "/raw", "/raw", "/made", "/made", "/other", "/status"]);
        let session = Some(self.rng.u32(0..8)).filter(|session| *session < 3);
        let large = self.rng.u32(0..1000) < self.setup.large;
        let pad = if large { self.rng.usize(40_000..130_000) } else { self.rng.usize(0..60) };
        let poison = self.rng.u8(0..30) == 0;
        let entity = one_of(&mut self.rng, &["blue", "green"]);
        let pad = "x".repeat(pad);
        let body = format!(r#"{{"n":{id},"to":"{entity}","poison":{poison},"pad":"{pad}"}}"#);
        let (id_text, session_text) = (id.to_string(), session.unwrap_or_default().to_string());
        let method = if path == "/status" { "GET" } else { "POST" };
        let mut headers = vec![
            (":method", method),
            (":authority", "api.example.com"),
            (":path", path),
            ("idempotency-key", id_text.as_str()),
        ];
        if session.is_some() {
            headers.push(("x-session", &session_text));
        }
        let headers: Headers = headers.into_iter().collect();
        let stream = StreamId(id);
        let buffer = Rc::clone(self.workers[worker].delivery.buffer());
        let before = buffer.held();
        let mut exchange = Exchange::new(Rc::clone(&self.setup.sender), buffer, random);
        let now = self.now();
        self.note(|| format!("w{worker}: {id} comes to {path}, session {session:?}"));
        if let Step::Reply(reply, report) = exchange.headers_arrived(headers) {
            return self.no_room(worker, stream, before, &reply, &report);
        }
        let sent_body = if path == "/status" { vec![] } else { body.clone().into_bytes() };
        let step = exchange.request_ended(sent_body, now, Attributes::default());
        if let Step::Reply(reply, report) = &step {
            return self.no_room(worker, stream, before, reply, report);
        }
        self.workers[worker].exchanges.insert(stream, exchange);
        let config = self.setup.sender.delivery;
        let count = self.open[worker].count;
        let held = self.workers[worker].delivery.buffered_bytes();
        let delivery = &mut self.workers[worker].delivery;
        let size = match step {
            Step::LookUp(inquiry) => {
                delivery.look_up(stream, inquiry, now);
                self.lookups.insert(id);
                Bytes::default()
            }
            Step::Send(submission) => {
                let size = Bytes::of(&submission.message);
                let first = (way(&submission.destination), submission.entity.path.clone());
                let second = submission.fallback.as_ref().map(|fallback| {
                    let entity = fallback.entity.as_ref().unwrap_or(&submission.entity);
                    (way(&fallback.destination), entity.path.clone())
                });
                delivery.submit(stream, submission, now);
                let made = format!(r#"{{"n":{id},"poison":{poison}}}"#);
                let body = if path == "/made" { made } else { body };
                let deadline = delivery.time() + config.timeout;
                let session = session.filter(|_| path == "/raw");
                let history = History::default();
                let entry = Entry { worker, body, session, first, second, deadline, size, history };
                self.ledger.open(id, entry);
                size
            }
            other => panic!("{other:?}"),
        };
        if count >= config.max_in_flight || held + size.least > config.max_buffered_bytes {
            self.too_many = Some(id);
        } else {
            self.open[worker].count += 1;
            self.open[worker].bytes += size;
        }
        self.settle_down(worker);
        assert_eq!(self.too_many, None, "taken in spite of too many others");
        (worker, stream)
    }

    /// A client hears that there is no room for its request.
    fn no_room(
        &mut self,
        worker: usize,
        stream: StreamId,
        held: usize,
        reply: &Reply,
        report: &Report,
    ) -> (usize, StreamId) {
        let reason = report.failure.as_ref().map(|failure| failure.reason);
        assert_eq!((reply.status, reason), (503, Some(Reason::Overloaded)), "{stream:?}");
        let limit = self.setup.sender.delivery.max_buffered_bytes;
        assert!(held + SMALL_REQUEST > limit, "{stream:?} is refused when {held} bytes are held");
        self.tally.told(reason);
        self.tally.no_room += 1;
        (worker, stream)
    }

    /// A worker wants a callout; whether Envoy takes it.
    pub(super) fn dispatch(&mut self, by: By, callout: Callout) -> bool {
        self.note(|| {
            let path = broker::header(&callout, ":path").unwrap();
            let own = broker::header(&callout, "brokerproperties").unwrap_or_default();
            let body = String::from_utf8_lossy(&callout.body);
            let body: String = body.chars().take(200).collect();
            let Callout { cluster, timeout, .. } = &callout;
            format!("w{}: {:?} to {cluster}{path}, {timeout:?}: {own} {body}", by.0, by.1)
        });
        match &*callout.cluster {
            "store" => self.dispatch_other(by, &callout, lookup_answer),
            "tokens" => self.dispatch_other(by, &callout, token_answer),
            _ => self.dispatch_send(by, &callout),
        }
    }

    fn dispatch_send(&mut self, by: By, callout: &Callout) -> bool {
        let now = self.workers[by.0].delivery.time();
        let (to, messages) = (broker::address(callout), broker::messages(callout));
        self.ledger.sent(by, (&to, &messages), callout, now);
        let epoch = self.breaker(&to.0).map_or(0, |breaker| breaker.sent(by, now));
        let ids = messages.iter().map(|message| message.id).collect::<Vec<_>>();
        self.tally.batches += u64::from(ids.len() > 1);
        self.budgets[by.0].sent(&ids, &to);
        let is_part = self.ledger.is_part(ids[0], &to);
        if is_part {
            let parts = self.sent.iter().filter(|(other, sent)| {
                other.0 == by.0 && !sent.is_lost && sent.send.as_ref().is_some_and(|it| it.is_part)
            });
            self.budgets[by.0].sends_part(parts.count() + 1, self.open[by.0].count);
        }
        let crowded = self.is_crowded(&callout.cluster);
        if crowded || self.broker.is_away(&callout.cluster, &mut self.rng) {
            let unknown = !crowded && self.rng.u8(0..10) == 0;
            let reason = self.reason_of_refusal(by, &callout.cluster);
            self.ledger.not_sent(&ids, reason);
            self.budgets[by.0].lost(&ids);
            if let Some(breaker) = self.breaker(&to.0) {
                breaker.not_sent(by, now);
            }
            self.refuse(by, unknown);
            return false;
        }
        let Fate { stores, answer } =
            self.broker.fate(&callout.cluster, &messages, callout.timeout, &mut self.rng);
        if stores {
            self.broker.store(&to, &messages);
        }
        self.expect(by, Some(Send { to, ids, epoch, is_part }), callout.timeout, answer);
        true
    }

    /// Whether a cluster of Envoy's has as many requests as it may.
    fn is_crowded(&self, cluster: &str) -> bool {
        let through = |sent: &&Sent| sent.send.as_ref().is_some_and(|send| send.to.0.1 == cluster);
        let count = self.sent.values().filter(through).count();
        self.setup.cluster_limit.is_some_and(|limit| count >= limit)
    }

    /// What a client is to be told whose message Envoy does not send.
    fn reason_of_refusal(&self, by: By, cluster: &str) -> Reason {
        let through = |sent: &Sent| sent.send.as_ref().is_some_and(|send| send.to.0.1 == cluster);
        let other =
            |(other, sent): (&By, &Sent)| other.0 == by.0 && through(sent) && !sent.is_forgotten;
        if self.sent.iter().any(other) { Reason::Overloaded } else { Reason::BrokerUnreachable }
    }

    fn breaker(&mut self, way: &Way) -> Option<&mut Breaker> {
        if !self.breakers.contains_key(way) {
            let breaker = Breaker::new(&self.setup.sender.delivery)?;
            self.breakers.insert(way.clone(), breaker);
        }
        self.breakers.get_mut(way)
    }

    /// A lookup, or a question for a token.
    fn dispatch_other(
        &mut self,
        by: By,
        callout: &Callout,
        fair: fn(&mut Self) -> Response,
    ) -> bool {
        if self.broker.is_away(&callout.cluster, &mut self.rng) {
            let unknown = self.rng.u8(0..10) == 0;
            self.refuse(by, unknown);
            return false;
        }
        let Fate { answer, .. } =
            self.broker.fate(&callout.cluster, &[], callout.timeout, &mut self.rng);
        let answer = answer.map(|(delay, answer)| match status(&answer) {
            Some(200 | 201) => (delay, fair(self)),
            _ => (delay, answer),
        });
        self.expect(by, None, callout.timeout, answer);
        true
    }

    fn refuse(&mut self, by: By, unknown: bool) {
        let error =
            if unknown { DispatchError::UnknownCluster } else { DispatchError::Unavailable };
        self.note(|| format!("w{}: {:?} {error:?}", by.0, by.1));
        self.tally.refused += 1;
        let now = self.now();
        self.workers[by.0].delivery.refused(by.1, error, now);
    }

    fn expect(
        &mut self,
        by: By,
        send: Option<Send>,
        timeout: Duration,
        answer: Option<(Duration, Response)>,
    ) {
        let now = self.workers[by.0].delivery.time();
        let give_up = now + timeout + Duration::from_secs(2);
        let is_answered = answer.is_some();
        if answer.as_ref().is_none_or(|(delay, _)| *delay > timeout)
            && let Some(Send { ids, .. }) = &send
        {
            self.ledger.forgotten(ids);
        }
        self.sent
            .insert(by, Sent { send, give_up, is_answered, is_lost: false, is_forgotten: false });
        let Some((delay, answer)) = answer else { return };
        if self.rng.u8(0..50) == 0 {
            let other = one_of(&mut self.rng, &[delay, delay * 2]);
            self.later(other, Happening::Answer(by, timed_out()));
        }
        self.later(delay, Happening::Answer(by, answer));
    }

    /// A callout is answered, or one that was answered before.
    pub(super) fn answer(&mut self, by: By, answer: &Response) {
        self.note(|| {
            let text = String::from_utf8_lossy(&answer.body);
            format!("w{}: {:?} is answered {:?}: {text}", by.0, by.1, status(answer))
        });
        let now = self.now();
        let Some(Sent { send, is_lost, .. }) = self.sent.remove(&by) else {
            self.tally.answered_twice += 1;
            self.workers[by.0].delivery.answered(by.1, answer.clone(), now);
            let effect = self.workers[by.0].delivery.poll();
            assert_eq!(effect, None, "an answer that comes twice");
            return self.settle_down(by.0);
        };
        if let Some(Send { to, ids, epoch, .. }) = &send {
            let steady = self.workers[by.0].delivery.time();
            self.ledger.answered(by.1, ids, to, answer, steady);
            self.budgets[by.0].ended(ids, to, self.open[by.0].count);
            let below_500 = status(answer).is_some_and(|status| status < 500);
            let healthy = below_500 || no_session(answer) || throttles(answer);
            let now = self.now().monotonic;
            if let Some(breaker) = self.breaker(&to.0) {
                if is_over_limits(answer) {
                    breaker.not_sent(by, now);
                } else if is_lost {
                    breaker.perhaps_ended(by, *epoch, healthy);
                } else {
                    breaker.ended(by, *epoch, healthy);
                }
            }
        }
        self.workers[by.0].delivery.answered(by.1, answer.clone(), now);
        self.settle_down(by.0);
        if let Some(Send { ids, .. }) = send.filter(|_| !is_lost) {
            self.ledger.rest(&ids, answer);
        }
    }

    /// A worker may now have given up callouts that Envoy has not answered.
    pub(super) fn give_up_the_forgotten(&mut self, worker: usize) {
        let now = self.workers[worker].delivery.time();
        let lost: Vec<By> = self
            .sent
            .iter()
            .filter(|(by, sent)| by.0 == worker && !sent.is_lost && sent.give_up <= now)
            .map(|(by, _)| *by)
            .collect();
        for by in lost {
            self.tally.forgotten += 1;
            let Some(sent) = self.sent.get_mut(&by) else { continue };
            sent.is_lost = true;
            if let Some(Send { ids, .. }) = sent.send.clone() {
                self.budgets[worker].lost(&ids);
            }
        }
    }

    /// A worker has given up a callout.
    pub(super) fn forget(&mut self, by: By) {
        let Some(sent) = self.sent.get_mut(&by) else { panic!("a callout that has ended") };
        assert!(sent.is_lost, "a callout that may still be answered is forgotten");
        sent.is_forgotten = true;
        if !sent.is_answered {
            self.sent.remove(&by);
        }
    }
}

/// Whether Envoy has found out late that its cluster has as many requests as it may.
pub(crate) fn is_over_limits(answer: &Response) -> bool {
    String::from_utf8_lossy(&answer.body).contains("reset reason: overflow")
}

fn way(destination: &Destination) -> Way {
    (destination.namespace.to_string(), destination.cluster.to_string())
}

fn lookup_answer(_: &mut World) -> Response {
    says("200", r#"{"status":"done"}"#)
}

fn token_answer(world: &mut World) -> Response {
    let life = one_of(&mut world.rng, &[3, 60, 3600]);
    if world.rng.u8(0..10) == 0 {
        return answer("500");
    }
    grant("a-token", world.now().wall, life)
}
