//! What travels in one callout: a message by itself, or several as a batch.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::StreamId;
use super::batcher::GroupId;
use crate::buffer::Share;
use crate::credentials::TokenId;
use crate::http::Header;
use crate::message::Entity;
use crate::message::{Outgoing, batch_headers};
use crate::outcome::{Failure, Reason, Served};
use crate::route::Fallback;

/// A message with what its client was promised.
#[derive(Debug)]
pub(super) struct PendingMessage {
    pub(super) stream: StreamId,
    pub(super) message: Outgoing,
    /// What it takes of its worker's buffer.
    #[expect(dead_code, reason = "given back when it is dropped")]
    pub(super) share: Share,
    /// What its copy in the array of a batch takes.
    pub(super) copy: Option<Share>,
    /// When its client has waited for as long as it may.
    pub(super) deadline: Duration,
    /// When a second destination must be tried, if it is to have time.
    pub(super) halfway: Duration,
    /// Callouts that have carried it.
    pub(super) attempts: u32,
    /// Whether one of them may have stored it.
    pub(super) in_doubt: bool,
    pub(super) entity: Rc<Entity>,
    /// Taken when the first destination fails.
    pub(super) fallback: Option<Rc<Fallback>>,
    pub(super) served: Served,
}

impl PendingMessage {
    /// How long its callout may take if it travels alone. One that goes to a second destination
    /// even when this one has no answer leaves that one its time.
    fn timeout(&self, now: Duration, attempt_timeout: Duration) -> Duration {
        let left = self.deadline.saturating_sub(now).min(attempt_timeout);
        let half = self.halfway.saturating_sub(now);
        let takes_over = half < left
            && half >= Duration::from_millis(1)
            && self.second(Reason::OutcomeUnknown).is_some();
        if takes_over { half } else { left }
    }

    /// The destination that takes over after a failure, if one does.
    pub(super) fn second(&self, reason: Reason) -> Option<&Rc<Fallback>> {
        let fallback = self.fallback.as_ref()?;
        let elsewhere = match reason {
            Reason::BrokerUnreachable
            | Reason::CircuitOpen
            | Reason::Overloaded
            | Reason::Throttled => true,
            reason => reason.is_doubtful(),
        };
        let doubt = self.in_doubt || reason.is_doubtful();
        (elsewhere && (!doubt || fallback.allow_duplicates)).then_some(fallback)
    }

    /// The failure that its client is told: what an earlier send may have stored is never said to
    /// be lost for certain.
    pub(super) fn told(&self, failure: Failure) -> Failure {
        if !self.in_doubt || failure.reason.is_doubtful() {
            return failure;
        }
        let said = failure.reason.as_str();
        let cause = format!("an earlier send may be stored; the last: {said}: {}", failure.cause);
        let broker_tracking_id = failure.broker_tracking_id;
        Failure { broker_tracking_id, ..Failure::new(Reason::OutcomeUnknown, cause) }
    }
}

/// What an outbound request is to the retry budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Budget {
    /// It is sent for the first time.
    Free,
    /// It is to be sent again, or is being.
    Repetition,
    /// It is part of a batch that was refused, and is to be sent again, or is being.
    Part,
}

impl Budget {
    /// Whether it counts as a repetition.
    pub(super) fn is_repeated(self) -> bool {
        self != Self::Free
    }

    /// Whether it counts among the parts of refused batches.
    pub(super) fn is_part(self) -> bool {
        self == Self::Part
    }
}

/// Messages that travel together.
#[derive(Debug)]
pub(super) struct OutboundRequest {
    pub(super) messages: Vec<PendingMessage>,
    /// Index among the destinations.
    pub(super) state: usize,
    pub(super) entity: Rc<Entity>,
    /// The group that waits for its first callout to end.
    pub(super) group: Option<GroupId>,
    /// The array of a batch, while `messages` are those that were put into it.
    pub(super) batch: Option<Rc<Vec<u8>>>,
    /// Sends that count against the retries.
    pub(super) sends: u32,
    /// Sends after a token was refused.
    pub(super) auth_retries: u32,
    /// The token that was refused to it last.
    pub(super) refused: Option<TokenId>,
    /// Whether it had to wait for a token.
    pub(super) waited_for_token: bool,
    /// What it is to the retry budget.
    pub(super) budget: Budget,
    /// How its last callout has failed.
    pub(super) last: Option<Failure>,
}

impl OutboundRequest {
    pub(super) fn new(messages: Vec<PendingMessage>, state: usize, entity: Rc<Entity>) -> Self {
        Self {
            messages,
            state,
            entity,
            group: None,
            batch: None,
            sends: 0,
            auth_retries: 0,
            refused: None,
            waited_for_token: false,
            budget: Budget::Free,
            last: None,
        }
    }

    /// Takes out the messages that `gone` names.
    pub(super) fn remove(&mut self, gone: impl Fn(&PendingMessage) -> bool) -> Vec<PendingMessage> {
        if !self.messages.iter().any(&gone) {
            return vec![];
        }
        self.batch = None;
        let (gone, kept) = std::mem::take(&mut self.messages).into_iter().partition(gone);
        self.messages = kept;
        gone
    }

    /// What travels alone is in no batch any more.
    pub(super) fn drop_copy_of_one(&mut self) {
        if let [pending] = self.messages.as_mut_slice() {
            pending.copy = None;
        }
    }

    /// When the first of its clients has waited for as long as it may.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.messages.iter().map(|pending| pending.deadline).min()
    }

    /// How long a callout may take that serves the messages with the least and the most time left.
    pub(super) fn timeouts(
        &self,
        now: Duration,
        attempt_timeout: Duration,
    ) -> Option<(Duration, Duration)> {
        let each = self.messages.iter().map(|pending| pending.timeout(now, attempt_timeout));
        each.fold(None, |found, one| {
            let (shortest, longest) = found.unwrap_or((one, one));
            Some((one.min(shortest), one.max(longest)))
        })
    }

    /// Takes out those with so little time left that they would cut the callout of the others to
    /// less than half, and make it doubtful whether those are stored.
    pub(super) fn take_short(
        &mut self,
        now: Duration,
        attempt_timeout: Duration,
        longest: Duration,
    ) -> Self {
        let timeout = |pending: &PendingMessage| pending.timeout(now, attempt_timeout);
        let short = self.remove(|pending| is_short(timeout(pending), longest));
        Self {
            sends: self.sends,
            auth_retries: self.auth_retries,
            refused: self.refused,
            waited_for_token: self.waited_for_token,
            budget: self.budget,
            last: self.last.clone(),
            ..Self::new(short, self.state, Rc::clone(&self.entity))
        }
    }

    /// Two halves of a batch that was refused for one of its messages.
    pub(super) fn halves(&mut self) -> [Self; 2] {
        let mut first = std::mem::take(&mut self.messages);
        let second = first.split_off(first.len().div_ceil(2));
        [first, second].map(|messages| Self {
            sends: self.sends,
            ..Self::new(messages, self.state, Rc::clone(&self.entity))
        })
    }

    /// Headers and body of its callout.
    pub(super) fn packed(&mut self) -> (Rc<Vec<Header>>, Rc<Vec<u8>>) {
        if let [pending] = self.messages.as_slice() {
            let packed = pending.message.alone();
            return (Rc::clone(&packed.headers), Rc::clone(&packed.body));
        }
        let messages = &self.messages;
        let body = self.batch.get_or_insert_with(|| Rc::new(array(messages)));
        (batch_headers(), Rc::clone(body))
    }
}

/// Whether a callout of one time would cut one of the other to less than half.
pub(super) fn is_short(one: Duration, other: Duration) -> bool {
    one.saturating_mul(2) < other
}

/// Only messages with an element come into a batch.
fn array(messages: &[PendingMessage]) -> Vec<u8> {
    let elements: Vec<_> =
        messages.iter().filter_map(|pending| pending.message.element()).collect();
    [b"[", elements.join(&b',').as_slice(), b"]"].concat()
}

/// All that is not settled yet.
pub(super) type OutboundRequests = BTreeMap<super::OutboundId, OutboundRequest>;
