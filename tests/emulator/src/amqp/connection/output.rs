//! What is to be written, and heartbeats.

use std::time::Duration;

use crate::amqp::codec::Value;
use crate::amqp::error::AmqpError;
use crate::amqp::frame::{self, Kind, MIN_MAX_FRAME};
use crate::broker::Timestamp;

/// Frames that wait to be written.
#[derive(Debug)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// The largest frame that the peer takes.
    max_frame: usize,
    /// How long the peer bears silence.
    silence: Option<Duration>,
    last_sent: Timestamp,
    /// A fault keeps back what is to be written.
    held_until: Option<Timestamp>,
    /// A fault resets the connection when all is written.
    resets: bool,
}

impl Output {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            bytes: Vec::new(),
            max_frame: MIN_MAX_FRAME as usize,
            silence: None,
            last_sent: now,
            held_until: None,
            resets: false,
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Keeps back what is to be written.
    pub(super) fn hold_until(&mut self, until: Timestamp) {
        self.held_until = Some(self.held_until.map_or(until, |other| other.max(until)));
    }

    pub(super) const fn held_until(&self) -> Option<Timestamp> {
        self.held_until
    }

    /// Resets the connection when all is written.
    pub(super) const fn reset(&mut self) {
        self.resets = true;
    }

    pub(super) const fn resets(&self) -> bool {
        self.resets
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) const fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// Notes what the peer said when it opened. A silence of half its idle timeout is safe.
    pub(super) fn opened(&mut self, max_frame: u32, idle_millis: Option<u32>) {
        let max_frame = max_frame.clamp(MIN_MAX_FRAME, frame::MAX_FRAME);
        self.max_frame = usize::try_from(max_frame).unwrap_or(MIN_MAX_FRAME as usize);
        let idle = idle_millis.filter(|millis| *millis > 0);
        self.silence = idle.map(|millis| Duration::from_millis((millis / 2).max(1).into()));
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn send(&mut self, channel: u16, performative: &Value, payload: &[u8]) {
        frame::append(&mut self.bytes, Kind::Amqp, channel, performative, payload);
    }

    pub(super) fn send_sasl(&mut self, performative: &Value) {
        frame::append(&mut self.bytes, Kind::Sasl, 0, performative, b"");
    }

    pub(super) fn send_close(&mut self, error: &AmqpError) {
        self.send(0, &Value::described_list(0x18, vec![error.to_value()]), b"");
    }

    /// Says that this end is alive if it has been silent for long.
    pub(super) fn keep_alive(&mut self, now: Timestamp) {
        if self.bytes.is_empty() && now >= self.next_heartbeat() {
            frame::append_heartbeat(&mut self.bytes);
        }
    }

    pub(super) fn next_heartbeat(&self) -> Timestamp {
        self.silence.map_or(Timestamp::NEVER, |silence| self.last_sent + silence)
    }

    pub(super) fn take(&mut self, now: Timestamp) -> Vec<u8> {
        if self.held_until.is_some_and(|until| now < until) {
            return Vec::new();
        }
        self.held_until = None;
        if !self.bytes.is_empty() {
            self.last_sent = now;
        }
        std::mem::take(&mut self.bytes)
    }
}
