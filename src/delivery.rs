//! One worker's sending. It outlives requests: a client may leave while its message is on its way.
//!
//! Events are methods, effects come out of [`Delivery::poll`], which is called after each event
//! until it returns `None`.

mod verdict;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

pub use verdict::Answer;

use crate::config::{Destination, Entity, Sender};
use crate::credentials::Tokens;
use crate::message::Packed;
use crate::reply::{Failure, Outcome, Reason};

/// A request, by Envoy's id of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// One callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptId(u64);

/// A message to send.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Namespace, cluster and credentials.
    pub destination: Rc<Destination>,
    /// Queue or topic.
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
    /// How much of the answer's body is needed.
    pub answer_bytes: usize,
}

/// A GET whose answer a client waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// Envoy cluster.
    pub cluster: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`.
    pub path: String,
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
#[derive(Clone, Debug, PartialEq)]
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
    /// Few enough to be looked through.
    tokens: Vec<(Rc<Destination>, Tokens)>,
    in_flight: BTreeMap<AttemptId, Attempt>,
    last_attempt: u64,
    effects: VecDeque<Effect>,
}

#[derive(Debug)]
struct Attempt {
    stream: StreamId,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    Lookup { cluster: String },
    Send { destination: Rc<Destination>, entity: Entity },
}

/// Errors of Service Bus are short.
const ERROR_BYTES: usize = 2 * 1024;
/// Longest answer of a lookup.
const FOUND_BYTES: usize = 1024 * 1024;

impl Delivery {
    /// Nothing on its way yet.
    pub fn new(sender: Rc<Sender>) -> Self {
        Self {
            sender,
            tokens: vec![],
            in_flight: BTreeMap::new(),
            last_attempt: 0,
            effects: VecDeque::new(),
        }
    }

    /// Takes a message; its stream hears of it in one `Settle`.
    pub fn submit(&mut self, stream: StreamId, submission: Submission, now: Duration) {
        if self.is_full(stream) {
            return;
        }
        let Submission { destination, entity, packed } = submission;
        let headers = self.headers(&destination, &entity, &packed, now);
        let callout = Callout {
            cluster: destination.cluster.clone(),
            headers: headers.into_iter().chain(packed.headers).collect(),
            body: packed.body,
            timeout: self.sender.delivery.callout_timeout(),
            answer_bytes: ERROR_BYTES,
        };
        self.dispatch(Attempt { stream, purpose: Purpose::Send { destination, entity } }, callout);
    }

    /// Takes a lookup; its stream hears of it in one `Settle`.
    pub fn inquire(&mut self, stream: StreamId, inquiry: Inquiry) {
        if self.is_full(stream) {
            return;
        }
        let Inquiry { cluster, authority, path, timeout } = inquiry;
        let headers = [
            (":method", "GET"),
            (":path", path.as_str()),
            (":authority", authority.as_str()),
            (":scheme", "https"),
            ("accept", "application/json"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let purpose = Purpose::Lookup { cluster: cluster.clone() };
        let callout =
            Callout { cluster, headers, body: vec![], timeout, answer_bytes: FOUND_BYTES };
        self.dispatch(Attempt { stream, purpose }, callout);
    }

    fn is_full(&mut self, stream: StreamId) -> bool {
        let limit = self.sender.delivery.max_in_flight;
        let full = self.in_flight.len() >= limit;
        if full {
            let cause = format!("{limit} callouts are on their way");
            self.settle(stream, Outcome::Failed(Failure::new(Reason::Overloaded, cause)));
        }
        full
    }

    fn dispatch(&mut self, attempt: Attempt, callout: Callout) {
        self.last_attempt += 1;
        let id = AttemptId(self.last_attempt);
        self.in_flight.insert(id, attempt);
        self.effects.push_back(Effect::Dispatch(id, callout));
    }

    fn headers(
        &mut self,
        destination: &Rc<Destination>,
        entity: &Entity,
        packed: &Packed,
        now: Duration,
    ) -> Vec<(String, String)> {
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
        if let Some(tokens) = self.tokens(destination) {
            let Destination { credentials, namespace, .. } = destination.as_ref();
            if let Some(token) = tokens.authorization(credentials, namespace, &entity.path, now) {
                add("authorization", token);
            }
        }
        headers
    }

    fn tokens(&mut self, destination: &Rc<Destination>) -> Option<&mut Tokens> {
        let known = self.tokens.iter().position(|(other, _)| Rc::ptr_eq(other, destination));
        let index = known.unwrap_or_else(|| {
            self.tokens.push((Rc::clone(destination), Tokens::default()));
            self.tokens.len() - 1
        });
        self.tokens.get_mut(index).map(|(_, tokens)| tokens)
    }

    /// Envoy did not start a callout: nothing was sent.
    pub fn refused(&mut self, attempt: AttemptId, error: DispatchError) {
        let Some(Attempt { stream, purpose }) = self.in_flight.remove(&attempt) else { return };
        let (cluster, unavailable) = match &purpose {
            Purpose::Lookup { cluster } => (cluster, Reason::LookupUnavailable),
            Purpose::Send { destination, .. } => (&destination.cluster, Reason::BrokerUnreachable),
        };
        let failure = match error {
            DispatchError::UnknownCluster => Failure::new(
                Reason::Misconfigured,
                format!("Envoy knows no cluster {cluster:?} or refused the callout's headers"),
            ),
            DispatchError::Unavailable => Failure::new(
                unavailable,
                format!("cluster {cluster:?} has no healthy host or too many requests"),
            ),
        };
        self.settle(stream, Outcome::Failed(failure));
    }

    /// A callout ended.
    pub fn answered(&mut self, attempt: AttemptId, answer: Answer) {
        let Some(Attempt { stream, purpose }) = self.in_flight.remove(&attempt) else { return };
        let outcome = match purpose {
            Purpose::Lookup { .. } => answer.found(),
            Purpose::Send { destination, entity } => {
                let outcome = answer.outcome();
                if let Outcome::Failed(Failure { reason: Reason::BrokerUnauthorized, .. }) =
                    &outcome
                    && let Some(tokens) = self.tokens(&destination)
                {
                    tokens.forget(&entity.path);
                }
                outcome
            }
        };
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
