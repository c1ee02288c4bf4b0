//! Faults on demand: which performative they meet, and how it ends.

use bytes::Bytes;

use super::link::{End, Target};
use super::{Connection, Phase, settle};
use crate::amqp::codec::Value;
use crate::amqp::error::AmqpError;
use crate::amqp::message::Sections;
use crate::amqp::node::{Address, Place};
use crate::amqp::performative::{self, Attach, Disposition, Performative, Transfer};
use crate::broker::{Settlement, Timestamp};
use crate::service::{Ending, Operation, Plan};

/// A performative that waits. What comes after it waits with it.
#[derive(Debug)]
pub(super) struct Delayed {
    pub(super) until: Timestamp,
    pub(super) channel: u16,
    pub(super) performative: Performative,
    pub(super) plan: Plan,
}

impl Connection {
    /// The faults that a performative is in for.
    pub(super) fn draw(&self, channel: u16, performative: &Performative) -> Plan {
        if self.about.service.faults().lock().is_empty() {
            return Plan::default();
        }
        let met = match performative {
            Performative::Attach(attach) => attached(attach),
            Performative::Transfer(transfer) => self.sent(channel, transfer),
            Performative::Disposition(disposition) => self.settled(channel, disposition),
            _ => None,
        };
        met.map(|(entity, operation)| self.about.draw(&entity, operation)).unwrap_or_default()
    }

    fn sent(&self, channel: u16, transfer: &Transfer) -> Option<(String, Operation)> {
        let link = self.sessions.get(&channel)?.links.get(&transfer.handle)?;
        let End::Receives(receives) = &link.end else { return None };
        if transfer.more || transfer.aborted {
            return None;
        }
        match &receives.target {
            Target::Cbs => None,
            Target::Entity(entity) => Some((entity.path().to_owned(), Operation::Send)),
            Target::Management(entity, _) => {
                let before = receives.partial.as_ref().map_or(&[][..], |partial| &partial.payload);
                let whole = Bytes::from([before, &transfer.payload].concat());
                Some((entity.path().to_owned(), requested(&whole)?))
            }
        }
    }

    fn settled(&self, channel: u16, disposition: &Disposition) -> Option<(String, Operation)> {
        let Disposition { first, last, state, .. } = disposition;
        if first > last {
            return None;
        }
        let session = self.sessions.get(&channel)?;
        let (_, unsettled) = session.unsettled.range(*first..=*last).next()?;
        let operation = match settle::settlement(state).ok()?? {
            Settlement::Complete => Operation::Complete,
            Settlement::Abandon(_) | Settlement::Release => Operation::Abandon,
            Settlement::Defer(_) => Operation::Defer,
            Settlement::DeadLetter(..) => Operation::DeadLetter,
        };
        Some((unsettled.entity.path.clone(), operation))
    }

    /// Resets the network connection, with or without what waits to be written.
    pub(super) fn reset(&mut self, writes_first: bool, now: Timestamp) {
        if !writes_first {
            self.output.clear();
        }
        self.end(now);
        self.resets = true;
    }

    /// Whether the connection is to be reset where it would end.
    #[must_use]
    pub const fn resets(&self) -> bool {
        self.resets && matches!(self.phase, Phase::Finished)
    }
}

fn attached(attach: &Attach) -> Option<(String, Operation)> {
    let own = if attach.is_receiver { &attach.source } else { &attach.target };
    let address = Address::parse(performative::address(own)?)?;
    (address.place != Place::Cbs).then_some((address.entity, Operation::Attach))
}

/// What `$management` is asked.
fn requested(payload: &Bytes) -> Option<Operation> {
    let (properties, _) = Sections::parse(payload).ok()?.application_properties?;
    let operation = properties.get("operation").and_then(Value::as_text)?;
    Some(match operation.strip_prefix("com.microsoft:")? {
        "renew-lock" | "renew-session-lock" => Operation::RenewLock,
        "schedule-message" => Operation::Send,
        _ => Operation::Manage,
    })
}

/// The error that a fault answers with, if it is one that answers.
pub(super) fn refusal(ending: &Ending) -> Option<AmqpError> {
    match ending {
        Ending::Status { condition, detail, .. } => {
            Some(AmqpError::new(condition, detail.as_str()))
        }
        Ending::Stall { .. } | Ending::Reset(_) => None,
    }
}

/// In the journal, after what became of the request.
pub(super) fn name(ending: &Ending) -> String {
    match ending {
        Ending::Status { condition, .. } => format!("fault: {condition}"),
        Ending::Stall { .. } => "fault: stall".to_owned(),
        Ending::Reset(_) => "fault: reset".to_owned(),
    }
}
