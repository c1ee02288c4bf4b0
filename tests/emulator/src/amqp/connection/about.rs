//! Whom a connection is with, and what of it goes in the journal.

use std::sync::Arc;

use crate::amqp::error::{AmqpError, condition};
use crate::broker::{Form, Timestamp};
use crate::http::Peer;
use crate::service::{AmqpRequest, Asked, Check, Entry, Operation, Plan, Service};

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
    /// The faults that a request is in for.
    pub(super) fn draw(&self, entity: &str, operation: Operation) -> Plan {
        self.service.faults().lock().draw(entity, operation)
    }

    /// Notes a request that a fault has met, and in words what became of it.
    pub(super) fn note_fault(&self, wanted: Wanted<'_>, words: &str, now: Timestamp) {
        self.write(wanted, None, Some(Check::Fault), words, now);
    }

    /// Notes what became of it: in words, or the error that the client was told.
    pub(super) fn note(
        &self,
        wanted: Wanted<'_>,
        outcome: Result<&str, &AmqpError>,
        now: Timestamp,
    ) {
        let failed = outcome.err().map(|error| match (wanted.check, &*error.condition) {
            (Check::Fault, _) => Check::Fault,
            (_, condition::UNAUTHORIZED) => Check::Authorization,
            (_, condition::NOT_FOUND) => Check::Entity,
            (check, _) => check,
        });
        let condition = outcome.err().map(|error| error.condition.clone());
        let words = outcome.unwrap_or_else(|error| &error.description);
        self.write(wanted, condition, failed, words, now);
    }

    fn write(
        &self,
        wanted: Wanted<'_>,
        condition: Option<Box<str>>,
        failed: Option<Check>,
        words: &str,
        now: Timestamp,
    ) {
        let Wanted { operation, address, form, .. } = wanted;
        let request = AmqpRequest {
            operation: operation.into(),
            address: address.into(),
            host: self.host.as_str().into(),
            peer: Arc::clone(&self.peer),
        };
        self.service.journal().lock().note(Entry {
            number: 0,
            at: now,
            asked: Asked::Amqp(request),
            status: None,
            condition,
            failed,
            verdict: words.to_owned(),
            form,
        });
    }
}
