//! Tokens that a token service gives. All workers of a process share one, and of all workers one
//! asks for the next: before the last has ended, and whether anybody sends or not.

use std::rc::Rc;
use std::time::Duration;

use super::event::CredentialEvent;
use super::shared_token::SharedToken;
use super::signer::{Access, TokenId};
use super::token_answer::{self, Again, Grant, Refusal};
use super::token_request::{TIMEOUT, TokenRequest};
use crate::http::{Callout, DispatchError, Response};
use crate::shared::Shared;
use crate::time::Time;

/// One worker's view of a token.
#[derive(Debug)]
pub(super) struct Bearer {
    request: Rc<TokenRequest>,
    /// What the workers share, as last seen.
    seen: SharedToken,
    version: Option<u32>,
    /// By the monotonic clock.
    looked_at: Option<Duration>,
    /// Until when this worker's own question may be answered, by the monotonic clock.
    asking: Option<Duration>,
    /// When this worker would ask for the next token, by the wall clock.
    renew_at: Duration,
    /// Whether a send has asked for a token since the service was found hopeless.
    wanted: bool,
    cause: String,
    pub(super) events: Vec<CredentialEvent>,
}

/// Nobody else asks while a question may still be answered.
const LEASE: Duration = TIMEOUT.saturating_add(Duration::from_secs(2));
/// How often a worker looks for a token that another one fetches.
const LOOK: Duration = Duration::from_millis(25);
/// The same, while it still has one.
const LOOK_AT_EASE: Duration = Duration::from_secs(1);
/// After so many failures in a row, sends no longer wait.
const PATIENCE: u32 = 5;
/// How long a service that refuses for good is left alone.
const HOPELESS_REST: Duration = Duration::from_secs(30);
/// A token that Service Bus refuses is renewed no more often than this.
const REFUSAL_REST: Duration = Duration::from_secs(10);
/// How often a shared value is changed anew when others were faster.
const TRIES: usize = 8;

impl Bearer {
    pub(super) fn new(request: Rc<TokenRequest>) -> Self {
        Self {
            request,
            seen: SharedToken::default(),
            version: None,
            looked_at: None,
            asking: None,
            renew_at: Duration::ZERO,
            wanted: false,
            cause: "another worker could not fetch a token".to_owned(),
            events: vec![],
        }
    }

    /// The token, but for whom it was `refused` only a newer one.
    pub(super) fn access(
        &mut self,
        refused: Option<TokenId>,
        now: Time,
        shared: &dyn Shared,
    ) -> Access {
        if !self.serves(refused, now) && self.is_time_to_look(now, LOOK) {
            self.look(now, 0, shared);
        }
        if !self.serves(refused, now) {
            self.wanted = true;
            let waits = self.asking.is_some() || !self.seen.is_busy(now.monotonic);
            if self.seen.failures >= PATIENCE || (self.seen.hopeless && !waits) {
                return Access::Unavailable { cause: self.cause.clone() };
            }
            return Access::Wait;
        }
        match &self.seen.authorization {
            Some(token) => {
                Access::Token { value: token.share(), token_id: TokenId(self.seen.serial) }
            }
            None => Access::Wait,
        }
    }

    fn serves(&self, refused: Option<TokenId>, now: Time) -> bool {
        self.seen.valid(now.wall).is_some() && refused != Some(TokenId(self.seen.serial))
    }

    /// Whether there is a token that nobody was refused.
    fn has_good_token(&self, now: Time) -> bool {
        self.seen.valid(now.wall).is_some() && !self.seen.is_refused()
    }

    /// Whether there is one, and time until its renewal.
    fn is_at_ease(&self, now: Time) -> bool {
        self.has_good_token(now) && now.wall < self.renew_at
    }

    /// A question to ask now, if this worker is the one to ask.
    pub(super) fn poll(&mut self, now: Time, random: u64, shared: &dyn Shared) -> Option<Callout> {
        if self.asking.is_some_and(|until| now.monotonic < until) {
            return None;
        }
        if self.asking.is_some() {
            let cause = "the token service's answer never came".to_owned();
            self.fail(Refusal { cause, again: Again::Soon }, now, random, shared);
        }
        if self.is_at_ease(now) {
            return None;
        }
        let pause = if self.has_good_token(now) { LOOK_AT_EASE } else { LOOK };
        if self.is_time_to_look(now, pause) {
            self.look(now, random, shared);
        }
        if self.is_at_ease(now) || self.seen.is_busy(now.monotonic) {
            return None;
        }
        if self.seen.hopeless && !self.wanted {
            return None;
        }
        self.wanted = false;
        let busy_until = now.monotonic.saturating_add(LEASE);
        let busy = SharedToken { busy_until, ..self.seen.clone() };
        if !self.store(busy, shared) {
            // Another worker was faster.
            self.look(now, random, shared);
            return None;
        }
        // As the others see it.
        self.asking = Some(self.seen.busy_until);
        Some(self.request.callout())
    }

    pub(super) fn fetched(
        &mut self,
        answer: &Response,
        now: Time,
        random: u64,
        shared: &dyn Shared,
    ) {
        let (authorization, expires_at) = match token_answer::read(answer, now.wall) {
            Grant::Refusal(refusal) => return self.fail(refusal, now, random, shared),
            Grant::Token { authorization, expires_at } => (authorization, expires_at),
        };
        self.asking = None;
        self.change(shared, |seen| SharedToken {
            serial: seen.serial.saturating_add(1),
            busy_until: Duration::ZERO,
            failures: 0,
            hopeless: false,
            issued_at: now.wall,
            expires_at,
            authorization: Some(authorization.clone()),
            ..*seen
        });
        self.adopt(random);
        self.events.push(CredentialEvent::Fetched { expires_at });
    }

    pub(super) fn not_fetched(
        &mut self,
        error: DispatchError,
        now: Time,
        random: u64,
        shared: &dyn Shared,
    ) {
        let cluster = self.request.cluster();
        let cause = match error {
            // Or not yet: it may still wait for its first address, or come by CDS.
            DispatchError::UnknownCluster => format!("Envoy knows no cluster {cluster:?}"),
            DispatchError::Unavailable => format!("cluster {cluster:?} has no healthy host"),
        };
        self.fail(Refusal { cause, again: Again::Soon }, now, random, shared);
    }

    /// Service Bus has refused a token. Whether there is or will be another. Until then it serves
    /// on: that it was refused to one entity is no word on the others.
    pub(super) fn refused(&mut self, token_id: TokenId, now: Time, shared: &dyn Shared) -> bool {
        self.look(now, 0, shared);
        if self.seen.serial != token_id.0 || self.seen.is_refused() {
            return true;
        }
        let since = now.monotonic.saturating_sub(self.seen.refused_at);
        if self.seen.refused > 0 && since < REFUSAL_REST {
            return false;
        }
        let refused = SharedToken {
            refused: self.seen.serial,
            refused_at: now.monotonic,
            ..self.seen.clone()
        };
        if self.store(refused, shared) {
            self.events.push(CredentialEvent::Refreshed);
        } else {
            self.look(now, 0, shared);
        }
        true
    }

    fn fail(&mut self, refusal: Refusal, now: Time, random: u64, shared: &dyn Shared) {
        let Refusal { cause, again } = refusal;
        let lease = self.asking.take();
        self.change(shared, |seen| {
            // Late: another worker asks by now, and what it is told counts.
            if seen.is_busy(now.monotonic) && Some(seen.busy_until) != lease {
                return seen.clone();
            }
            let failures = seen.failures.saturating_add(1);
            SharedToken {
                busy_until: now.monotonic.saturating_add(rest(again, failures, random)),
                failures,
                hopeless: again == Again::Never,
                ..seen.clone()
            }
        });
        self.cause.clone_from(&cause);
        self.events.push(CredentialEvent::FetchFailed { cause });
    }

    /// In how long `poll` is to be called next.
    pub(super) fn wake(&self, now: Time) -> Option<Duration> {
        if let Some(until) = self.asking {
            return Some(until.saturating_sub(now.monotonic));
        }
        let has_token = self.seen.authorization.is_some() && !self.seen.is_refused();
        if has_token && now.wall < self.renew_at {
            return Some(self.renew_at.saturating_sub(now.wall));
        }
        let Some(looked_at) = self.looked_at else { return Some(Duration::ZERO) };
        if self.seen.hopeless && !self.wanted {
            return None;
        }
        let look = if has_token { LOOK_AT_EASE } else { LOOK };
        let rest = self.seen.busy_until.saturating_sub(looked_at);
        // Who rests after failures wakes when the rest is over; who waits for another looks often.
        let wait = if self.seen.failures > 0 { rest.max(look) } else { look };
        Some(looked_at.saturating_add(wait).saturating_sub(now.monotonic))
    }

    pub(super) fn expires_at(&self) -> Option<Duration> {
        self.seen.authorization.as_ref().map(|_| self.seen.expires_at)
    }

    /// Whether the last look is so long ago.
    fn is_time_to_look(&self, now: Time, pause: Duration) -> bool {
        self.looked_at.is_none_or(|at| now.monotonic.saturating_sub(at) >= pause)
    }

    /// Sees what the workers share.
    fn look(&mut self, now: Time, random: u64, shared: &dyn Shared) {
        self.looked_at = Some(now.monotonic);
        let serial = self.seen.serial;
        self.load(shared);
        if self.seen.serial != serial {
            self.adopt(random);
            let expires_at = self.seen.expires_at;
            self.events.push(CredentialEvent::Adopted { expires_at });
        }
    }

    fn load(&mut self, shared: &dyn Shared) {
        match shared.load(self.request.key()) {
            Some((bytes, version)) => {
                self.seen = SharedToken::decode(&bytes);
                self.version = Some(version);
            }
            None => (self.seen, self.version) = (SharedToken::default(), None),
        }
    }

    /// The time of renewal: with a fifth of the lifetime left, or up to another tenth, so that many
    /// gateways do not ask at once.
    fn adopt(&mut self, random: u64) {
        let lifetime = self.seen.lifetime();
        let share = u32::try_from(random % 1000).unwrap_or_default();
        let left = lifetime / 5 + lifetime / 10 * share / 1000;
        self.renew_at = self.seen.expires_at.saturating_sub(left);
        self.wanted = false;
    }

    /// Stores a value if no other worker has since the last look.
    fn store(&mut self, value: SharedToken, shared: &dyn Shared) -> bool {
        let stored = shared.store(self.request.key(), &value.encode(), self.version);
        if stored {
            // Its version is not told.
            self.load(shared);
        }
        stored
    }

    /// Changes the shared value, whoever else does.
    fn change(&mut self, shared: &dyn Shared, change: impl Fn(&SharedToken) -> SharedToken) {
        for _ in 0..TRIES {
            self.load(shared);
            if self.store(change(&self.seen), shared) {
                return;
            }
        }
        // This worker can go on by itself.
        self.seen = change(&self.seen);
    }
}

/// How long nobody asks after a failure.
fn rest(again: Again, failures: u32, random: u64) -> Duration {
    let doubled = |first: Duration, cap: Duration| {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        first.saturating_mul(factor).min(cap)
    };
    match again {
        Again::Never => HOPELESS_REST,
        Again::After(asked) => asked.max(Duration::from_secs(1)),
        Again::Upgrading => doubled(Duration::from_secs(5), Duration::from_secs(40)),
        Again::Soon => {
            let whole = doubled(Duration::from_millis(800), Duration::from_secs(60));
            let share = u32::try_from(random % 1000).unwrap_or_default();
            whole / 2 + whole / 2 * share / 1000
        }
    }
}
