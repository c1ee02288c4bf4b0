//! Sessions: windows, links, and what is unsettled.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use super::link::{End, Link, Sends, Source};
use super::output::Output;
use crate::amqp::codec::Value;
use crate::amqp::error::AmqpError;
use crate::broker::{QueueEntity, SubQueue, Timestamp};

/// Transfers that a client may send before this end says how many more.
pub(super) const WINDOW: u32 = 5000;

/// The number of this end's first transfer.
pub(super) const FIRST_ID: u32 = 1;

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) channel: u16,
    pub(super) next_incoming_id: u32,
    pub(super) incoming_window: u32,
    pub(super) next_outgoing_id: u32,
    pub(super) remote_window: u32,
    next_delivery_id: u32,
    pub(super) links: BTreeMap<u32, Link>,
    pub(super) unsettled: BTreeMap<u32, Unsettled>,
    /// Transfers that wait for the client's window, with the handles of their links.
    outbox: VecDeque<(u32, Value, Vec<u8>)>,
    ended: bool,
}

/// A delivery that the client has not settled.
#[derive(Debug)]
pub(super) struct Unsettled {
    pub(super) handle: u32,
    pub(super) entity: Arc<QueueEntity>,
    pub(super) part: SubQueue,
    pub(super) token: Uuid,
    pub(super) has_session: bool,
}

impl Session {
    pub(super) const fn begin(channel: u16, next_incoming_id: u32, remote_window: u32) -> Self {
        Self {
            channel,
            next_incoming_id,
            incoming_window: WINDOW,
            next_outgoing_id: FIRST_ID,
            remote_window,
            next_delivery_id: 1,
            links: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            outbox: VecDeque::new(),
            ended: false,
        }
    }

    pub(super) fn send_begin(&self, output: &mut Output) {
        let begin = vec![
            Value::Ushort(self.channel),
            Value::Uint(self.next_outgoing_id),
            Value::Uint(WINDOW),
            Value::Uint(WINDOW),
            Value::Uint(u32::MAX),
        ];
        output.send(self.channel, &Value::described_list(0x11, begin), b"");
    }

    pub(super) const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Ends the session; the client's end is to come.
    pub(super) fn send_end(&mut self, error: Option<&AmqpError>, output: &mut Output) {
        self.ended = true;
        self.outbox.clear();
        let error = error.map_or(Value::Null, AmqpError::to_value);
        output.send(self.channel, &Value::described_list(0x17, vec![error]), b"");
    }

    /// Gives up what its links hold.
    pub(super) fn release(&mut self, now: Timestamp) {
        for link in self.links.values_mut() {
            link.release(now);
        }
        self.links.clear();
        self.unsettled.clear();
    }

    /// Detaches a link from this end.
    pub(super) fn send_detach(
        &mut self,
        handle: u32,
        error: &AmqpError,
        output: &mut Output,
        now: Timestamp,
    ) {
        if let Some(link) = self.links.get_mut(&handle) {
            link.release(now);
            link.end = End::Detached;
            link.grant = None;
        }
        self.forget(handle);
        let detach = vec![Value::Uint(handle), Value::Boolean(true), error.to_value()];
        output.send(self.channel, &Value::described_list(0x16, detach), b"");
    }

    /// How many bytes wait for the client's window.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.outbox.iter().map(|(_, _, payload)| payload.len()).sum()
    }

    /// Nothing of a link is to be sent or settled any more.
    pub(super) fn forget(&mut self, handle: u32) {
        self.unsettled.retain(|_, unsettled| unsettled.handle != handle);
        self.outbox.retain(|(other, ..)| *other != handle);
    }

    /// Whether a delivery can go out now. Only then is a message taken from the broker.
    pub(super) fn can_send(&self) -> bool {
        self.remote_window > 0 && self.outbox.is_empty()
    }

    /// Sends a delivery in as many frames as it takes, and says its number.
    pub(super) fn deliver(
        &mut self,
        handle: u32,
        tag: &[u8],
        settled: bool,
        payload: &[u8],
        output: &mut Output,
    ) -> u32 {
        // A transfer without its payload takes less than this.
        const OVERHEAD: usize = 128;
        let delivery_id = self.next_delivery_id;
        self.next_delivery_id = delivery_id.wrapping_add(1);
        let size = output.max_frame().saturating_sub(OVERHEAD).max(1);
        let mut chunks = payload.chunks(size).peekable();
        let mut first = true;
        while let Some(chunk) = chunks.next() {
            let more = Value::Boolean(chunks.peek().is_some());
            let mut fields = vec![Value::Uint(handle), Value::Uint(delivery_id)];
            fields.extend(if first {
                let tag = Value::Binary(bytes::Bytes::copy_from_slice(tag));
                [tag, Value::Uint(0), Value::Boolean(settled), more]
            } else {
                [Value::Null, Value::Null, Value::Boolean(settled), more]
            });
            first = false;
            let transfer = Value::described_list(0x14, fields);
            self.outbox.push_back((handle, transfer, chunk.to_vec()));
        }
        self.flush(output);
        delivery_id
    }

    /// Sends what the client's window allows.
    pub(super) fn flush(&mut self, output: &mut Output) {
        while self.remote_window > 0 {
            let Some((_, transfer, payload)) = self.outbox.pop_front() else { return };
            output.send(self.channel, &transfer, &payload);
            self.remote_window -= 1;
            self.next_outgoing_id = self.next_outgoing_id.wrapping_add(1);
        }
    }

    /// Tells the windows, and the state of a link if one is named.
    pub(super) fn send_flow(&mut self, link: Option<[Value; 5]>, output: &mut Output) {
        self.incoming_window = WINDOW;
        let mut fields = vec![
            Value::Uint(self.next_incoming_id),
            Value::Uint(self.incoming_window),
            Value::Uint(self.next_outgoing_id),
            Value::Uint(WINDOW),
        ];
        if let Some([handle, delivery_count, credit, available, drain]) = link {
            fields.extend([handle, delivery_count, credit, available, drain]);
        }
        output.send(self.channel, &Value::described_list(0x13, fields), b"");
    }
}

impl Link {
    /// Gives up the session that it holds. Messages stay locked until their time, as in Azure.
    pub(super) fn release(&mut self, now: Timestamp) {
        if let End::Sends(sends) = &mut self.end
            && let Sends { source: Source::Queue { entity, session, .. }, .. } = &mut **sends
            && let Some(lock) = session.take()
        {
            // It may be lost already.
            let _ = entity.queue.lock().release_session(&lock, now);
            entity.announce();
        }
    }
}
