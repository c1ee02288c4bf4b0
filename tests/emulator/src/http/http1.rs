//! HTTP/1.1 as Azure's front end speaks it. Written on `httparse`, because property names are
//! header names and must keep their case, in both directions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::Response;
use super::connection::{Outcome, Peer, Transport, reset};
use super::head::{self, Framing, Parsed};
use crate::broker::Timestamp;
use crate::refusal::Refusal;
use crate::service::Service;

/// Bodies beyond this are refused unread.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// How long a peer that is told off may go on sending.
const LINGER: Duration = Duration::from_secs(1);
/// Between the headers of an answer and the reset, so that the peer can take them in.
const HEADERS_FIRST: Duration = Duration::from_millis(20);

/// Serves one connection until either side ends it.
pub(super) async fn serve<S: Transport>(
    stream: S,
    service: Arc<Service>,
    peer: Peer,
) -> io::Result<()> {
    let mut connection = Connection {
        stream,
        peer: Arc::new(peer),
        input: BytesMut::with_capacity(16 * 1024),
        output: Vec::with_capacity(1024),
    };
    loop {
        let parsed = match connection.read_head().await? {
            Read::Head(parsed) => parsed,
            Read::End => return Ok(()),
            Read::Refused(refusal) => {
                let response = service.refuse_unread(&refusal);
                return connection.refuse(&response).await;
            }
        };
        let head = parsed.head;
        let framing = match parsed.framing {
            Ok(framing) => framing,
            Err(refusal) => {
                let response = service.begin_unframed(&head).refuse_body(refusal);
                return connection.refuse(&response).await;
            }
        };
        let keep_alive = framing.keep_alive;

        let exchange = service.begin(&head);
        if exchange.resets_before_reading() {
            reset(connection.stream);
            return Ok(());
        }
        if framing.content_length > MAX_BODY_BYTES {
            let response = exchange.refuse_body(too_long(framing.content_length));
            return connection.refuse(&response).await;
        }
        let Some(body) = connection.read_body(framing).await? else { return Ok(()) };

        let outcome = if exchange.waits_for_messages() {
            // A message must not go to a receiver that has left.
            match connection.unless_closed(exchange.finish(body)).await? {
                Some(outcome) => outcome,
                None => return Ok(()),
            }
        } else {
            exchange.finish(body).await
        };
        match outcome {
            Outcome::Answer(response) => {
                connection.write(&response, keep_alive).await?;
                if !keep_alive {
                    return connection.stream.shutdown().await;
                }
            }
            Outcome::Reset => {
                reset(connection.stream);
                return Ok(());
            }
            Outcome::ResetAfterHeaders(response) => {
                connection.write_head(&response).await?;
                tokio::time::sleep(HEADERS_FIRST).await;
                reset(connection.stream);
                return Ok(());
            }
            Outcome::Stall => return connection.wait_for_close().await,
        }
    }
}

fn too_long(length: usize) -> Refusal {
    Refusal::new(
        403,
        format!("The body of {length} bytes exceeds the limit of {MAX_BODY_BYTES} bytes."),
    )
}

enum Read {
    Head(Parsed),
    Refused(Refusal),
    End,
}

struct Connection<S> {
    stream: S,
    peer: Arc<Peer>,
    input: BytesMut,
    output: Vec<u8>,
}

impl<S: Transport> Connection<S> {
    async fn read_head(&mut self) -> io::Result<Read> {
        loop {
            if !self.input.is_empty() {
                match head::parse(&self.input, &self.peer) {
                    Ok(Some(parsed)) => {
                        drop(self.input.split_to(parsed.length));
                        return Ok(Read::Head(parsed));
                    }
                    Ok(None) => {}
                    Err(refusal) => return Ok(Read::Refused(refusal)),
                }
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(Read::End);
            }
        }
    }

    /// `None` if the peer ended the connection within the body.
    async fn read_body(&mut self, framing: Framing) -> io::Result<Option<bytes::Bytes>> {
        let length = framing.content_length;
        if framing.expects_continue && self.input.len() < length {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            self.stream.flush().await?;
        }
        self.input.reserve(length.saturating_sub(self.input.len()));
        while self.input.len() < length {
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
        }
        Ok(Some(self.input.split_to(length).freeze()))
    }

    /// `None` if the peer closed the connection before the work was done.
    async fn unless_closed<T>(&mut self, work: impl Future<Output = T>) -> io::Result<Option<T>> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(Some(done)),
                // A next request may come early; it waits its turn.
                read = self.stream.read_buf(&mut self.input),
                    if self.input.len() < head::MAX_HEAD_BYTES =>
                {
                    if read? == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }

    async fn write(&mut self, response: &Response, keep_alive: bool) -> io::Result<()> {
        self.output.clear();
        response.write_http1(&mut self.output, keep_alive, Timestamp::now());
        self.stream.write_all(&self.output).await?;
        self.stream.flush().await
    }

    async fn write_head(&mut self, response: &Response) -> io::Result<()> {
        self.output.clear();
        response.write_head(&mut self.output, true, Timestamp::now());
        self.stream.write_all(&self.output).await?;
        self.stream.flush().await
    }

    /// Answers and closes. What the peer still sends is read, or its system would throw the
    /// answer away.
    async fn refuse(mut self, response: &Response) -> io::Result<()> {
        self.write(response, false).await?;
        self.stream.shutdown().await?;
        // Over time or not, the connection ends here.
        let _ = timeout(LINGER, self.wait_for_close()).await;
        Ok(())
    }

    async fn wait_for_close(&mut self) -> io::Result<()> {
        loop {
            self.input.clear();
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(());
            }
        }
    }
}
