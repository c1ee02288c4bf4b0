//! Links that wait for a session.

use std::sync::Arc;

use uuid::Uuid;

use super::about::{About, Wanted};
use super::link::{End, Sends, Source};
use super::output::Output;
use super::session::Session;
use crate::amqp::codec::Value;
use crate::amqp::error::{AmqpError, condition};
use crate::broker::{QueueEntity, SessionHeld, SessionLock, SubQueue, Timestamp};
use crate::service::Check;

const SESSION_FILTER: &str = "com.microsoft:session-filter";

/// The session that a source asks for: null or a string, described or not.
pub(super) fn session_filter(source: &Value) -> Option<&Value> {
    let (_, Value::List(fields)) = source.described()? else { return None };
    fields.get(7)?.get(SESSION_FILTER)
}

impl Session {
    /// Locks the session that a link waits for, or gives it up. Says what became of it.
    pub(super) fn try_accept(
        &mut self,
        handle: u32,
        about: &About,
        output: &mut Output,
        now: Timestamp,
    ) {
        let max_message_size = about.service.tier().max_message_bytes();
        let Some(link) = self.links.get_mut(&handle) else { return };
        let End::Accepts(accepts) = &mut link.end else { return };
        let accepted = accept(&accepts.entity, accepts.session.as_deref(), accepts.deadline, now);
        let address = link.address.path.join("/");
        let wanted =
            Wanted { operation: "attach", address: &address, form: None, check: Check::Receipt };
        match accepted {
            Ok(None) => {}
            Ok(Some((lock, until))) => {
                about.note(wanted, Ok(&format!("the client holds the session '{}'", lock.id)), now);
                let mut reply = accepts.attach.clone();
                reply.name_session(&lock.id);
                let sends = Sends {
                    source: Source::Queue {
                        entity: Arc::clone(&accepts.entity),
                        part: SubQueue::Main,
                        session: Some(lock),
                        deletes: accepts.deletes,
                    },
                    reply_to: Box::default(),
                    delivery_count: 0,
                    credit: accepts.credit,
                    drain: accepts.drain,
                };
                reply.send(self.channel, Some(until), max_message_size, output);
                link.end = End::Sends(Box::new(sends));
            }
            Err(error) => {
                about.note(wanted, Err(&error), now);
                let reply = accepts.attach.clone();
                self.refuse(reply, &error, output);
            }
        }
    }
}

fn accept(
    entity: &QueueEntity,
    session: Option<&str>,
    deadline: Timestamp,
    now: Timestamp,
) -> Result<Option<(SessionLock, Timestamp)>, AmqpError> {
    match entity.queue.lock().accept_session(session, Uuid::new_v4(), now) {
        Ok(None) if now >= deadline => Err(AmqpError::new(
            condition::TIMEOUT,
            "The operation did not complete within the allotted timeout: no session is available.",
        )),
        Ok(accepted) => Ok(accepted),
        Err(SessionHeld) => Err(AmqpError::new(
            condition::SESSION_CANNOT_BE_LOCKED,
            format!(
                "The requested session '{}' cannot be accepted. It may be locked by another \
                 receiver.",
                session.unwrap_or_default()
            ),
        )),
    }
}
