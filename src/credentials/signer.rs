//! One worker's tokens of one destination, whatever their kind.

use std::rc::Rc;
use std::time::Duration;

use super::bearer::Bearer;
use super::event::CredentialEvent;
use super::signatures::Signatures;
use super::{Credentials, Secret};
use crate::http::{Callout, DispatchError, Response};
use crate::shared::Shared;
use crate::time::Time;

/// Which token a send was signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenId(pub(super) u64);

impl TokenId {
    /// Of a token that is never renewed.
    pub(super) const NONE: Self = Self(0);
}

/// What a send is to be signed with.
pub enum Access {
    /// Envoy signs on the cluster.
    Unsigned,
    /// The value of the `authorization` header.
    Token {
        /// The whole value.
        value: Rc<str>,
        /// To be named when it is refused or accepted.
        token_id: TokenId,
    },
    /// A token is being fetched.
    Wait,
    /// None is to be had.
    Unavailable {
        /// For the log, without any secret.
        cause: String,
    },
}

/// One worker's tokens of one destination.
#[derive(Debug)]
pub struct Signer {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Fetched(Bearer),
    Signature(Rc<Secret>),
    Signed(Signatures),
    Upstream,
}

impl Signer {
    /// A signer without tokens yet.
    pub fn new(credentials: &Credentials, namespace: &str) -> Self {
        let kind = match credentials {
            Credentials::Sas(keys) => Kind::Signed(Signatures::new(Rc::clone(keys), namespace)),
            Credentials::Signature(signature) => Kind::Signature(Rc::clone(signature)),
            Credentials::Fetched(request) => Kind::Fetched(Bearer::new(Rc::clone(request))),
            Credentials::Upstream => Kind::Upstream,
        };
        Self { kind }
    }

    /// What a send to `entity` is to be signed with, of which the token `refused` was refused.
    pub fn access(
        &mut self,
        entity: &str,
        refused: Option<TokenId>,
        now: Time,
        shared: &dyn Shared,
    ) -> Access {
        match &mut self.kind {
            Kind::Upstream => Access::Unsigned,
            Kind::Signature(value) => {
                Access::Token { value: value.share(), token_id: TokenId::NONE }
            }
            Kind::Signed(signatures) => {
                let (value, token_id) = signatures.token(entity, now.wall);
                Access::Token { value, token_id }
            }
            Kind::Fetched(bearer) => bearer.access(refused, now, shared),
        }
    }

    /// Service Bus answered 401 to a send that was signed with `token_id`; `broker_time` is the time
    /// that it gave. Whether another try makes sense.
    pub fn refused(
        &mut self,
        entity: &str,
        token_id: TokenId,
        broker_time: Option<Duration>,
        now: Time,
        shared: &dyn Shared,
    ) -> bool {
        match &mut self.kind {
            Kind::Upstream | Kind::Signature(_) => false,
            Kind::Signed(signatures) => signatures.refused(entity, token_id, broker_time, now),
            Kind::Fetched(bearer) => bearer.refused(token_id, now, shared),
        }
    }

    /// Service Bus took a send that was signed with `token_id`; `broker_time` is asked where the time
    /// that it gave is needed. `now` is the wall clock's.
    pub fn accepted(
        &mut self,
        entity: &str,
        token_id: TokenId,
        broker_time: impl FnOnce() -> Option<Duration>,
        now: Duration,
    ) {
        if let Kind::Signed(signatures) = &mut self.kind {
            signatures.accepted(entity, token_id, broker_time, now);
        }
    }

    /// How often one message may be tried again after 401.
    pub fn auth_retries(&self) -> u32 {
        match &self.kind {
            Kind::Upstream | Kind::Signature(_) => 0,
            Kind::Signed(signatures) => signatures.auth_retries(),
            Kind::Fetched(_) => 1,
        }
    }

    /// A callout to make now; its end is told to `fetched` or `not_fetched`.
    pub fn poll(&mut self, now: Time, random: u64, shared: &dyn Shared) -> Option<Callout> {
        match &mut self.kind {
            Kind::Fetched(bearer) => bearer.poll(now, random, shared),
            _ => None,
        }
    }

    /// The token service has answered, or Envoy in its place.
    pub fn fetched(&mut self, answer: &Response, now: Time, random: u64, shared: &dyn Shared) {
        if let Kind::Fetched(bearer) = &mut self.kind {
            bearer.fetched(answer, now, random, shared);
        }
    }

    /// Envoy has not asked the token service.
    pub fn not_fetched(
        &mut self,
        error: DispatchError,
        now: Time,
        random: u64,
        shared: &dyn Shared,
    ) {
        if let Kind::Fetched(bearer) = &mut self.kind {
            bearer.not_fetched(error, now, random, shared);
        }
    }

    /// In how long `poll` is to be called next.
    pub fn wake(&self, now: Time) -> Option<Duration> {
        match &self.kind {
            Kind::Fetched(bearer) => bearer.wake(now),
            _ => None,
        }
    }

    /// When the token that was fetched ends.
    pub fn expires_at(&self) -> Option<Duration> {
        match &self.kind {
            Kind::Fetched(bearer) => bearer.expires_at(),
            _ => None,
        }
    }

    /// What has happened since this was asked last.
    pub fn take_events(&mut self) -> Vec<CredentialEvent> {
        match &mut self.kind {
            Kind::Signed(signatures) => std::mem::take(&mut signatures.events),
            Kind::Fetched(bearer) => std::mem::take(&mut bearer.events),
            Kind::Upstream | Kind::Signature(_) => vec![],
        }
    }
}
