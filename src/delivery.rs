//! One worker's sending. It outlives requests: a client may leave while its message is on its way.
//!
//! Events are methods, effects come out of [`Delivery::poll`], which is called after each event
//! until it returns `None`. When [`Delivery::wake`] says so, [`Delivery::tick`] is an event too.
//!
//! ```text
//! submit -> lane -> parcel -> token -> breaker -> callout -> verdict -> settle
//!                     ^                                         |
//!                     +---- retry, fresh token, second way -----+
//! ```

mod alarm;
mod breaker;
mod broker_error;
mod callout;
mod config;
mod event;
mod lane;
mod parcel;
mod retry;
mod sender;
mod sending;
mod tokens;
mod verdict;
mod way;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;

pub use alarm::Alarm;
pub use callout::Inquiry;
pub use config::{BatchConfig, BreakerConfig, DeliveryConfig, RetryConfig};
pub use event::Event;
pub use sender::{Gate, HeaderMode, Sender};

use crate::buffer::{Buffer, Share};
use crate::http::{Answer, Callout, DispatchError};
use crate::limits;
use crate::message::Entity;
use crate::message::Outgoing;
use crate::outcome::{Failure, Outcome, Reason, Served, Settlement};
use crate::route::{Destination, Fallback};
use crate::shared::Shared;
use crate::time::Time;
use breaker::Ticket;
use lane::{LaneId, Lanes};
use parcel::{Job, Parcels};
use retry::Savings;
use way::Way;

/// A request, by Envoy's id of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// One callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptId(u64);

/// What travels together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ParcelId(u64);

/// A message to send.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Namespace, cluster and credentials.
    pub destination: Rc<Destination>,
    /// Queue or topic.
    pub entity: Rc<Entity>,
    /// What goes there.
    pub message: Outgoing,
    /// Where it goes when it cannot go there.
    pub fallback: Option<Rc<Fallback>>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make a callout; answer with `refused` or, in the end, `answered`. The event is for log and
    /// metrics if Envoy takes it.
    Dispatch(AttemptId, Callout, Option<Event>),
    /// Envoy was to answer a callout and has not: what still comes of it is of no use.
    Forget(AttemptId),
    /// Tell a request what became of its message.
    Settle(StreamId, Settlement),
    /// For log and metrics.
    Tell(Event),
}

/// One worker's messages on their way.
#[derive(Debug)]
pub struct Delivery {
    sender: Rc<Sender>,
    shared: Rc<dyn Shared>,
    rng: Rng,
    time: Time,
    ways: Vec<Way>,
    lanes: Option<Lanes>,
    parcels: Parcels,
    attempts: BTreeMap<AttemptId, Attempt>,
    timers: BTreeSet<(Duration, Timer)>,
    /// When callouts are looked through for those that Envoy has forgotten.
    patrol: Option<Duration>,
    last_id: u64,
    /// Messages and lookups that are not settled.
    open: usize,
    /// Bytes of those messages, copies in batches included, and of all requests.
    buffer: Rc<Buffer>,
    /// Parcels that are sent again.
    repeated: usize,
    savings: Savings,
    /// Parts of refused batches that wait for their turn.
    parts: BTreeSet<ParcelId>,
    /// Parts of refused batches that are being sent.
    parts_on_their_way: usize,
    effects: VecDeque<Effect>,
}

/// A callout on its way.
#[derive(Debug)]
struct Attempt {
    purpose: Purpose,
    /// When even Envoy's timeout is over.
    give_up: Duration,
}

#[derive(Debug)]
enum Purpose {
    Lookup { stream: StreamId, cluster: Rc<str> },
    Send { parcel: ParcelId, ticket: Option<Ticket>, stamp: Option<crate::credentials::Stamp> },
    Token { way: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Lane(LaneId),
    Retry(ParcelId),
    Part(ParcelId),
}

/// How long after its timeout a callout may still be answered.
const GRACE: Duration = Duration::from_secs(2);
/// How often forgotten callouts are looked for.
const PATROL: Duration = Duration::from_secs(5);

impl Delivery {
    /// Nothing on its way yet. `seed` makes the waits between retries random.
    pub fn new(sender: Rc<Sender>, shared: Rc<dyn Shared>, seed: u64) -> Self {
        let most_bytes = limits::message_bytes(sender.max_body_bytes);
        let buffered = sender.delivery.max_buffered_bytes;
        let ways =
            sender.destinations().iter().map(|one| Way::new(one, &sender.delivery)).collect();
        Self {
            lanes: sender.delivery.batch.map(|batch| Lanes::new(batch, most_bytes)),
            sender,
            shared,
            rng: Rng::with_seed(seed),
            time: Time::default(),
            ways,
            parcels: BTreeMap::new(),
            attempts: BTreeMap::new(),
            timers: BTreeSet::new(),
            patrol: None,
            last_id: 0,
            open: 0,
            buffer: Buffer::new(buffered),
            repeated: 0,
            savings: Savings::new(),
            parts: BTreeSet::new(),
            parts_on_their_way: 0,
            effects: VecDeque::new(),
        }
    }

    /// Takes a message; its stream hears of it in one `Settle`.
    pub fn submit(&mut self, stream: StreamId, submission: Submission, now: Time) {
        self.time = now;
        let Submission { destination, entity, message, fallback } = submission;
        let Some(share) = self.room(stream, message.size()) else { return };
        self.open += 1;
        let timeout = self.sender.delivery.timeout;
        let job = Job {
            stream,
            message,
            share,
            copy: None,
            deadline: self.time.monotonic.saturating_add(timeout),
            halfway: self.time.monotonic.saturating_add(timeout / 2),
            attempts: 0,
            in_doubt: false,
            entity,
            fallback,
            served: Served::Primary,
        };
        let way = self.way(&destination);
        self.take(job, way);
    }

    /// Takes a lookup; its stream hears of it in one `Settle`.
    pub fn inquire(&mut self, stream: StreamId, inquiry: Inquiry, now: Time) {
        self.time = now;
        if self.room(stream, 0).is_none() {
            return;
        }
        self.open += 1;
        let purpose = Purpose::Lookup { stream, cluster: Rc::clone(&inquiry.cluster) };
        self.dispatch(purpose, inquiry.callout(), None);
    }

    /// Room for one more message or lookup, or else its stream hears that there is none.
    fn room(&mut self, stream: StreamId, size: usize) -> Option<Share> {
        let most = self.sender.delivery.max_in_flight;
        let cause = if self.open >= most {
            format!("{most} messages are on their way")
        } else if let Some(share) = self.buffer.reserve(size) {
            return Some(share);
        } else {
            format!("requests and messages of {} bytes are held", self.buffer.held())
        };
        self.tell_stream(
            stream,
            Settlement {
                outcome: Outcome::Failed(Failure::new(Reason::Overloaded, cause)),
                attempts: 0,
                served: Served::Primary,
            },
        );
        None
    }

    /// Envoy did not start a callout: nothing was sent.
    pub fn refused(&mut self, attempt: AttemptId, error: DispatchError, now: Time) {
        self.time = now;
        let Some(Attempt { purpose, .. }) = self.attempts.remove(&attempt) else { return };
        match purpose {
            Purpose::Lookup { stream, cluster } => {
                let failure = error.failure(&cluster, Reason::LookupUnavailable);
                self.settle_lookup(stream, Outcome::Failed(failure));
            }
            Purpose::Send { parcel, ticket, .. } => {
                self.send_refused(attempt, parcel, ticket, error);
            }
            Purpose::Token { way } => self.token_refused(way, error),
        }
        self.send_parts();
    }

    /// A callout ended.
    pub fn answered(&mut self, attempt: AttemptId, answer: Answer, now: Time) {
        self.time = now;
        let Some(Attempt { purpose, .. }) = self.attempts.remove(&attempt) else { return };
        self.conclude(purpose, answer);
        self.send_parts();
    }

    fn conclude(&mut self, purpose: Purpose, answer: Answer) {
        match purpose {
            Purpose::Lookup { stream, .. } => self.settle_lookup(stream, answer.found()),
            Purpose::Send { parcel, ticket, stamp } => {
                self.send_answered(parcel, ticket, stamp, &answer);
            }
            Purpose::Token { way } => self.token_answered(way, &answer),
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Time) {
        self.time = now;
        self.renew_tokens();
        while let Some(&(due, timer)) = self.timers.first()
            && due <= self.time.monotonic
        {
            self.timers.pop_first();
            match timer {
                Timer::Retry(parcel) => self.send(parcel),
                Timer::Part(part) => self.expire_part(part),
                Timer::Lane(lane) => {
                    let now = self.time.monotonic;
                    let parcel = self.lanes.as_mut().and_then(|lanes| lanes.lingered(lane, now));
                    self.send_new(parcel);
                }
            }
        }
        if self.patrol.is_some_and(|patrol| patrol <= self.time.monotonic) {
            self.give_up_the_forgotten();
        }
        self.send_parts();
    }

    /// An answer that Envoy does not bring would keep its client waiting for ever.
    fn give_up_the_forgotten(&mut self) {
        let now = self.time.monotonic;
        let forgotten = |attempt: &Attempt| attempt.give_up <= now;
        let ids: Vec<_> =
            self.attempts.iter().filter(|(_, a)| forgotten(a)).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(Attempt { mut purpose, .. }) = self.attempts.remove(&id) {
                self.effects.push_back(Effect::Forget(id));
                // It tells the breaker nothing: it is Envoy that failed. A probe's time is over by
                // now, and another may take its place.
                if let Purpose::Send { ticket, .. } = &mut purpose {
                    *ticket = None;
                }
                self.conclude(purpose, Answer::default());
            }
        }
        self.patrol = (!self.attempts.is_empty()).then(|| now.saturating_add(PATROL));
    }

    /// In how long [`Delivery::tick`] is to be called; `None` when nothing waits.
    pub fn wake(&self) -> Option<Duration> {
        let now = self.time.monotonic;
        let timer = self.timers.first().map(|(due, _)| *due);
        let own = timer.into_iter().chain(self.patrol).map(|due| due.saturating_sub(now));
        let ways = self.ways.iter().filter_map(|way| way.wake(self.time));
        own.chain(ways).min()
    }

    /// The monotonic time that [`Delivery::wake`] counts from.
    pub fn time(&self) -> Duration {
        self.time.monotonic
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Messages and lookups that are not settled.
    pub fn in_flight(&self) -> usize {
        self.open
    }

    /// What this worker holds of requests and messages.
    pub fn buffer(&self) -> &Rc<Buffer> {
        &self.buffer
    }

    /// Bytes of the requests that are held, and of the messages that are not settled.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.held()
    }

    /// Whether nothing is on its way but tokens.
    pub fn is_quiet(&self) -> bool {
        let lanes = self.lanes.as_ref().is_none_or(Lanes::is_empty);
        self.open == 0 && self.parcels.is_empty() && self.repeated == 0 && lanes
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn dispatch(&mut self, purpose: Purpose, callout: Callout, taken: Option<Event>) {
        let give_up = self.time.monotonic.saturating_add(callout.timeout).saturating_add(GRACE);
        let id = AttemptId(self.next_id());
        self.attempts.insert(id, Attempt { purpose, give_up });
        self.patrol.get_or_insert(self.time.monotonic.saturating_add(PATROL));
        self.effects.push_back(Effect::Dispatch(id, callout, taken));
    }

    fn settle_lookup(&mut self, stream: StreamId, outcome: Outcome) {
        self.open = self.open.saturating_sub(1);
        self.tell_stream(stream, Settlement { outcome, attempts: 1, served: Served::Primary });
    }

    fn tell_stream(&mut self, stream: StreamId, settlement: Settlement) {
        self.effects.push_back(Effect::Settle(stream, settlement));
    }

    fn tell(&mut self, event: Event) {
        self.effects.push_back(Effect::Tell(event));
    }
}
