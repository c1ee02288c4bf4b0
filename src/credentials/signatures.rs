//! Tokens that are signed here: one per entity, with the key that Service Bus takes.
//!
//! A token is bound to its entity and not to the namespace: a key of the entity's own may sign no
//! more than that, and a token that leaks opens no other queue.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::event::{CredentialEvent, KeyRole};
use super::sas::{SasKeys, Token};
use super::signer::Stamp;

/// One worker's signatures.
#[derive(Debug)]
pub(super) struct Signatures {
    keys: Rc<SasKeys>,
    namespace: String,
    /// The key that Service Bus has taken last.
    role: KeyRole,
    /// By how much Service Bus's clock is ahead.
    behind: Duration,
    by_entity: BTreeMap<String, Signed>,
    last_stamp: u64,
    /// When both keys were refused last.
    exhausted: Option<Duration>,
    pub(super) events: Vec<CredentialEvent>,
}

#[derive(Debug)]
struct Signed {
    token: Token,
    stamp: Stamp,
    role: KeyRole,
    /// Tokens for this entity that were refused in a row.
    refusals: u32,
}

impl Signed {
    fn access(&self) -> (Rc<str>, Stamp) {
        (self.token.share(), self.stamp)
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
            by_entity: BTreeMap::new(),
            last_stamp: 0,
            exhausted: None,
            events: vec![],
        }
    }

    pub(super) fn token(&mut self, entity: &str, now: Duration) -> (Rc<str>, Stamp) {
        let known = self.by_entity.get(entity);
        if let Some(signed) = known.filter(|s| s.role == self.role && s.token.is_fresh(now)) {
            return signed.access();
        }
        self.sign(entity, 0, now)
    }

    fn sign(&mut self, entity: &str, refusals: u32, now: Duration) -> (Rc<str>, Stamp) {
        self.last_stamp += 1;
        let resource = format!("https://{}/{entity}", self.namespace);
        let key = match (self.role, &self.keys.secondary) {
            (KeyRole::Secondary, Some(key)) => key,
            _ => &self.keys.primary,
        };
        let token = key.token(&resource, now, self.behind, self.keys.token_ttl);
        let signed = Signed { token, stamp: Stamp(self.last_stamp), role: self.role, refusals };
        let access = signed.access();
        self.by_entity.insert(entity.to_owned(), signed);
        access
    }

    pub(super) fn refused(
        &mut self,
        entity: &str,
        stamp: Stamp,
        broker_time: Option<Duration>,
        now: Duration,
    ) -> bool {
        let Some(signed) = self.by_entity.get(entity) else { return true };
        // Somebody else's refusal has been here before.
        if signed.stamp != stamp {
            return true;
        }
        let rests = self.exhausted.and_then(|since| now.checked_sub(since));
        if rests.is_some_and(|rested| rested < REST) {
            return false;
        }
        let refusals = signed.refusals + 1;
        self.compare_clocks(broker_time, now);
        match (refusals, self.role, &self.keys.secondary) {
            (1, ..) => self.events.push(CredentialEvent::Refreshed),
            (2, role, Some(_)) => {
                self.role = match role {
                    KeyRole::Primary => KeyRole::Secondary,
                    KeyRole::Secondary => KeyRole::Primary,
                };
                self.events.push(CredentialEvent::KeySwitched { to: self.role });
            }
            _ => {
                self.exhausted = Some(now);
                self.by_entity.remove(entity);
                return false;
            }
        }
        self.sign(entity, refusals, now);
        true
    }

    /// A token counts from the later of the two clocks, so that it has not ended before it comes.
    fn compare_clocks(&mut self, broker_time: Option<Duration>, now: Duration) {
        let Some(broker_time) = broker_time else { return };
        let behind = broker_time.saturating_sub(now);
        let behind = if behind > SAME_CLOCK { behind } else { Duration::ZERO };
        if behind > self.behind.saturating_add(SAME_CLOCK) {
            self.events.push(CredentialEvent::ClockBehind { by: behind });
        }
        self.behind = behind;
    }

    pub(super) fn accepted(&mut self, entity: &str, stamp: Stamp) {
        if let Some(signed) = self.by_entity.get_mut(entity).filter(|s| s.stamp == stamp) {
            signed.refusals = 0;
            self.exhausted = None;
        }
    }

    pub(super) fn second_chances(&self) -> u32 {
        1 + u32::from(self.keys.secondary.is_some())
    }
}
