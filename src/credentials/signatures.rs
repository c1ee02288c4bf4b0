//! Tokens that are signed here: one per entity, with the key that Service Bus takes.
//!
//! A token is bound to its entity and not to the namespace: a key of the entity's own may sign no
//! more than that, and a token that leaks opens no other queue.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::event::{CredentialEvent, KeyRole};
use super::sas::{SasKeys, Token};
use super::signer::TokenId;
use crate::time::Time;

/// One worker's signatures.
#[derive(Debug)]
pub(super) struct Signatures {
    keys: Rc<SasKeys>,
    namespace: String,
    /// The key that Service Bus has taken last. What one entity refuses is no word on the others.
    role: KeyRole,
    /// By how much Service Bus's clock is ahead.
    behind: Duration,
    /// The same, as last told.
    told: Duration,
    by_entity: BTreeMap<String, Signed>,
    last_token_id: u64,
    pub(super) events: Vec<CredentialEvent>,
}

#[derive(Debug)]
struct Signed {
    token: Token,
    token_id: TokenId,
    role: KeyRole,
    /// Tokens for this entity that were refused in a row.
    refusals: u32,
    /// When this entity refused all keys last, by the monotonic clock.
    exhausted: Option<Duration>,
}

impl Signed {
    fn access(&self) -> (Rc<str>, TokenId) {
        (self.token.share(), self.token_id)
    }
}

/// Clocks that differ by less are taken for one.
const SAME_CLOCK: Duration = Duration::from_secs(60);
/// How long nothing new is tried after every key was refused.
const REST: Duration = Duration::from_secs(10);

impl Signatures {
    pub(super) fn new(keys: Rc<SasKeys>, namespace: &str) -> Self {
        Self {
            keys,
            namespace: namespace.to_owned(),
            role: KeyRole::Primary,
            behind: Duration::ZERO,
            told: Duration::ZERO,
            by_entity: BTreeMap::new(),
            last_token_id: 0,
            events: vec![],
        }
    }

    pub(super) fn token(&mut self, entity: &str, now: Duration) -> (Rc<str>, TokenId) {
        let known = self.by_entity.get(entity);
        let exhausted = known.and_then(|signed| signed.exhausted);
        // An entity on its way to the other key stays on it.
        let good = |s: &&Signed| s.token.is_fresh(now) && (s.role == self.role || s.refusals > 0);
        if let Some(signed) = known.filter(good) {
            return signed.access();
        }
        self.sign(entity, self.role, 0, exhausted, now)
    }

    fn sign(
        &mut self,
        entity: &str,
        role: KeyRole,
        refusals: u32,
        exhausted: Option<Duration>,
        now: Duration,
    ) -> (Rc<str>, TokenId) {
        self.last_token_id += 1;
        let resource = format!("https://{}/{entity}", self.namespace);
        let key = match (role, &self.keys.secondary) {
            (KeyRole::Secondary, Some(key)) => key,
            _ => &self.keys.primary,
        };
        let token = key.token(&resource, now, self.behind, self.keys.token_ttl);
        let token_id = TokenId(self.last_token_id);
        let signed = Signed { token, token_id, role, refusals, exhausted };
        let access = signed.access();
        self.by_entity.insert(entity.to_owned(), signed);
        access
    }

    pub(super) fn refused(
        &mut self,
        entity: &str,
        token_id: TokenId,
        broker_time: Option<Duration>,
        now: Time,
    ) -> bool {
        let Some(signed) = self.by_entity.get(entity) else { return true };
        // Somebody else's refusal has been here before.
        if signed.token_id != token_id {
            return true;
        }
        let Signed { role, refusals, exhausted, .. } = *signed;
        let rested = |since| now.monotonic.saturating_sub(since);
        if exhausted.is_some_and(|since| rested(since) < REST) {
            return false;
        }
        let wall = now.wall;
        self.compare_clocks(broker_time, wall);
        match (refusals, &self.keys.secondary) {
            (0, _) => {
                self.events.push(CredentialEvent::Refreshed);
                self.sign(entity, self.role, 1, exhausted, wall);
            }
            (1, Some(_)) => {
                self.sign(entity, role.other(), 2, exhausted, wall);
            }
            _ => {
                self.sign(entity, self.role, 0, Some(now.monotonic), wall);
                return false;
            }
        }
        true
    }

    /// A token counts from the later of the two clocks, so that it has not ended before it comes.
    fn compare_clocks(&mut self, broker_time: Option<Duration>, now: Duration) {
        let Some(broker_time) = broker_time else { return };
        let behind = broker_time.saturating_sub(now);
        let behind = if behind > SAME_CLOCK { behind } else { Duration::ZERO };
        if behind.abs_diff(self.told) > SAME_CLOCK {
            self.told = behind;
            self.events.push(CredentialEvent::ClockBehind { by: behind });
        }
        self.behind = behind;
    }

    pub(super) fn accepted(
        &mut self,
        entity: &str,
        token_id: TokenId,
        broker_time: impl FnOnce() -> Option<Duration>,
        now: Duration,
    ) {
        // A clock that was behind may have been set right.
        if !self.behind.is_zero() {
            self.compare_clocks(broker_time(), now);
        }
        let signed = self.by_entity.get_mut(entity).filter(|signed| signed.token_id == token_id);
        let Some(signed) = signed else { return };
        // What was refused twice was signed with the other key.
        if signed.refusals > 1 && signed.role != self.role {
            self.role = signed.role;
            self.events.push(CredentialEvent::KeySwitched { to: self.role });
        }
        signed.refusals = 0;
        signed.exhausted = None;
    }

    pub(super) fn auth_retries(&self) -> u32 {
        1 + u32::from(self.keys.secondary.is_some())
    }
}
