//! Callouts from their beginning to their end, and those that never end.

use std::rc::Rc;
use std::time::Duration;

use super::breaker::Permit;
use super::{AttemptId, Delivery, Effect, Event, OutboundId, StreamId};
use crate::credentials::TokenId;
use crate::http::{Callout, DispatchError, Response};
use crate::outcome::{Outcome, Reason, SendResult, Served};
use crate::time::Time;

/// A callout in flight.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) purpose: Purpose,
    /// When even Envoy's timeout is over.
    give_up: Duration,
}

#[derive(Debug)]
pub(super) enum Purpose {
    Lookup { stream: StreamId, cluster: Rc<str> },
    Send { request: OutboundId, permit: Option<Permit>, token_id: Option<TokenId> },
    Token { state: usize },
}

/// How long after its timeout a callout may still be answered.
const GRACE: Duration = Duration::from_secs(2);
/// How often forgotten callouts are looked for.
const SWEEP: Duration = Duration::from_secs(5);

impl Delivery {
    pub(super) fn dispatch(&mut self, purpose: Purpose, callout: Callout, taken: Option<Event>) {
        let give_up = self.time.monotonic.saturating_add(callout.timeout).saturating_add(GRACE);
        let id = AttemptId(self.next_id());
        self.attempts.insert(id, Attempt { purpose, give_up });
        self.sweep.get_or_insert(self.time.monotonic.saturating_add(SWEEP));
        self.effects.push_back(Effect::Dispatch(id, callout, taken));
    }

    /// Envoy did not start a callout: nothing was sent.
    pub fn refused(&mut self, attempt: AttemptId, error: DispatchError, now: Time) {
        self.time = now;
        let Some(Attempt { purpose, .. }) = self.attempts.remove(&attempt) else { return };
        match purpose {
            Purpose::Lookup { stream, cluster } => {
                let failure = error.failure(&cluster, Reason::LookupUnavailable);
                self.finish_lookup(stream, Outcome::Failed(failure));
            }
            Purpose::Send { request, permit, .. } => {
                self.send_refused(attempt, request, permit, error);
            }
            Purpose::Token { state } => self.token_refused(state, error),
        }
        self.send_parts();
    }

    /// A callout ended.
    pub fn answered(&mut self, attempt: AttemptId, answer: Response, now: Time) {
        self.time = now;
        let Some(Attempt { purpose, .. }) = self.attempts.remove(&attempt) else { return };
        self.conclude(purpose, answer);
        self.send_parts();
    }

    fn conclude(&mut self, purpose: Purpose, answer: Response) {
        match purpose {
            Purpose::Lookup { stream, .. } => self.finish_lookup(stream, answer.found()),
            Purpose::Send { request, permit, token_id } => {
                self.send_answered(request, permit, token_id, &answer);
            }
            Purpose::Token { state } => self.token_answered(state, &answer),
        }
    }

    /// An answer that Envoy does not bring would keep its client waiting for ever.
    pub(super) fn give_up_unanswered(&mut self) {
        let now = self.time.monotonic;
        let forgotten = |attempt: &Attempt| attempt.give_up <= now;
        let ids: Vec<_> =
            self.attempts.iter().filter(|(_, a)| forgotten(a)).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(Attempt { mut purpose, .. }) = self.attempts.remove(&id) {
                self.effects.push_back(Effect::Forget(id));
                // It tells the breaker nothing: it is Envoy that failed. A probe's time is over by
                // now, and another may take its place.
                if let Purpose::Send { permit, .. } = &mut purpose {
                    *permit = None;
                }
                self.conclude(purpose, Response::default());
            }
        }
        self.sweep = (!self.attempts.is_empty()).then(|| now.saturating_add(SWEEP));
    }

    fn finish_lookup(&mut self, stream: StreamId, outcome: Outcome) {
        self.open = self.open.saturating_sub(1);
        self.tell_stream(stream, SendResult { outcome, attempts: 1, served: Served::Primary });
    }
}
