//! One connection as a state machine without I/O: bytes in, bytes out, time is an argument. It asks
//! the broker, which has no I/O either, and is told by a [`Notify`] when to look again.

mod about;
mod accept;
mod attach;
mod authorization;
mod credit;
mod deliver;
mod faults;
mod link;
mod open;
mod output;
mod reply;
mod request;
mod session;
mod settle;
#[cfg(test)]
mod tests;
mod timers;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::error::{AmqpError, condition};
use super::frame::{FramingError, Inbox, Kind};
use super::performative::{self, Performative};
use crate::broker::Timestamp;
use crate::http::Peer;
use crate::service::{Plan, Service};
use about::About;
use authorization::Tokens;
use faults::Delayed;
use output::Output;
use session::Session;

pub(in crate::amqp) use settle::{modified, settle_error};

/// Sessions that a connection may have, as in Azure.
const MAX_CHANNEL: u16 = 4999;
/// Links that a connection may have over all its sessions.
const MAX_LINKS: usize = 1000;
/// Parts of messages that a connection may have sent without their end.
const MAX_PARTIAL_BYTES: usize = 16 * 1024 * 1024;
/// Answers to requests that a connection may leave unread.
const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;
/// Deliveries that wait for windows.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// What may have arrived and not been read yet.
const MAX_INBOX_BYTES: usize = 1024 * 1024;
/// Longest name or address of a link.
const MAX_NAME: usize = 2048;
/// With so much to be written, nothing more is read or delivered.
const OUTPUT_HIGH: usize = 512 * 1024;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    about: About,
    watcher: Arc<Notify>,
    phase: Phase,
    inbox: Inbox,
    output: Output,
    tokens: Tokens,
    sessions: BTreeMap<u16, Session>,
    partial_bytes: usize,
    last_received: Timestamp,
    /// When the opening or the closing began.
    since: Timestamp,
    delayed: Option<Box<Delayed>>,
    resets: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A protocol header is to come. `true`: SASL is done with.
    Header(bool),
    Sasl,
    Open,
    Running,
    /// This end has closed; the other one's close is to come.
    Closing,
    Finished,
}

/// What ends more than a link.
#[derive(Debug)]
enum Failure {
    Connection(AmqpError),
    Session(AmqpError),
}

impl From<AmqpError> for Failure {
    fn from(error: AmqpError) -> Self {
        Self::Connection(error)
    }
}

impl Connection {
    /// A connection that was just accepted. `watcher` is told when the broker has changed.
    #[must_use]
    pub fn new(
        service: Arc<Service>,
        peer: Arc<Peer>,
        watcher: Arc<Notify>,
        now: Timestamp,
    ) -> Self {
        Self {
            about: About { service, peer, host: String::new() },
            watcher,
            phase: Phase::Header(false),
            inbox: Inbox::default(),
            output: Output::new(now),
            tokens: Tokens::default(),
            sessions: BTreeMap::new(),
            partial_bytes: 0,
            last_received: now,
            since: now,
            delayed: None,
            resets: false,
        }
    }

    /// Takes what has arrived. What it leads to is done by [`Self::work`].
    pub fn receive(&mut self, bytes: &[u8], now: Timestamp) {
        self.inbox.push(bytes);
        self.last_received = now;
    }

    /// Does all that can be done now: reads frames, delivers, keeps time.
    pub fn work(&mut self, now: Timestamp) {
        while !matches!(self.phase, Phase::Finished) && !self.is_congested() {
            match self.step(now) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => self.close(&error, now),
            }
        }
        if self.phase == Phase::Running {
            self.keep_time(now);
            self.deliver(now);
        }
        if self.output.resets() {
            self.reset(true, now);
        }
        self.output.keep_alive(now);
    }

    /// Whether the other end reads too slowly for more.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.output.len() > OUTPUT_HIGH
    }

    /// Whether more should be read from the network.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !self.is_finished() && !self.is_congested() && self.inbox.len() < MAX_INBOX_BYTES
    }

    /// What is to be written.
    pub fn take_output(&mut self, now: Timestamp) -> Vec<u8> {
        self.output.take(now)
    }

    /// Nothing more is to be read; what is left is to be written.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished)
    }

    /// The network is gone: gives up what the connection holds.
    pub fn end(&mut self, now: Timestamp) {
        for session in self.sessions.values_mut() {
            session.release(now);
        }
        self.sessions.clear();
        self.phase = Phase::Finished;
        self.since = now;
    }

    /// Reads one header or frame. False if none is complete.
    fn step(&mut self, now: Timestamp) -> Result<bool, AmqpError> {
        if let Some(delayed) = self.delayed.take() {
            if now < delayed.until {
                self.delayed = Some(delayed);
                return Ok(false);
            }
            let Delayed { channel, performative, plan, .. } = *delayed;
            self.carry_out(channel, performative, &plan, now)?;
            return Ok(true);
        }
        if let Phase::Header(after_sasl) = self.phase {
            let Some(header) = self.inbox.header() else { return Ok(false) };
            self.protocol_header(header, after_sasl);
            return Ok(true);
        }
        let frame = self
            .inbox
            .frame()
            .map_err(|FramingError(reason)| AmqpError::new(condition::FRAMING_ERROR, reason))?;
        let Some(frame) = frame else { return Ok(false) };
        let expected = if self.phase == Phase::Sasl { Kind::Sasl } else { Kind::Amqp };
        if frame.kind != expected {
            return Err(AmqpError::new(condition::FRAMING_ERROR, "the frame is of the wrong type"));
        }
        if frame.body.is_empty() {
            return Ok(true);
        }
        let performative = performative::parse(frame.body)?;
        match (self.phase, performative) {
            (Phase::Sasl, Performative::SaslInit { mechanism, response }) => {
                self.sasl_init(&mechanism, &response);
            }
            (Phase::Open, Performative::Open { hostname, max_frame, idle_millis }) => {
                self.open(hostname.as_deref(), max_frame, idle_millis);
            }
            (Phase::Running | Phase::Closing, Performative::Close) => {
                if self.phase == Phase::Running {
                    self.output.send(0, &super::codec::Value::described_list(0x18, vec![]), b"");
                }
                self.end(now);
            }
            (Phase::Closing, _) => {}
            (Phase::Running, performative) => {
                self.performative(frame.channel, performative, now)?
            }
            _ => return Err(not_now()),
        }
        Ok(true)
    }

    fn performative(
        &mut self,
        channel: u16,
        performative: Performative,
        now: Timestamp,
    ) -> Result<(), AmqpError> {
        if let Performative::Begin { next_outgoing_id, incoming_window } = performative {
            if channel > MAX_CHANNEL || self.sessions.contains_key(&channel) {
                return Err(AmqpError::new(
                    condition::NOT_ALLOWED,
                    format!("the channel {channel} is in use or beyond channel-max"),
                ));
            }
            let session = Session::begin(channel, next_outgoing_id, incoming_window);
            session.send_begin(&mut self.output);
            self.sessions.insert(channel, session);
            return Ok(());
        }
        let Some(session) = self.sessions.get_mut(&channel) else { return Err(not_now()) };
        if let Performative::End = performative {
            if !session.is_ended() {
                session.release(now);
                session.send_end(None, &mut self.output);
            }
            self.sessions.remove(&channel);
            return Ok(());
        }
        if session.is_ended() {
            return Ok(());
        }
        let plan = self.draw(channel, &performative);
        if !plan.delay.is_zero() {
            let until = now + plan.delay;
            self.delayed = Some(Box::new(Delayed { until, channel, performative, plan }));
            return Ok(());
        }
        self.carry_out(channel, performative, &plan, now)
    }

    fn carry_out(
        &mut self,
        channel: u16,
        performative: Performative,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), AmqpError> {
        let done = match performative {
            Performative::Attach(attach) => self.attach(channel, &attach, plan, now),
            Performative::Flow(flow) => self.flow(channel, &flow),
            Performative::Transfer(transfer) => self.transfer(channel, transfer, plan, now),
            Performative::Disposition(disposition) => {
                self.disposition(channel, disposition, plan, now)
            }
            Performative::Detach { handle, closed } => self.detach(channel, handle, closed, now),
            _ => return Err(not_now()),
        };
        match done {
            Ok(()) => Ok(()),
            Err(Failure::Connection(error)) => Err(error),
            Err(Failure::Session(error)) => {
                if let Some(session) = self.sessions.get_mut(&channel) {
                    session.release(now);
                    session.send_end(Some(&error), &mut self.output);
                }
                Ok(())
            }
        }
    }

    /// Ends the connection with an error.
    fn close(&mut self, error: &AmqpError, now: Timestamp) {
        self.phase = match self.phase {
            Phase::Running => {
                self.output.send_close(error);
                Phase::Closing
            }
            Phase::Open => {
                self.send_open();
                self.output.send_close(error);
                Phase::Finished
            }
            _ => Phase::Finished,
        };
        self.since = now;
        for session in self.sessions.values_mut() {
            session.release(now);
        }
        self.sessions.clear();
    }
}

fn not_now() -> AmqpError {
    AmqpError::new(condition::NOT_ALLOWED, "the performative has no place here")
}
