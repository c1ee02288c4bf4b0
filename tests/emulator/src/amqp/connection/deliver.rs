//! Deliveries. A message is locked only when there are credit and window for it.

use bytes::Bytes;
use uuid::Uuid;

use super::about::{About, Wanted};
use super::link::{End, Source};
use super::output::Output;
use super::session::{Session, Unsettled};
use super::{Connection, MAX_WAITING_BYTES, OUTPUT_HIGH, faults};
use crate::amqp::error::{AmqpError, condition};
use crate::amqp::message;
use crate::broker::{Delivery, LockLost, MessageState, Mode, Source as BrokerSource, Timestamp};
use crate::service::{Check, Ending, Moment, Operation};

impl Connection {
    /// Hands out what is there, as far as credit and windows allow.
    pub(super) fn deliver(&mut self, now: Timestamp) {
        let Self { sessions, output, about, .. } = self;
        let mut unsent: usize = sessions.values().map(Session::waiting_bytes).sum();
        for session in sessions.values_mut().filter(|session| !session.is_ended()) {
            let waiting = session.links.iter().filter(|(_, link)| link.waits());
            let handles: Vec<u32> = waiting.map(|(handle, _)| *handle).collect();
            for handle in handles {
                session.try_accept(handle, about, output, now);
                while unsent < MAX_WAITING_BYTES && session.deliver_one(handle, about, output, now)
                {
                    unsent += session.waiting_bytes();
                }
                session.answer_drain(handle, output);
            }
        }
    }
}

impl Session {
    /// Delivers one message on a link. False if there is none, or no room for it.
    fn deliver_one(
        &mut self,
        handle: u32,
        about: &About,
        output: &mut Output,
        now: Timestamp,
    ) -> bool {
        if !self.can_send() || output.len() > OUTPUT_HIGH {
            return false;
        }
        let Some(link) = self.links.get_mut(&handle) else { return false };
        let End::Sends(sends) = &mut link.end else { return false };
        if sends.credit == 0 {
            return false;
        }
        let (delivery, unsettled) = match &mut sends.source {
            Source::Responses(responses) => {
                let Some(response) = responses.pop_front() else { return false };
                sends.count();
                let tag = sends.delivery_count.to_be_bytes();
                self.deliver(handle, &tag, true, &response, output);
                return true;
            }
            Source::Queue { entity, part, session, deletes } => {
                let token = Uuid::new_v4();
                let mode = if *deletes { Mode::Delete } else { Mode::Lock(token) };
                let source = BrokerSource { part: *part, session: session.as_ref() };
                let received = entity.queue.lock().receive(source, mode, now);
                match received {
                    Ok(Some(delivery)) => {
                        let unsettled = Unsettled {
                            handle,
                            entity: entity.clone(),
                            part: *part,
                            token,
                            has_session: session.is_some(),
                        };
                        (delivery, (!*deletes).then_some(unsettled))
                    }
                    Ok(None) => return false,
                    Err(LockLost) => {
                        self.send_detach(handle, &session_lost(), output, now);
                        return false;
                    }
                }
            }
        };
        sends.count();
        let Delivery { stored, lock } = delivery;
        let operation = if lock.is_some() { "peek_lock" } else { "receive_and_delete" };
        let address = link.address.path.join("/");
        let wanted = Wanted { operation, address: &address, form: None, check: Check::Receipt };
        about.note(wanted, Ok(&format!("delivered {}", stored.message.broker.message_id)), now);
        let operation =
            if lock.is_some() { Operation::PeekLock } else { Operation::ReceiveAndDelete };
        let plan = about.draw(&link.address.entity, operation);
        if let Some(ending @ Ending::Stall { .. }) = &plan.ending {
            about.note_fault(wanted, &faults::name(ending), now);
            return true;
        }
        let deliveries = stored.delivery_count.saturating_sub(1);
        let until = lock.map(|(_, until)| until);
        let payload = message::encode(&stored, MessageState::Active, deliveries, until);
        let token = lock.map_or_else(Uuid::new_v4, |(token, _)| token);
        let settled = unsettled.is_none();
        let id = self.deliver(handle, &token.to_bytes_le(), settled, &payload, output);
        if let Some(unsettled) = unsettled {
            if plan.loses_lock {
                unsettled.lose_lock(self, now);
            }
            self.unsettled.insert(id, unsettled);
        }
        if !plan.delay.is_zero() {
            output.hold_until(now + plan.delay);
        }
        match &plan.ending {
            Some(Ending::Reset(_)) => {
                about.note_fault(wanted, &faults::name(&Ending::Reset(Moment::AfterHeaders)), now);
                output.reset();
                return false;
            }
            Some(ending @ Ending::Status { .. }) => {
                about.note_fault(wanted, &faults::name(ending), now);
                if let Some(error) = faults::refusal(ending) {
                    self.send_detach(handle, &error, output, now);
                }
            }
            Some(Ending::Stall { .. }) | None => {}
        }
        true
    }

    /// Tells a client that wants its credit used up that there is nothing more.
    fn answer_drain(&mut self, handle: u32, output: &mut Output) {
        // What is ready goes before the answer.
        if !self.can_send() || output.len() > OUTPUT_HIGH {
            return;
        }
        let Some(link) = self.links.get_mut(&handle) else { return };
        let End::Sends(sends) = &mut link.end else { return };
        if !std::mem::take(&mut sends.drain) {
            return;
        }
        sends.delivery_count = sends.delivery_count.wrapping_add(sends.credit);
        sends.credit = 0;
        let state = sends.state(handle, true);
        self.send_flow(Some(state), output);
    }

    /// Puts an answer on a link.
    pub(super) fn respond(&mut self, handle: u32, response: Bytes) {
        if let Some(link) = self.links.get_mut(&handle)
            && let End::Sends(sends) = &mut link.end
            && let Source::Responses(responses) = &mut sends.source
        {
            responses.push_back(response);
        }
    }
}

impl super::link::Link {
    /// How many bytes of answers the client has left unread.
    pub(super) fn response_bytes(&self) -> usize {
        match &self.end {
            End::Sends(sends) => match &sends.source {
                // An answer takes more than its bytes.
                Source::Responses(responses) => {
                    responses.iter().map(|response| response.len() + 64).sum()
                }
                Source::Queue { .. } => 0,
            },
            _ => 0,
        }
    }

    /// Whether the client waits for anything from this end.
    fn waits(&self) -> bool {
        match &self.end {
            End::Sends(sends) => sends.credit > 0 || sends.drain,
            End::Accepts(_) => true,
            End::Receives(_) | End::Detached => false,
        }
    }
}

impl super::link::Sends {
    const fn count(&mut self) {
        self.credit = self.credit.saturating_sub(1);
        self.delivery_count = self.delivery_count.wrapping_add(1);
    }
}

pub(super) fn session_lost() -> AmqpError {
    AmqpError::new(
        condition::SESSION_LOCK_LOST,
        "The session lock has expired on the MessageSession. Accept a new MessageSession.",
    )
}
