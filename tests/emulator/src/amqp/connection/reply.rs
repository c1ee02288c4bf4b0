//! The attach that answers an attach.

use super::link::Reply;
use super::output::Output;
use crate::amqp::codec::Value;
use crate::amqp::performative::Attach;
use crate::broker::Timestamp;

impl Reply {
    pub(super) fn to(attach: &Attach) -> Self {
        Self {
            name: attach.name.clone(),
            handle: attach.handle,
            is_receiver: attach.is_receiver,
            snd_settle_mode: attach.snd_settle_mode,
            rcv_settle_mode: attach.rcv_settle_mode,
            source: attach.source.clone(),
            target: attach.target.clone(),
        }
    }

    /// Without what this end was asked for, as the answer to a link that is then detached.
    pub(super) fn refusing(mut self) -> Self {
        if self.is_receiver {
            self.source = Value::Null;
        } else {
            self.target = Value::Null;
        }
        self
    }

    /// Writes the session that was accepted where the client asked for one, in the client's form:
    /// Go reads a described string alone, .NET a bare one.
    pub(super) fn name_session(&mut self, id: &str) {
        let Value::Described(source) = &mut self.source else { return };
        let Value::List(fields) = &mut source.1 else { return };
        let Some(Value::Map(filters)) = fields.get_mut(7) else { return };
        for (name, value) in filters {
            if name.as_text() == Some("com.microsoft:session-filter") {
                match value {
                    Value::Described(parts) => parts.1 = Value::string(id),
                    plain => *plain = Value::string(id),
                }
            }
        }
    }

    /// Sends the answer. `locked_until` is that of a session.
    pub(super) fn send(
        self,
        channel: u16,
        locked_until: Option<Timestamp>,
        max_message_size: usize,
        output: &mut Output,
    ) {
        // The other side's role.
        let sends = self.is_receiver;
        let max_message_size = u64::try_from(max_message_size).unwrap_or(u64::MAX);
        let mut properties = Vec::new();
        if let Some(until) = locked_until {
            properties.push(("com.microsoft:locked-until-utc", Value::Long(ticks(until))));
        }
        if !sends {
            let size = Value::Ulong(max_message_size);
            properties.push(("com.microsoft:max-message-batch-size", size));
        }
        let properties = match properties.is_empty() {
            true => Value::Null,
            false => Value::symbol_map(properties),
        };
        let attach = vec![
            Value::String(self.name),
            Value::Uint(self.handle),
            Value::Boolean(!sends),
            Value::Ubyte(self.snd_settle_mode),
            Value::Ubyte(self.rcv_settle_mode),
            self.source,
            self.target,
            Value::Null,
            Value::Null,
            if sends { Value::Uint(0) } else { Value::Null },
            Value::Ulong(max_message_size),
            Value::Null,
            Value::Null,
            properties,
        ];
        output.send(channel, &Value::described_list(0x12, attach), b"");
    }
}

/// .NET's count of time: tenths of microseconds since the year 1.
fn ticks(moment: Timestamp) -> i64 {
    const EPOCH: i64 = 621_355_968_000_000_000;
    let millis = i64::try_from(moment.unix_millis()).unwrap_or(i64::MAX);
    millis.saturating_mul(10_000).saturating_add(EPOCH)
}
