//! What time alone brings.

use std::time::Duration;

use super::link::{End, Link, Source};
use super::open::IDLE_MILLIS;
use super::{Connection, Phase, deliver};
use crate::amqp::error::{AmqpError, condition};
use crate::broker::Timestamp;

/// How long a client has to open, or to take what is left and go.
const OPENING: Duration = Duration::from_secs(30);
/// A peer that says nothing for twice as long as it may is gone.
const SILENCE: Duration = Duration::from_millis(2 * IDLE_MILLIS as u64);

impl Connection {
    /// When time alone brings something next.
    #[must_use]
    pub fn next_wakeup(&self) -> Timestamp {
        let end = match self.phase {
            Phase::Running => self.last_received + SILENCE,
            _ => self.since + OPENING,
        };
        let mut next = end.min(self.output.next_heartbeat());
        if let Some(delayed) = &self.delayed {
            next = next.min(delayed.until);
        }
        if let Some(until) = self.output.held_until() {
            next = next.min(until);
        }
        if self.is_congested() {
            return next;
        }
        for session in self.sessions.values() {
            for link in session.links.values() {
                next = next.min(link.next_wakeup(session.can_send()));
            }
        }
        next
    }

    /// Ends what has lasted too long: the peer's silence, tokens, locks of sessions.
    pub(super) fn keep_time(&mut self, now: Timestamp) {
        if self.last_received + SILENCE <= now {
            let reason = "the connection was silent for longer than idle-time-out";
            self.close(&AmqpError::new(condition::CONNECTION_FORCED, reason), now);
            return;
        }
        let Self { sessions, output, tokens, about, .. } = self;
        for session in sessions.values_mut() {
            let mut ended = Vec::new();
            for (handle, link) in &mut session.links {
                if let Some((right, until)) = link.grant
                    && until <= now
                {
                    let trusted = about.service.trusted().lock();
                    match tokens.authorize(&link.address, right, &about.host, &trusted, now) {
                        Ok(until) => link.grant = Some((right, until)),
                        Err(error) => ended.push((*handle, error)),
                    }
                }
                if let End::Sends(sends) = &link.end
                    && let Source::Queue { entity, session: Some(lock), .. } = &sends.source
                    && entity.queue.lock().session_held_until(lock, now).is_err()
                {
                    ended.push((*handle, deliver::session_lost()));
                }
            }
            for (handle, error) in ended {
                session.send_detach(handle, &error, output, now);
            }
        }
    }

    /// Whether the client has taken too long to open, or to go.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.phase != Phase::Running && self.since + OPENING <= now
    }
}

impl Link {
    fn next_wakeup(&self, can_send: bool) -> Timestamp {
        let granted = self.grant.map_or(Timestamp::NEVER, |(_, until)| until);
        let change = match &self.end {
            End::Accepts(accepts) => {
                accepts.entity.queue.lock().next_change().min(accepts.deadline)
            }
            End::Sends(sends) => match &sends.source {
                // Else nobody would look, and the time would stay the next one.
                Source::Queue { entity, session, .. }
                    if (sends.credit > 0 && can_send) || session.is_some() =>
                {
                    entity.queue.lock().next_change()
                }
                _ => Timestamp::NEVER,
            },
            End::Receives(_) | End::Detached => Timestamp::NEVER,
        };
        granted.min(change)
    }
}
