//! Attaching and detaching links.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::about::Wanted;
use super::link::{Accepts, End, Link, Receives, Reply, Sends, Source, Target};
use super::output::Output;
use super::session::Session;
use super::waiting::session_filter;
use super::{Connection, Failure, MAX_LINKS, MAX_NAME, faults};
use crate::amqp::codec::Value;
use crate::amqp::error::{AmqpError, condition};
use crate::amqp::node::{Address, Place};
use crate::amqp::performative::{self, Attach};
use crate::auth::Right;
use crate::broker::{Entity, SubQueue, Timestamp};
use crate::service::{Check, Ending, Plan};

/// How long a client waits for a free session that does not say how long.
const SESSION_WAIT: Duration = Duration::from_secs(60);

impl Connection {
    pub(super) fn attach(
        &mut self,
        channel: u16,
        attach: &Attach,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let links: usize = self.sessions.values().map(|session| session.links.len()).sum();
        let Some(session) = self.sessions.get(&channel) else { return Ok(()) };
        if session.links.contains_key(&attach.handle) {
            let reason = format!("the handle {} is in use", attach.handle);
            return Err(Failure::Session(AmqpError::new(condition::HANDLE_IN_USE, reason)));
        }
        let own = if attach.is_receiver { &attach.source } else { &attach.target };
        let address = performative::address(own).unwrap_or_default();
        if attach.name.len() + address.len() > MAX_NAME {
            let reason = "the name or the address of the link is too long";
            return Err(Failure::Session(AmqpError::new(condition::NOT_ALLOWED, reason)));
        }
        if links >= MAX_LINKS {
            let reason = "the connection has too many links";
            return Err(Failure::Connection(AmqpError::new(
                condition::RESOURCE_LIMIT_EXCEEDED,
                reason,
            )));
        }
        let link = match plan.ending.as_ref().map(|ending| (ending, faults::refusal(ending))) {
            None => self.open_link(attach, now),
            Some((_, Some(error))) => Err(error),
            Some((Ending::Reset(_), None)) => {
                self.reset(false, now);
                return Ok(());
            }
            // Nothing is said, and what is said of the link is ignored.
            Some((_, None)) => Ok(Link::silent(attach.name.clone())),
        };
        let wanted =
            Wanted { operation: "attach", address, form: None, check: check(plan, Check::Path) };
        match &link {
            // Noted when the session is there.
            Ok(Link { end: End::Accepts(_), .. }) => {}
            // What is put there is.
            Ok(Link { address: Address { place: Place::Cbs, .. }, .. }) => {}
            Ok(_) if attach.is_receiver => self.about.note(wanted, Ok("the client receives"), now),
            Ok(_) => self.about.note(wanted, Ok("the client sends"), now),
            Err(error) => self.about.note(wanted, Err(error), now),
        }
        let Self { sessions, output, .. } = self;
        let Some(session) = sessions.get_mut(&channel) else { return Ok(()) };
        let reply = Reply::to(attach);
        match link {
            Ok(link) => {
                let max_message_size = self.about.service.tier().max_message_bytes();
                let receives = matches!(link.end, End::Receives(_));
                // Answered when the session is there.
                if !matches!(link.end, End::Accepts(_) | End::Detached) {
                    reply.send(channel, None, max_message_size, output);
                }
                session.links.insert(attach.handle, link);
                if receives {
                    session.grant_credit(attach.handle, output);
                }
            }
            Err(error) => {
                session.refuse(reply, &error, output);
            }
        }
        Ok(())
    }

    /// The link that a client asks for.
    fn open_link(&self, attach: &Attach, now: Timestamp) -> Result<Link, AmqpError> {
        let (own, other) = if attach.is_receiver {
            (&attach.source, &attach.target)
        } else {
            (&attach.target, &attach.source)
        };
        if let Some((0x30, _)) = own.described() {
            return Err(AmqpError::new(
                condition::NOT_IMPLEMENTED,
                "Transactions are not supported by this emulator.",
            ));
        }
        let text = performative::address(own).unwrap_or_default();
        let address = Address::parse(text).ok_or_else(|| {
            AmqpError::new(condition::NOT_FOUND, format!("There is no entity at '{text}'."))
        })?;
        let reply_to = performative::address(other).unwrap_or_default();
        if address.place == Place::Cbs {
            let end = if attach.is_receiver {
                End::responses(reply_to)
            } else {
                End::receives(Target::Cbs, attach)
            };
            return Ok(Link { name: attach.name.clone(), address, grant: None, end });
        }
        let (right, until) = self.grant(&address, attach.is_receiver, now)?;
        let entity = self.about.service.entity(&self.about.host, &address.entity)?.clone();
        let end = match address.place {
            Place::Cbs | Place::Management(_) if attach.is_receiver => End::responses(reply_to),
            Place::Cbs => End::receives(Target::Cbs, attach),
            Place::Management(part) => End::receives(Target::Management(entity, part), attach),
            Place::Messages(part) if attach.is_receiver => {
                self.source(&entity, part, attach, reply_to, now)?
            }
            Place::Messages(part) => {
                crate::service::check_target(&entity, part)
                    .map_err(|refusal| AmqpError::new(condition::NOT_ALLOWED, refusal.detail))?;
                End::receives(Target::Entity(entity), attach)
            }
        };
        Ok(Link { name: attach.name.clone(), address, grant: Some((right, until)), end })
    }

    /// The right that a link needs and until when it is granted. Whoever may do anything with an
    /// entity may attach to its management; each request is checked.
    fn grant(
        &self,
        address: &Address,
        is_receiver: bool,
        now: Timestamp,
    ) -> Result<(Right, Timestamp), AmqpError> {
        let trusted = self.about.service.trusted().lock();
        let authorize = |right| {
            let until = self.tokens.authorize(address, right, &self.about.host, &trusted, now)?;
            Ok((right, until))
        };
        match address.place {
            Place::Management(_) => authorize(Right::Listen).or_else(|_| authorize(Right::Send)),
            _ if is_receiver => authorize(Right::Listen),
            _ => authorize(Right::Send),
        }
    }

    /// Where a client receives from.
    fn source(
        &self,
        entity: &Entity,
        part: SubQueue,
        attach: &Attach,
        reply_to: &str,
        now: Timestamp,
    ) -> Result<End, AmqpError> {
        let not_allowed = |reason: &str| AmqpError::new(condition::NOT_ALLOWED, reason);
        let Entity::Queue(entity) = entity else {
            return Err(not_allowed(
                "Messages cannot be received from a topic; receive from a subscription.",
            ));
        };
        let deletes = attach.snd_settle_mode == 1;
        let has_sessions = entity.requires_session && part == SubQueue::Main;
        let filter = session_filter(&attach.source);
        entity.watch(&self.watcher);
        match (filter, has_sessions) {
            (None, false) => Ok(End::Sends(Box::new(Sends {
                source: Source::Queue { entity: Arc::clone(entity), part, session: None, deletes },
                reply_to: reply_to.into(),
                delivery_count: 0,
                credit: 0,
                drain: false,
            }))),
            (None, true) => Err(not_allowed(
                "It is not possible for an entity that requires sessions to create a \
                 non-sessionful message receiver.",
            )),
            (Some(_), false) => Err(not_allowed(
                "A sessionful message receiver cannot be created on an entity that does not \
                 require sessions.",
            )),
            (Some(wanted), true) => {
                let session = match wanted.undescribed() {
                    Value::Null => None,
                    Value::String(id) => Some(id.clone()),
                    _ => {
                        return Err(AmqpError::new(
                            condition::ARGUMENT_ERROR,
                            "The session filter is no string.",
                        ));
                    }
                };
                let wait = attach.properties.get("com.microsoft:timeout");
                let wait = wait.and_then(Value::as_integer).and_then(|ms| u64::try_from(ms).ok());
                let wait = wait.map_or(SESSION_WAIT, Duration::from_millis);
                Ok(End::Accepts(Box::new(Accepts {
                    entity: Arc::clone(entity),
                    session,
                    deadline: now + wait,
                    attach: Reply::to(attach),
                    deletes,
                    credit: 0,
                    drain: false,
                })))
            }
        }
    }

    pub(super) fn detach(
        &mut self,
        channel: u16,
        handle: u32,
        closed: bool,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let Self { sessions, output, .. } = self;
        let Some(session) = sessions.get_mut(&channel) else { return Ok(()) };
        let Some(mut link) = session.links.remove(&handle) else {
            return Err(unattached(handle));
        };
        session.forget(handle);
        if let End::Receives(Receives { partial: Some(partial), .. }) = &link.end {
            self.partial_bytes = self.partial_bytes.saturating_sub(partial.payload.len());
        }
        // An answer to the answer would hang the SDK for JavaScript.
        if matches!(link.end, End::Detached) {
            return Ok(());
        }
        if let End::Accepts(accepts) = &link.end {
            // A detach needs an attach before it.
            accepts.attach.clone().refusing().send(channel, None, 0, output);
        }
        link.release(now);
        let detach = vec![Value::Uint(handle), Value::Boolean(closed)];
        output.send(channel, &Value::described_list(0x16, detach), b"");
        Ok(())
    }
}

pub(super) fn unattached(handle: u32) -> Failure {
    let reason = format!("no link has the handle {handle}");
    Failure::Session(AmqpError::new(condition::UNATTACHED_HANDLE, reason))
}

/// What an error has failed: a fault, where there is one.
pub(super) const fn check(plan: &Plan, otherwise: Check) -> Check {
    if plan.ending.is_some() { Check::Fault } else { otherwise }
}
impl Link {
    /// A link that is detached, or that was never there for the client.
    const fn silent(name: Box<str>) -> Self {
        let address = Address { path: Vec::new(), entity: String::new(), place: Place::Cbs };
        Self { name, address, grant: None, end: End::Detached }
    }
}

impl End {
    fn responses(reply_to: &str) -> Self {
        Self::Sends(Box::new(Sends {
            source: Source::Responses(VecDeque::new()),
            reply_to: reply_to.into(),
            delivery_count: 0,
            credit: 0,
            drain: false,
        }))
    }

    const fn receives(target: Target, attach: &Attach) -> Self {
        Self::Receives(Receives {
            target,
            delivery_count: attach.initial_delivery_count,
            credit: 0,
            partial: None,
        })
    }
}

impl Session {
    /// Refuses a link: an attach without what was asked for, then a detach that says why.
    pub(super) fn refuse(&mut self, reply: Reply, error: &AmqpError, output: &mut Output) {
        let (handle, name) = (reply.handle, reply.name.clone());
        reply.refusing().send(self.channel, None, 0, output);
        self.links.insert(handle, Link::silent(name));
        let detach = vec![Value::Uint(handle), Value::Boolean(true), error.to_value()];
        output.send(self.channel, &Value::described_list(0x16, detach), b"");
    }
}
