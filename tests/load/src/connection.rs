//! One keep-alive connection: bytes out, answers in, and how it ends.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::answer::{self, Answer, Malformed, Progress};

/// A connection with what it has received beyond the last answer.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    sent: usize,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Broken {
    /// The connection ended; the text says how.
    Lost(String),
    /// What came is no answer.
    Malformed(Malformed),
}

/// A connection before its next request.
#[derive(Debug, PartialEq, Eq)]
pub enum Idle {
    /// The peer has closed it.
    Closed,
    /// Open, and nothing has come since the last answer.
    Quiet,
    /// Bytes came that belong to no answer: the last one's length was wrong.
    Surplus,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The peer does not take the connection.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(4096), sent: 0 })
    }

    /// Sends a request's bytes, up to the moment that an answer to it begins.
    /// A failure to send shows when the answer is read: the peer may have
    /// answered before it closed.
    ///
    /// # Errors
    ///
    /// The state of the socket cannot be asked.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sent = 0;
        while let Some(rest @ [_, ..]) = bytes.get(self.sent..) {
            match self.stream.try_write(rest) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    tokio::select! {
                        ready = self.stream.writable() => ready?,
                        ready = self.stream.readable() => {
                            ready?;
                            if self.peek_answer() {
                                break;
                            }
                        }
                    }
                }
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// How many bytes of the last request have left.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Reads the answer. It can be given up at any time and taken up again.
    ///
    /// # Errors
    ///
    /// The connection ends first, or brings something else.
    pub async fn answer(&mut self, head_only: bool) -> Result<Answer, Broken> {
        let mut ended = false;
        loop {
            if !self.received.is_empty() {
                let progress = answer::read(&self.received, ended, head_only);
                match progress.map_err(Broken::Malformed)? {
                    Progress::Complete(answer, len) => {
                        self.received.drain(..len);
                        return Ok(answer);
                    }
                    Progress::Partial if ended => {}
                    Progress::Partial => self.received.reserve(4096),
                }
            }
            if ended {
                return Err(Broken::Lost("closed by the peer".to_owned()));
            }
            let read = self.stream.read_buf(&mut self.received).await;
            ended = read.map_err(|error| Broken::Lost(error.to_string()))? == 0;
        }
    }

    /// How many bytes came that are not part of a whole answer.
    pub fn unread(&self) -> usize {
        self.received.len()
    }

    /// Looks, without waiting, at what happened since the last answer.
    pub fn idle(&mut self) -> Idle {
        if !self.received.is_empty() {
            return Idle::Surplus;
        }
        match self.stream.try_read_buf(&mut self.received) {
            Ok(0) => Idle::Closed,
            Ok(_) => Idle::Surplus,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Idle::Quiet,
            Err(_) => Idle::Closed,
        }
    }

    /// Ends the connection with a reset instead of an orderly close.
    ///
    /// # Errors
    ///
    /// The socket does not take the option.
    pub fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// Whether an answer has begun, or the peer has closed.
    fn peek_answer(&mut self) -> bool {
        match self.stream.try_read_buf(&mut self.received) {
            Ok(_) => true,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }
}
