//! Credit of links and windows of sessions.

use super::attach::unattached;
use super::link::{End, Link, Sends};
use super::output::Output;
use super::session::{FIRST_ID, Session};
use super::{Connection, Failure};
use crate::amqp::codec::Value;
use crate::amqp::performative::Flow;

/// What a client may send before it gets more.
pub(super) const CREDIT: u32 = 1000;

impl Connection {
    pub(super) fn flow(&mut self, channel: u16, flow: &Flow) -> Result<(), Failure> {
        let Self { sessions, output, .. } = self;
        let Some(session) = sessions.get_mut(&channel) else { return Ok(()) };
        // Before the client has seen our begin, it counts from our first transfer.
        let next = flow.next_incoming_id.unwrap_or(FIRST_ID);
        let in_flight = session.next_outgoing_id.wrapping_sub(next);
        session.remote_window = flow.incoming_window.saturating_sub(in_flight);
        session.flush(output);
        let Some(handle) = flow.handle else {
            if flow.echo {
                session.send_flow(None, output);
            }
            return Ok(());
        };
        let Some(link) = session.links.get_mut(&handle) else { return Err(unattached(handle)) };
        let credit = flow.link_credit.unwrap_or(0);
        match &mut link.end {
            End::Sends(sends) => {
                let seen = flow.delivery_count.unwrap_or(0);
                let in_flight = sends.delivery_count.wrapping_sub(seen);
                sends.credit = credit.saturating_sub(in_flight);
                sends.drain |= flow.drain;
                if flow.echo && !flow.drain {
                    let state = sends.state(handle, false);
                    session.send_flow(Some(state), output);
                }
            }
            End::Accepts(accepts) => {
                accepts.credit = credit;
                accepts.drain = flow.drain;
            }
            End::Receives(_) if flow.echo => session.grant_credit(handle, output),
            End::Receives(_) | End::Detached => {}
        }
        Ok(())
    }
}

impl Sends {
    /// The fields of a flow that are about the link.
    pub(super) const fn state(&self, handle: u32, drained: bool) -> [Value; 5] {
        [
            Value::Uint(handle),
            Value::Uint(self.delivery_count),
            Value::Uint(self.credit),
            Value::Uint(0),
            Value::Boolean(drained),
        ]
    }
}

impl Session {
    /// Lets the client send as much as it may.
    pub(super) fn grant_credit(&mut self, handle: u32, output: &mut Output) {
        let Some(Link { end: End::Receives(receives), .. }) = self.links.get_mut(&handle) else {
            return;
        };
        receives.credit = CREDIT;
        let state = [
            Value::Uint(handle),
            Value::Uint(receives.delivery_count),
            Value::Uint(CREDIT),
            Value::Uint(0),
            Value::Boolean(false),
        ];
        self.send_flow(Some(state), output);
    }
}
