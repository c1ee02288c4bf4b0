//! Links.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::amqp::codec::Value;
use crate::amqp::node::Address;
use crate::auth::Right;
use crate::broker::{Entity, QueueEntity, SessionLock, SubQueue, Timestamp};

/// A link by its handle.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: Box<str>,
    pub(super) address: Address,
    /// The right that it needs, and until when it is granted; `$cbs` needs none.
    pub(super) grant: Option<(Right, Timestamp)>,
    pub(super) end: End,
}

impl Link {
    /// The lock on a session that the client holds through the link.
    pub(super) fn session_lock(&self) -> Option<&SessionLock> {
        match &self.end {
            End::Sends(sends) => match &sends.source {
                Source::Queue { session, .. } => session.as_ref(),
                Source::Responses(_) => None,
            },
            _ => None,
        }
    }
}

/// What this end does on a link.
#[derive(Debug)]
pub(super) enum End {
    /// The client sends.
    Receives(Receives),
    /// The client receives.
    Sends(Box<Sends>),
    /// The client waits for a session; its attach is not answered yet.
    Accepts(Box<Accepts>),
    /// This end has detached; the client's detach is to come, and is not answered.
    Detached,
}

/// Where messages that a client sends go.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Cbs,
    Management(Entity, SubQueue),
    Entity(Entity),
}

#[derive(Debug)]
pub(super) struct Receives {
    pub(super) target: Target,
    pub(super) delivery_count: u32,
    pub(super) credit: u32,
    pub(super) partial: Option<Partial>,
}

/// A message whose end is to come.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) delivery_id: u32,
    pub(super) format: u32,
    pub(super) settled: bool,
    pub(super) payload: Vec<u8>,
}

/// Where messages that a client receives come from.
#[derive(Debug)]
pub(super) enum Source {
    /// Answers to requests.
    Responses(VecDeque<Bytes>),
    Queue {
        entity: Arc<QueueEntity>,
        part: SubQueue,
        session: Option<SessionLock>,
        /// Receive-and-delete.
        deletes: bool,
    },
}

#[derive(Debug)]
pub(super) struct Sends {
    pub(super) source: Source,
    /// Where the client wants answers to: the address of its end.
    pub(super) reply_to: Box<str>,
    pub(super) delivery_count: u32,
    pub(super) credit: u32,
    pub(super) drain: bool,
}

/// A session that a client waits for.
#[derive(Debug)]
pub(super) struct Accepts {
    pub(super) entity: Arc<QueueEntity>,
    /// `None`: the next one that is free.
    pub(super) session: Option<Box<str>>,
    pub(super) deadline: Timestamp,
    pub(super) attach: Reply,
    pub(super) deletes: bool,
    pub(super) credit: u32,
    pub(super) drain: bool,
}

/// What an attach is answered with.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) name: Box<str>,
    pub(super) handle: u32,
    pub(super) is_receiver: bool,
    pub(super) snd_settle_mode: u8,
    pub(super) rcv_settle_mode: u8,
    pub(super) source: Value,
    pub(super) target: Value,
}
