//! How clients settle what they received.

use super::about::Wanted;
use super::link::Link;
use super::output::Output;
use super::session::{Session, Unsettled};
use super::{Connection, Failure, deliver, faults};
use crate::amqp::codec::Value;
use crate::amqp::error::{AmqpError, condition};
use crate::amqp::message;
use crate::amqp::performative::Disposition;
use crate::broker::{DeadLetter, Modified, SettleError, Settlement, Timestamp};
use crate::service::{Check, Ending, Plan};

impl Connection {
    pub(super) fn disposition(
        &mut self,
        channel: u16,
        disposition: Disposition,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let Self { sessions, output, about, .. } = self;
        let Some(session) = sessions.get_mut(&channel) else { return Ok(()) };
        // What this end sent to a sender is settled already.
        if !disposition.is_receiver || disposition.first > disposition.last {
            return Ok(());
        }
        let ids: Vec<u32> = session
            .unsettled
            .range(disposition.first..=disposition.last)
            .map(|(id, _)| *id)
            .collect();
        let settlement = settlement(&disposition.state);
        let mut answers = Answers::default();
        for id in ids {
            let outcome = match &settlement {
                // Only a note that the delivery was seen.
                Ok(None) if !disposition.settled => continue,
                Ok(None) => Ok(Settlement::Release),
                Ok(Some(settlement)) => Ok(settlement.clone()),
                Err(error) => Err(error.clone()),
            };
            let Some(unsettled) = session.unsettled.remove(&id) else { continue };
            let operation = outcome.as_ref().map_or("settle", Settlement::operation);
            let wanted = Wanted {
                operation,
                address: &unsettled.entity.path,
                form: None,
                check: Check::Receipt,
            };
            if plan.loses_lock {
                unsettled.lose_lock(session, now);
            }
            let mut settled = match plan.carries_out() {
                true => outcome.and_then(|settlement| unsettled.settle(settlement, now)),
                false => Ok(()),
            };
            match (&settled, &plan.ending) {
                (Ok(()), Some(ending)) => {
                    about.note_fault(wanted, &faults::name(ending), now);
                    settled = faults::refusal(ending).map_or(Ok(()), Err);
                }
                _ => about.note(wanted, settled.as_ref().map(|()| "settled"), now),
            }
            if matches!(plan.ending, Some(Ending::Stall { .. } | Ending::Reset(_))) {
                continue;
            }
            if !disposition.settled {
                let state = match settled {
                    Ok(()) => outcome_without_error(&disposition.state),
                    Err(error) => Value::described_list(0x25, vec![error.to_value()]),
                };
                answers.add(id, state, session, output);
            }
        }
        answers.send(session, output);
        if matches!(plan.ending, Some(Ending::Reset(_))) {
            self.reset(false, now);
        }
        Ok(())
    }
}

impl Unsettled {
    /// Ends its lock, which is that of its session where there is one.
    pub(super) fn lose_lock(&self, session: &Session, now: Timestamp) {
        let lock = session.links.get(&self.handle).and_then(Link::session_lock);
        {
            let mut queue = self.entity.queue.lock();
            // It may be lost already.
            let _ = match lock {
                Some(lock) if self.has_session => queue.lose_session(lock, now),
                _ => queue.lose_lock(self.part, self.token, now),
            };
        }
        self.entity.announce();
    }

    fn settle(&self, settlement: Settlement, now: Timestamp) -> Result<(), AmqpError> {
        let settled = self.entity.queue.lock().settle(self.part, self.token, settlement, now);
        self.entity.announce();
        settled.map_err(|error| match error {
            SettleError::LockLost if self.has_session => deliver::session_lost(),
            error => settle_error(error),
        })
    }
}

/// What a client is told.
pub(in crate::amqp) fn settle_error(error: SettleError) -> AmqpError {
    match error {
        SettleError::LockLost => AmqpError::new(
            condition::MESSAGE_LOCK_LOST,
            "The lock supplied is invalid. Either the lock expired, or the message has already \
             been removed from the queue.",
        ),
        SettleError::InDeadLetterQueue => AmqpError::new(
            condition::NOT_ALLOWED,
            "A message of a dead-letter queue cannot be dead-lettered.",
        ),
    }
}

/// What a delivery state asks for; `None` if it is no outcome.
pub(super) fn settlement(state: &Value) -> Result<Option<Settlement>, AmqpError> {
    let Some((code, Value::List(fields))) = state.described() else { return Ok(None) };
    let flag = |index: usize| matches!(fields.get(index), Some(Value::Boolean(true)));
    Ok(Some(match code {
        0x24 => Settlement::Complete,
        0x25 => {
            let info = fields.first().and_then(Value::described);
            let info = info.and_then(|(_, error)| error.as_elements()?.get(2));
            let text = |name| info?.get(name)?.as_text().map(Into::into);
            let why = DeadLetter {
                reason: text("DeadLetterReason"),
                description: text("DeadLetterErrorDescription"),
            };
            let own =
                |name: &str| !matches!(name, "DeadLetterReason" | "DeadLetterErrorDescription");
            Settlement::DeadLetter(why, modified(info, own)?)
        }
        0x26 => Settlement::Release,
        0x27 if flag(1) => Settlement::Defer(modified(fields.get(2), |_| true)?),
        0x27 => Settlement::Abandon(modified(fields.get(2), |_| true)?),
        0x34 | 0x35 => {
            return Err(AmqpError::new(
                condition::NOT_IMPLEMENTED,
                "Transactions are not supported by this emulator.",
            ));
        }
        _ => return Ok(None),
    }))
}

/// Application properties that a receiver changes.
pub(in crate::amqp) fn modified(
    map: Option<&Value>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Modified, AmqpError> {
    let Some(Value::Map(entries)) = map else { return Ok(Vec::new()) };
    let mut modified = Vec::new();
    for (name, value) in entries {
        let Some(name) = name.as_text().filter(|name| wanted(name)) else { continue };
        let value = message::from_value(value).ok_or_else(|| {
            let reason = format!("The property '{name}' is a list, a map or an array.");
            AmqpError::new(condition::ARGUMENT_ERROR, reason)
        })?;
        modified.push((name.into(), value));
    }
    Ok(modified)
}

/// The outcome as the client named it. SDKs take any error in it for a failure.
fn outcome_without_error(state: &Value) -> Value {
    match state.described() {
        Some((0x27, Value::List(fields))) => {
            Value::described_list(0x27, fields.iter().take(2).cloned().collect())
        }
        Some((code, _)) => Value::described_list(code, vec![]),
        None => Value::Null,
    }
}

/// Answers of consecutive deliveries that are alike go out as one.
#[derive(Default)]
struct Answers(Option<(u32, u32, Value)>);

impl Answers {
    fn add(&mut self, id: u32, state: Value, session: &Session, output: &mut Output) {
        match &mut self.0 {
            Some((_, last, same)) if last.wrapping_add(1) == id && *same == state => *last = id,
            _ => {
                self.send(session, output);
                self.0 = Some((id, id, state));
            }
        }
    }

    fn send(&mut self, session: &Session, output: &mut Output) {
        let Some((first, last, state)) = self.0.take() else { return };
        let disposition = vec![
            Value::Boolean(false),
            Value::Uint(first),
            Value::Uint(last),
            Value::Boolean(true),
            state,
        ];
        output.send(session.channel, &Value::described_list(0x15, disposition), b"");
    }
}
