//! One worker's sending. It outlives requests: a client may leave while its message is on its way.
//!
//! Events are methods, effects come out of [`Delivery::poll`], which is called after each event
//! until it returns `None`.

mod verdict;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

pub use verdict::Answer;

use crate::config::{Entity, Sender};
use crate::credentials::{Credentials, Tokens};
use crate::message::Packed;
use crate::reply::{Failure, Outcome, Reason};

/// A request, by Envoy's id of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// One callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptId(u64);

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Where it goes.
    pub entity: Entity,
    /// What goes there.
    pub packed: Packed,
}

/// An HTTP request for Envoy to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callout {
    /// Envoy's name of the upstream.
    pub cluster: String,
    /// Pseudo-headers included.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Vec<u8>,
    /// When Envoy is to give up.
    pub timeout: Duration,
}

/// Why Envoy did not start a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DispatchError {
    /// There is no such cluster.
    UnknownCluster,
    /// The cluster has no healthy host, or its circuit breaker is open.
    Unavailable,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make a callout; answer with `refused` or, in the end, `answered`.
    Dispatch(AttemptId, Callout),
    /// Tell a request what became of its message.
    Settle(StreamId, Outcome),
}

/// One worker's messages on their way.
#[derive(Debug)]
pub struct Delivery {
    sender: Rc<Sender>,
    tokens: Tokens,
    in_flight: BTreeMap<AttemptId, Attempt>,
    last_attempt: u64,
    effects: VecDeque<Effect>,
}

#[derive(Debug)]
struct Attempt {
    stream: StreamId,
    entity: Entity,
}

impl Delivery {
    /// Nothing on its way yet.
    pub fn new(sender: Rc<Sender>) -> Self {
        Self {
            sender,
            tokens: Tokens::default(),
            in_flight: BTreeMap::new(),
            last_attempt: 0,
            effects: VecDeque::new(),
        }
    }

    /// Takes a message; its stream hears of it in one `Settle`.
    pub fn submit(&mut self, stream: StreamId, submission: Submission, now: Duration) {
        let limit = self.sender.delivery.max_in_flight;
        if self.in_flight.len() >= limit {
            let cause = format!("{limit} messages are on their way");
            self.settle(stream, Outcome::Failed(Failure::new(Reason::Overloaded, cause)));
            return;
        }
        let Submission { entity, packed } = submission;
        let headers = self.headers(&entity, &packed, now);
        let callout = Callout {
            cluster: self.sender.destination.cluster.clone(),
            headers: headers.into_iter().chain(packed.headers).collect(),
            body: packed.body,
            timeout: self.sender.delivery.callout_timeout(),
        };
        self.last_attempt += 1;
        let attempt = AttemptId(self.last_attempt);
        self.in_flight.insert(attempt, Attempt { stream, entity });
        self.effects.push_back(Effect::Dispatch(attempt, callout));
    }

    fn headers(
        &mut self,
        entity: &Entity,
        packed: &Packed,
        now: Duration,
    ) -> Vec<(String, String)> {
        let destination = &self.sender.destination;
        let mut headers = Vec::with_capacity(packed.headers.len() + 6);
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        add(":method", "POST");
        add(":path", &entity.messages_path);
        add(":authority", &destination.namespace);
        add(":scheme", "https");
        // Envoy sets it for a body only, and Service Bus needs it for each POST.
        if packed.body.is_empty() {
            add("content-length", "0");
        }
        let token = self.tokens.authorization(
            &destination.credentials,
            &destination.namespace,
            &entity.path,
            now,
        );
        if let Some(token) = token {
            add("authorization", token);
        }
        headers
    }

    /// Envoy did not start a callout: nothing was sent.
    pub fn refused(&mut self, attempt: AttemptId, error: DispatchError) {
        let cluster = &self.sender.destination.cluster;
        let failure = match error {
            DispatchError::UnknownCluster => Failure::new(
                Reason::Misconfigured,
                format!("Envoy knows no cluster {cluster:?} or refused the callout's headers"),
            ),
            DispatchError::Unavailable => Failure::new(
                Reason::BrokerUnreachable,
                format!("cluster {cluster:?} has no healthy host or too many requests"),
            ),
        };
        if let Some(Attempt { stream, .. }) = self.in_flight.remove(&attempt) {
            self.settle(stream, Outcome::Failed(failure));
        }
    }

    /// A callout ended.
    pub fn answered(&mut self, attempt: AttemptId, answer: &Answer) {
        let Some(Attempt { stream, entity }) = self.in_flight.remove(&attempt) else { return };
        let outcome = answer.outcome();
        if let Outcome::Failed(Failure { reason: Reason::BrokerUnauthorized, .. }) = &outcome
            && let Credentials::Sas { .. } = self.sender.destination.credentials
        {
            self.tokens.forget(&entity.path);
        }
        self.settle(stream, outcome);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Callouts on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    fn settle(&mut self, stream: StreamId, outcome: Outcome) {
        self.effects.push_back(Effect::Settle(stream, outcome));
    }
}
