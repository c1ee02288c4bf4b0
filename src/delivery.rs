//! One worker's sending. It outlives requests: a client may leave while its message is in flight.
//!
//! Events are methods, effects come out of [`Delivery::poll`], which is called after each event
//! until it returns `None`. When [`Delivery::wake`] says so, [`Delivery::tick`] is an event too.
//!
//! ```text
//! submit -> group -> outbound request -> token -> breaker -> callout -> classification -> settle
//!                     ^                                         |
//!                     +---- retry, fresh token, second destination -----+
//! ```

mod attempts;
mod batcher;
mod breaker;
mod broker_error;
mod callout;
mod classify;
mod config;
mod destination_state;
mod event;
mod outbound;
mod parts;
mod retry;
mod sender;
mod sending;
mod tick_timer;
mod tokens;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;

pub use callout::LookupRequest;
pub use config::{BatchConfig, BreakerConfig, DeliveryConfig, RetryConfig};
pub use event::Event;
pub use sender::{Gate, HeaderMode, Sender};
pub use tick_timer::TickTimer;

use crate::buffer::{Buffer, Share};
use crate::http::Callout;
use crate::limits;
use crate::message::Entity;
use crate::message::Outgoing;
use crate::outcome::{Failure, Outcome, Reason, SendResult, Served};
use crate::route::{Destination, Fallback};
use crate::shared::Shared;
use crate::time::Time;
use attempts::{Attempt, Purpose};
use batcher::{Batcher, GroupId};
use destination_state::DestinationState;
use outbound::{OutboundRequests, PendingMessage};
use retry::Savings;

/// A request, by Envoy's id of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// One callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptId(u64);

/// What travels together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OutboundId(u64);

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
    Finish(StreamId, SendResult),
    /// For log and metrics.
    Tell(Event),
}

/// One worker's messages in flight.
#[derive(Debug)]
pub struct Delivery {
    sender: Rc<Sender>,
    shared: Rc<dyn Shared>,
    rng: Rng,
    time: Time,
    states: Vec<DestinationState>,
    batcher: Option<Batcher>,
    outbound: OutboundRequests,
    attempts: BTreeMap<AttemptId, Attempt>,
    timers: BTreeSet<(Duration, Timer)>,
    /// When callouts are looked through for those that Envoy has forgotten.
    sweep: Option<Duration>,
    last_id: u64,
    /// Messages and lookups that are not settled.
    open: usize,
    /// Bytes of those messages, copies in batches included, and of all requests.
    buffer: Rc<Buffer>,
    /// OutboundRequests that are sent again.
    repeated: usize,
    savings: Savings,
    /// Parts of refused batches that wait for their turn.
    parts: BTreeSet<OutboundId>,
    /// Parts of refused batches that are being sent.
    parts_on_their_way: usize,
    effects: VecDeque<Effect>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Group(GroupId),
    Retry(OutboundId),
    Part(OutboundId),
}

impl Delivery {
    /// Nothing in flight yet. `seed` makes the waits between retries random.
    pub fn new(sender: Rc<Sender>, shared: Rc<dyn Shared>, seed: u64) -> Self {
        let most_bytes = limits::message_bytes(sender.max_body_bytes);
        let buffered = sender.delivery.max_buffered_bytes;
        let states = sender
            .destinations()
            .iter()
            .map(|one| DestinationState::new(one, &sender.delivery))
            .collect();
        Self {
            batcher: sender.delivery.batch.map(|batch| Batcher::new(batch, most_bytes)),
            sender,
            shared,
            rng: Rng::with_seed(seed),
            time: Time::default(),
            states,
            outbound: BTreeMap::new(),
            attempts: BTreeMap::new(),
            timers: BTreeSet::new(),
            sweep: None,
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

    /// Takes a message; its stream hears of it in one `Finish`.
    pub fn submit(&mut self, stream: StreamId, submission: Submission, now: Time) {
        self.time = now;
        let Submission { destination, entity, message, fallback } = submission;
        let Some(share) = self.room(stream, message.size()) else { return };
        self.open += 1;
        let timeout = self.sender.delivery.timeout;
        let pending = PendingMessage {
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
        let state = self.state(&destination);
        self.take(pending, state);
    }

    /// Takes a lookup; its stream hears of it in one `Finish`.
    pub fn look_up(&mut self, stream: StreamId, inquiry: LookupRequest, now: Time) {
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
            format!("{most} messages are in flight")
        } else if let Some(share) = self.buffer.reserve(size) {
            return Some(share);
        } else {
            format!("requests and messages of {} bytes are held", self.buffer.held())
        };
        self.tell_stream(
            stream,
            SendResult {
                outcome: Outcome::Failed(Failure::new(Reason::Overloaded, cause)),
                attempts: 0,
                served: Served::Primary,
            },
        );
        None
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
                Timer::Retry(request) => self.send(request),
                Timer::Part(part) => self.expire_part(part),
                Timer::Group(group) => {
                    let now = self.time.monotonic;
                    let request =
                        self.batcher.as_mut().and_then(|batcher| batcher.lingered(group, now));
                    self.send_new(request);
                }
            }
        }
        if self.sweep.is_some_and(|sweep| sweep <= self.time.monotonic) {
            self.give_up_unanswered();
        }
        self.send_parts();
    }

    /// In how long [`Delivery::tick`] is to be called; `None` when nothing waits.
    pub fn wake(&self) -> Option<Duration> {
        let now = self.time.monotonic;
        let timer = self.timers.first().map(|(due, _)| *due);
        let own = timer.into_iter().chain(self.sweep).map(|due| due.saturating_sub(now));
        let states = self.states.iter().filter_map(|state| state.wake(self.time));
        own.chain(states).min()
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

    /// Whether nothing is in flight but tokens.
    pub fn is_quiet(&self) -> bool {
        let batcher = self.batcher.as_ref().is_none_or(Batcher::is_empty);
        self.open == 0 && self.outbound.is_empty() && self.repeated == 0 && batcher
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn tell_stream(&mut self, stream: StreamId, settlement: SendResult) {
        self.effects.push_back(Effect::Finish(stream, settlement));
    }

    fn tell(&mut self, event: Event) {
        self.effects.push_back(Effect::Tell(event));
    }
}
