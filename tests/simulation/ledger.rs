//! The laws of a message: what was promised to its client, where it may go, how often and when.

use std::collections::BTreeMap;
use std::time::Duration;

use envoy_service_bus::delivery::AttemptId;
use envoy_service_bus::delivery::DeliveryConfig;
use envoy_service_bus::http::{Callout, Response};
use envoy_service_bus::outcome::{Failure, Outcome, Reason, SendResult, Served};

use super::broker::{Address, Broker, Received, wish};
use super::callouts::is_over_limits;
use super::worker::Bytes;

/// All messages of one life.
pub(crate) struct Ledger {
    config: DeliveryConfig,
    allow_duplicates: bool,
    entries: BTreeMap<u32, Entry>,
}

/// What is known of a message.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) worker: usize,
    /// What Service Bus must get.
    pub(crate) body: String,
    pub(crate) session: Option<u32>,
    pub(crate) first: Address,
    pub(crate) second: Option<Address>,
    /// By the monotonic clock, as all times here.
    pub(crate) deadline: Duration,
    pub(crate) size: Bytes,
    pub(crate) history: History,
}

/// What has happened to a message.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Callouts by where they went.
    callouts: BTreeMap<Address, u32>,
    /// Those that Envoy has begun.
    attempts: u32,
    on_its_way: Option<(AttemptId, Duration)>,
    /// Whether one of them may have stored it.
    in_doubt: bool,
    /// Whether Envoy has forgotten one of them.
    was_forgotten: bool,
    has_fallen_back: bool,
    /// Where it was refused in a batch, for what one of the messages is, and how many may travel
    /// together there now.
    at_most: Option<(Address, usize)>,
    /// Whether it was refused for what it is itself.
    is_refused: bool,
    /// When the broker wants it at the earliest, and which.
    not_before: Option<(Address, Duration)>,
    /// Whether the limits of a cluster have kept it here.
    over_limits: bool,
    /// What its client is to be told of the last callout that Envoy has not begun.
    refusal: Option<Reason>,
    told: Option<Outcome>,
}

const MILLISECOND: Duration = Duration::from_millis(1);
/// How often those are looked at who wait for a token, and a step of Envoy's timer.
const SLACK: Duration = Duration::from_millis(26);
/// When a callout that Envoy has forgotten is given up: after its grace, on patrol.
const GIVEN_UP: Duration = Duration::from_secs(7);
/// More than this many tokens are not tried.
const AUTH_RETRIES: u32 = 2;

impl Ledger {
    pub(crate) fn new(config: DeliveryConfig, allow_duplicates: bool) -> Self {
        Self { config, allow_duplicates, entries: BTreeMap::new() }
    }

    pub(crate) fn open(&mut self, id: u32, entry: Entry) {
        assert!(self.entries.insert(id, entry).is_none());
    }

    /// A callout leaves.
    pub(crate) fn sent(
        &mut self,
        (worker, attempt): (usize, AttemptId),
        (to, messages): (&Address, &[Received]),
        callout: &Callout,
        now: Duration,
    ) {
        let alone = messages.len() == 1;
        let most = self.config.batch.map_or(1, |batch| batch.max_messages);
        assert!((1..=most).contains(&messages.len()), "a batch of {}", messages.len());
        assert!(alone || callout.body.len() <= 256 * 1024, "{} bytes", callout.body.len());
        assert!(callout.timeout >= Duration::from_millis(1), "a timeout that Envoy has not");
        assert!(callout.timeout <= self.config.attempt_timeout, "{:?}", callout.timeout);
        let session = self.entry(messages[0].id).session;
        // In a batch, and in halves of it down to one when it was refused.
        let halvings = usize::BITS - (most - 1).leading_zeros();
        let tries = self.config.retries.max + (1 + halvings) * (1 + AUTH_RETRIES);
        let attempt_timeout = self.config.attempt_timeout;
        let allow_duplicates = self.allow_duplicates;
        let second_half = self.config.timeout - self.config.timeout / 2;
        for Received { id, body } in messages {
            let entry = self.entry(*id);
            let in_time = now + callout.timeout <= entry.deadline;
            assert!(in_time, "{id} leaves too late for its client");
            assert_eq!(entry.worker, worker, "{id} is another worker's");
            assert_eq!(&entry.body, body, "{id} has changed");
            assert_eq!(entry.session, session, "{id} travels with another session");
            assert!(!entry.is_told(), "{id} leaves after its client was told");
            entry.goes_to(*id, to, messages.len(), now, allow_duplicates);
            let half = entry.deadline - second_half;
            let takes_over = allow_duplicates && entry.second.as_ref().is_some_and(|it| it != to);
            let keeps_half = now + callout.timeout <= half || now + MILLISECOND > half;
            assert!(keeps_half || !takes_over, "{id} leaves its second destination no time");
            let own = attempt_timeout.min(entry.deadline - now);
            let half = half.saturating_sub(now);
            let own = if takes_over && half >= MILLISECOND { own.min(half) } else { own };
            assert!(callout.timeout * 2 >= own, "{id} loses its time to others: {own:?}");
            let history = &mut entry.history;
            history.attempts += 1;
            let times = history.callouts.entry(to.clone()).or_default();
            *times += 1;
            assert!(*times <= tries, "{id} leaves {times} times for {to:?}");
            history.on_its_way = Some((attempt, now + callout.timeout + Duration::from_secs(2)));
        }
    }

    /// Envoy will not answer a callout in time.
    pub(crate) fn forgotten(&mut self, ids: &[u32]) {
        for id in ids {
            self.entry(*id).history.was_forgotten = true;
        }
    }

    /// Envoy has not begun a callout.
    pub(crate) fn not_sent(&mut self, ids: &[u32], reason: Reason) {
        for id in ids {
            let history = &mut self.entry(*id).history;
            history.attempts -= 1;
            history.on_its_way = None;
            history.over_limits |= reason == Reason::Overloaded;
            history.refusal = Some(reason);
        }
    }

    /// Whether a message was refused in a batch at an address, and not by itself.
    pub(crate) fn is_part(&self, id: u32, to: &Address) -> bool {
        let history = self.entries.get(&id).map(|entry| &entry.history);
        history.and_then(|history| history.at_most.as_ref()).is_some_and(|(at, _)| at == to)
    }

    /// Whether the limits of a cluster have kept a message here.
    pub(crate) fn was_over_limits(&self, id: u32) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.history.over_limits)
    }

    /// The answer of a callout reaches the worker.
    pub(crate) fn answered(
        &mut self,
        attempt: AttemptId,
        ids: &[u32],
        to: &Address,
        answer: &Response,
        now: Duration,
    ) {
        let refusal = refusal(answer);
        for id in ids {
            let history = &mut self.entry(*id).history;
            if history.on_its_way.is_none_or(|(own, _)| own != attempt) {
                continue;
            }
            history.is_refused |= refusal == Refusal::OfContent && ids.len() == 1;
            if history.on_its_way.take().is_some_and(|(_, give_up)| give_up <= now) {
                history.in_doubt = true;
                continue;
            }
            history.in_doubt |= may_be_stored(answer);
            history.over_limits |= is_over_limits(answer);
            if refusal == Refusal::OfContent && ids.len() > 1 {
                history.at_most = Some((to.clone(), ids.len().div_ceil(2)));
            }
            history.not_before = Some((to.clone(), now + wish(answer)));
        }
    }

    /// All that an answer leads to has been done.
    pub(crate) fn rest(&mut self, ids: &[u32], answer: &Response) {
        let refusal = refusal(answer);
        let ends = match refusal {
            Refusal::None => is_accepted(answer),
            Refusal::OfContent => ids.len() == 1,
            Refusal::OfAll => true,
        };
        for id in ids.iter().filter(|_| ends) {
            assert!(self.entry(*id).is_told(), "{id} is not done with: {answer:?}");
        }
    }

    /// A client hears of its message. Worker and size of the message.
    pub(crate) fn settled(
        &mut self,
        id: u32,
        settlement: &SendResult,
        broker: &Broker,
        now: Duration,
        is_one_too_many: bool,
    ) -> (usize, Bytes) {
        let allow_duplicates = self.allow_duplicates;
        let late = self.is_late(id, now);
        let taken = !is_one_too_many;
        let entry = self.entry(id);
        assert!(!entry.is_told(), "{id} is told twice");
        let SendResult { outcome, attempts, served } = settlement;
        assert_eq!(*attempts, entry.history.attempts, "attempts of {id}");
        let forgotten = if entry.history.was_forgotten { GIVEN_UP } else { Duration::ZERO };
        let in_time = now <= entry.deadline + forgotten + SLACK;
        assert!(in_time, "{id} is told at {now:?}: {entry:?}");
        match outcome {
            Outcome::Accepted => {
                let at = entry.destination(*served);
                assert!(broker.has(at, id), "{id} is accepted, and not stored at {at:?}");
            }
            Outcome::Failed(failure) => {
                let known = entry.history.in_doubt || entry.history.on_its_way.is_some();
                let doubtful = failure.reason.is_doubtful();
                assert!(known || !doubtful, "{id} is in doubt for nothing: {failure:?}");
                if failure.cause.starts_with("cluster ") && !entry.history.in_doubt {
                    let expected = entry.history.refusal.unwrap_or(failure.reason);
                    let known = [expected, Reason::Misconfigured].contains(&failure.reason);
                    assert!(known, "{id} is told {failure:?}");
                }
                let refused =
                    matches!(failure.reason, Reason::MessageRejected | Reason::PayloadTooLarge);
                assert!(!refused || entry.history.is_refused, "{id} is refused for another");
                let stays = late || *served == Served::Fallback || entry.second.is_none();
                let goes = leads_elsewhere(failure, allow_duplicates);
                let stays = stays || !taken;
                assert!(stays || !goes, "{id} should have fallen back: {failure:?}");
            }
            Outcome::Found(_) => panic!("{id} is a message"),
        }
        entry.history.told = Some(outcome.clone());
        (entry.worker, entry.size)
    }

    pub(crate) fn destination(&self, id: u32, served: Served) -> &Address {
        self.entries[&id].destination(served)
    }

    /// Whether there is no time left to send a message.
    pub(crate) fn is_late(&self, id: u32, now: Duration) -> bool {
        self.entries.get(&id).is_some_and(|entry| now + MILLISECOND > entry.deadline)
    }

    /// Nothing more will happen.
    pub(crate) fn close(&self, broker: &Broker) {
        for (id, entry) in &self.entries {
            let Some(told) = &entry.history.told else { panic!("{id} is never told") };
            let places = [Some(&entry.first), entry.second.as_ref()];
            let stored = places.into_iter().flatten().any(|place| broker.has(place, *id));
            if let Outcome::Failed(failure) = told
                && !failure.reason.is_doubtful()
            {
                assert!(!stored, "{id} is stored, and its client was told {failure:?}");
            }
        }
    }

    fn entry(&mut self, id: u32) -> &mut Entry {
        self.entries.get_mut(&id).unwrap_or_else(|| panic!("nobody has sent a message {id}"))
    }
}

impl Entry {
    fn destination(&self, served: Served) -> &Address {
        match served {
            Served::Primary => &self.first,
            Served::Fallback => self.second.as_ref().unwrap(),
        }
    }

    fn is_told(&self) -> bool {
        self.history.told.is_some()
    }

    fn goes_to(
        &mut self,
        id: u32,
        to: &Address,
        together: usize,
        now: Duration,
        allow_duplicates: bool,
    ) {
        let history = &mut self.history;
        if let Some((_, give_up)) = history.on_its_way.take() {
            assert!(give_up <= now, "{id} leaves twice at once");
            history.in_doubt = true;
        }
        if *to == self.first {
            assert!(!history.has_fallen_back, "{id} goes back");
        } else {
            assert_eq!(Some(to), self.second.as_ref(), "{id} goes astray");
            let may = allow_duplicates || history.has_fallen_back || !history.in_doubt;
            assert!(may, "{id} may be stored, and falls back");
            history.has_fallen_back = true;
        }
        if let Some((at, most)) = &history.at_most {
            assert!(at != to || together <= *most, "{id} was refused in a batch");
        }
        if let Some((at, time)) = &history.not_before {
            assert!(at != to || *time <= now, "{id} leaves before the broker wants it");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    None,
    /// Perhaps for one message of a batch.
    OfContent,
    OfAll,
}

/// Whether a failure is one that leads to the second destination. An earlier send may be the one in
/// doubt; what the last has met stands in the cause.
fn leads_elsewhere(failure: &Failure, allow_duplicates: bool) -> bool {
    let last = failure.cause.split_once("the last: ").and_then(|(_, last)| last.split_once(':'));
    let last = last.map_or(failure.reason.as_str(), |(last, _)| last);
    let elsewhere = [
        Reason::BrokerError,
        Reason::BrokerUnreachable,
        Reason::CircuitOpen,
        Reason::OutcomeUnknown,
        Reason::Overloaded,
        Reason::Throttled,
    ];
    let elsewhere = elsewhere.iter().any(|reason| reason.as_str() == last);
    elsewhere && (allow_duplicates || !failure.reason.is_doubtful())
}

/// The broker's status; Envoy's own answers have none.
pub(crate) fn status(answer: &Response) -> Option<u16> {
    answer.headers.first("x-envoy-upstream-service-time")?;
    answer.headers.first_text(":status")?.parse().ok()
}

fn is_accepted(answer: &Response) -> bool {
    status(answer) == Some(201)
}

fn refusal(answer: &Response) -> Refusal {
    let exceeds = String::from_utf8_lossy(&answer.body).contains("exceeds the limit");
    match status(answer) {
        Some(400 | 413) => Refusal::OfContent,
        Some(403) if exceeds => Refusal::OfContent,
        Some(500) if no_session(answer) => Refusal::OfContent,
        Some(403 | 404 | 410) => Refusal::OfAll,
        _ => Refusal::None,
    }
}

/// Whether the broker itself says that it is too busy.
pub(crate) fn throttles(answer: &Response) -> bool {
    let body = String::from_utf8_lossy(&answer.body);
    body.contains("50009") || (status(answer) == Some(503) && body.contains("TrackingId:"))
}

/// Whether a message lacks the session that its entity needs.
pub(crate) fn no_session(answer: &Response) -> bool {
    String::from_utf8_lossy(&answer.body).contains("SessionId was not set")
}

fn may_be_stored(answer: &Response) -> bool {
    let body = String::from_utf8_lossy(&answer.body);
    match status(answer) {
        Some(408) => true,
        Some(400..=499) => false,
        // What the broker itself has written says so for certain, what a proxy says does not.
        Some(503) => !body.contains("TrackingId:"),
        Some(_) => !body.contains("50009") && !no_session(answer),
        None => !body.contains("remote connection failure") && !is_over_limits(answer),
    }
}
