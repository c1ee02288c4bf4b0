//! What clients send: messages to entities, requests to `$cbs` and `$management`.

use bytes::Bytes;

use super::about::Wanted;
use super::attach::unattached;
use super::credit::CREDIT;
use super::link::{End, Link, Partial, Receives, Target};
use super::session::WINDOW;
use super::{Connection, Failure, MAX_PARTIAL_BYTES, faults};
use crate::amqp::codec::Value;
use crate::amqp::error::{AmqpError, condition};
use crate::amqp::message;
use crate::amqp::performative::Transfer;
use crate::broker::{Acceptance, Entity, Form, Timestamp};
use crate::service::{self, Check, Ending, Plan};

impl Connection {
    pub(super) fn transfer(
        &mut self,
        channel: u16,
        transfer: Transfer,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let max_message_size = self.about.service.tier().max_message_bytes();
        let Self { sessions, output, partial_bytes, .. } = self;
        let Some(session) = sessions.get_mut(&channel) else { return Ok(()) };
        session.next_incoming_id = session.next_incoming_id.wrapping_add(1);
        session.incoming_window = session.incoming_window.saturating_sub(1);
        if session.incoming_window < WINDOW / 2 {
            session.send_flow(None, output);
        }
        let handle = transfer.handle;
        let Some(link) = session.links.get_mut(&handle) else { return Err(unattached(handle)) };
        let receives = match &mut link.end {
            End::Receives(receives) => receives,
            // It was sent before the client saw the detach.
            End::Detached => return Ok(()),
            End::Sends(_) | End::Accepts(_) => {
                let reason = "a transfer came on a link on which the client receives";
                return Err(Failure::Session(AmqpError::new(condition::ERRANT_LINK, reason)));
            }
        };
        let Some(whole) = receives.add(transfer, partial_bytes)? else {
            let size = receives.partial.as_ref().map_or(0, |partial| partial.payload.len());
            if *partial_bytes > MAX_PARTIAL_BYTES {
                let reason = "too many messages were begun and not ended";
                let error = AmqpError::new(condition::RESOURCE_LIMIT_EXCEEDED, reason);
                return Err(Failure::Connection(error));
            }
            if size > max_message_size {
                *partial_bytes = partial_bytes.saturating_sub(size);
                let reason = format!("The message exceeds the limit of {max_message_size} bytes.");
                let error = AmqpError::new(condition::MESSAGE_SIZE_EXCEEDED, reason);
                session.send_detach(handle, &error, output, now);
            }
            return Ok(());
        };
        receives.delivery_count = receives.delivery_count.wrapping_add(1);
        // The SDK for Python ignores credit; that does no harm here.
        receives.credit = receives.credit.saturating_sub(1);
        let needs_credit = receives.credit < CREDIT / 2;
        let target = receives.target.clone();
        if needs_credit {
            session.grant_credit(handle, output);
        }
        let payload = Bytes::from(whole.payload);
        let mut outcome = match &target {
            Target::Entity(entity) => self.send(entity, &payload, whole.format, plan, now),
            Target::Cbs | Target::Management(..) => {
                self.request(channel, &target, &payload, plan, now)?
            }
        };
        // A fault must not hide that the request itself is wrong.
        if outcome.is_ok() {
            match &plan.ending {
                None => {}
                Some(Ending::Stall { .. }) => return Ok(()),
                Some(Ending::Reset(_)) => {
                    self.reset(false, now);
                    return Ok(());
                }
                Some(ending @ Ending::Status { .. }) => {
                    // Management answers with a message of its own.
                    if let (Target::Entity(_), Some(error)) = (&target, faults::refusal(ending)) {
                        outcome = Err(error);
                    }
                }
            }
        }
        if !whole.settled {
            let state = match outcome {
                Ok(()) => Value::described_list(0x24, vec![]),
                Err(error) => Value::described_list(0x25, vec![error.to_value()]),
            };
            let disposition = vec![
                Value::Boolean(true),
                Value::Uint(whole.delivery_id),
                Value::Null,
                Value::Boolean(true),
                state,
            ];
            self.output.send(channel, &Value::described_list(0x15, disposition), b"");
        }
        Ok(())
    }

    /// Stores what a transfer holds, unless a fault says otherwise, and notes it.
    fn send(
        &self,
        entity: &Entity,
        payload: &Bytes,
        format: u32,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), AmqpError> {
        let batch = format == message::BATCH_FORMAT;
        let form = Some(if batch { Form::AmqpBatch } else { Form::Amqp });
        let address = entity.path();
        let stored = match plan.carries_out() {
            true => self.store(entity, payload, format, now),
            false => Ok(Vec::new()),
        };
        let (check, words) = match (&stored, &plan.ending) {
            (Err(_), _) => (Check::Message, String::new()),
            (Ok(accepted), None) => (Check::Message, service::outcome(accepted)),
            (Ok(accepted), Some(ending)) if plan.carries_out() => {
                let stored = service::outcome(accepted);
                (Check::Fault, format!("{stored}, {}", faults::name(ending)))
            }
            (Ok(_), Some(ending)) => (Check::Fault, faults::name(ending)),
        };
        let wanted = Wanted { operation: "send", address, form, check };
        match (&stored, &plan.ending) {
            (Ok(_), Some(_)) => self.about.note_fault(wanted, &words, now),
            (Ok(_), None) => self.about.note(wanted, Ok(&words), now),
            (Err(error), _) => self.about.note(wanted, Err(error), now),
        }
        stored.map(drop)
    }

    /// Stores what a transfer holds: all of its messages, or none if one of them is wrong.
    fn store(
        &self,
        entity: &Entity,
        payload: &Bytes,
        format: u32,
        now: Timestamp,
    ) -> Result<Vec<Acceptance>, AmqpError> {
        let messages = message::parse(payload, format, self.about.service.tier())?;
        service::store(entity, messages, now)
            .map_err(|refusal| AmqpError::new(condition::NOT_ALLOWED, refusal.detail))
    }
}

impl Receives {
    /// Adds a part of a message. Gives the message when it is whole.
    fn add(
        &mut self,
        transfer: Transfer,
        partial_bytes: &mut usize,
    ) -> Result<Option<Partial>, Failure> {
        if transfer.aborted {
            if let Some(partial) = self.partial.take() {
                *partial_bytes = partial_bytes.saturating_sub(partial.payload.len());
            }
            return Ok(None);
        }
        let mut partial = match self.partial.take() {
            Some(partial) => {
                *partial_bytes = partial_bytes.saturating_sub(partial.payload.len());
                partial
            }
            None => Partial {
                delivery_id: transfer.delivery_id.ok_or_else(|| {
                    let reason = "the first transfer of a delivery has no delivery-id";
                    Failure::Connection(AmqpError::new(condition::DECODE_ERROR, reason))
                })?,
                format: transfer.format.unwrap_or(0),
                settled: false,
                payload: Vec::new(),
            },
        };
        partial.settled |= transfer.settled;
        partial.payload.extend_from_slice(&transfer.payload);
        if !transfer.more {
            return Ok(Some(partial));
        }
        *partial_bytes += partial.payload.len();
        self.partial = Some(partial);
        Ok(None)
    }
}

/// Where answers to a client's requests go: in the same session, to the link whose end or name is
/// the reply-to, else to the one at the same node.
pub(super) fn answers_to(link: &Link, reply_to: &str) -> bool {
    match &link.end {
        End::Sends(sends) => *sends.reply_to == *reply_to || *link.name == *reply_to,
        _ => false,
    }
}
