//! The latest requests, for those who ask what was sent and what became of it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::broker::{Form, Timestamp};
use crate::http::{Head, Headers, Peer};

/// How many requests are kept. The headers of a stored message live as long as its request here.
const CAPACITY: usize = 4096;

/// What a request has to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The length of its body is told, and is not beyond all limits.
    Body,
    /// Method and path name an operation.
    Path,
    /// There is such a namespace, and in it such an entity.
    Entity,
    /// The token is good for it.
    Authorization,
    /// What is sent is a message, or a batch of them, that the entity takes.
    Message,
    /// The entity can be received from; the lock holds.
    Receipt,
    /// No armed fault is in its way.
    Fault,
}

impl Check {
    /// Its name in the admin API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Path => "path",
            Self::Entity => "entity",
            Self::Authorization => "authorization",
            Self::Message => "message",
            Self::Receipt => "receipt",
            Self::Fault => "fault",
        }
    }
}

/// A request with what became of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Given by the journal: 1 is the first request of all.
    pub number: u64,
    /// When it was done with.
    pub at: Timestamp,
    /// What was asked.
    pub asked: Asked,
    /// The status that was answered, if any was. AMQP has none.
    pub status: Option<u16>,
    /// The condition of the error that was answered over AMQP.
    pub condition: Option<Box<str>>,
    /// What it did not pass, if anything.
    pub failed: Option<Check>,
    /// What became of it.
    pub verdict: String,
    /// The form of a send.
    pub form: Option<Form>,
}

/// A request, in the terms of its protocol.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The head of a request.
    Http(Head),
    /// What a client wanted on a link.
    Amqp(AmqpRequest),
}

/// What a client wanted over AMQP.
#[derive(Clone, Debug)]
pub struct AmqpRequest {
    /// As in `attach`, `send` or `complete`.
    pub operation: Box<str>,
    /// The address of the link.
    pub address: Box<str>,
    /// The host that the client asked for.
    pub host: Box<str>,
    /// Who asks.
    pub peer: Arc<Peer>,
}

impl Asked {
    /// `http` or `amqp`.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Amqp(_) => "amqp",
        }
    }

    /// The method of HTTP, the operation of AMQP.
    #[must_use]
    pub fn operation(&self) -> &str {
        match self {
            Self::Http(head) => head.method.as_str(),
            Self::Amqp(request) => &request.operation,
        }
    }

    /// Path and query of HTTP, the address of AMQP.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::Http(head) => &head.target,
            Self::Amqp(request) => &request.address,
        }
    }

    /// The host that the client asked for.
    #[must_use]
    pub fn authority(&self) -> &str {
        match self {
            Self::Http(head) => &head.authority,
            Self::Amqp(request) => &request.host,
        }
    }

    /// The headers of HTTP.
    #[must_use]
    pub fn headers(&self) -> Option<&Headers> {
        match self {
            Self::Http(head) => Some(&head.headers),
            Self::Amqp(_) => None,
        }
    }

    /// Who asks.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        match self {
            Self::Http(head) => &head.peer,
            Self::Amqp(request) => &request.peer,
        }
    }
}

/// The latest requests.
#[derive(Debug, Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
    hidden: usize,
    last_number: u64,
}

impl Journal {
    /// Notes a request and numbers it.
    pub fn note(&mut self, mut entry: Entry) {
        self.last_number += 1;
        entry.number = self.last_number;
        if self.entries.len() == CAPACITY {
            self.entries.pop_front();
            self.hidden = self.hidden.saturating_sub(1);
        }
        self.entries.push_back(entry);
    }

    /// The latest `limit` requests, oldest first.
    pub fn latest(&self, limit: usize) -> impl DoubleEndedIterator<Item = &Entry> {
        let shown = self.entries.len() - self.hidden;
        self.entries.iter().skip(self.hidden + shown.saturating_sub(limit))
    }

    /// Hides what is there so far. It is not forgotten: messages still show their headers.
    pub fn hide(&mut self) {
        self.hidden = self.entries.len();
    }
}
