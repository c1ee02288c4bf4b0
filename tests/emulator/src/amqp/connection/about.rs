//! Whom a connection is with, and what of it goes in the journal.

use std::sync::Arc;

use crate::amqp::error::{AmqpError, condition};
use crate::broker::{Form, Timestamp};
use crate::http::Peer;
use crate::service::{AmqpRequest, Asked, Check, Entry, Service};

/// The emulator, the client, and the host that the client asked for.
#[derive(Debug)]
pub(super) struct About {
    pub(super) service: Arc<Service>,
    pub(super) peer: Arc<Peer>,
    /// Without port.
    pub(super) host: String,
}

/// What a client wanted to do, for the journal.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// As in `attach` or `complete`.
    pub(super) operation: &'a str,
    pub(super) address: &'a str,
    /// The form of a send.
    pub(super) form: Option<Form>,
    /// The check that an error fails if its condition does not tell.
    pub(super) check: Check,
}

impl About {
    /// Notes what became of it: in words, or the error that the client was told.
    pub(super) fn note(
        &self,
        wanted: Wanted<'_>,
        outcome: Result<&str, &AmqpError>,
        now: Timestamp,
    ) {
        let Wanted { operation, address, form, check } = wanted;
        let request = AmqpRequest {
            operation: operation.into(),
            address: address.into(),
            host: self.host.as_str().into(),
            peer: Arc::clone(&self.peer),
        };
        let failed = outcome.err().map(|error| match &*error.condition {
            condition::UNAUTHORIZED => Check::Authorization,
            condition::NOT_FOUND => Check::Entity,
            _ => check,
        });
        self.service.journal().lock().note(Entry {
            number: 0,
            at: now,
            asked: Asked::Amqp(request),
            status: None,
            condition: outcome.err().map(|error| error.condition.clone()),
            failed,
            verdict: outcome.unwrap_or_else(|error| &error.description).to_owned(),
            form,
        });
    }
}
