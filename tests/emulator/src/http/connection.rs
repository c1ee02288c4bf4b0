//! A connection that can be reset, and what the service may do with one.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Response;

/// The other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The server name of the TLS handshake.
    pub server_name: Option<Arc<str>>,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It is answered.
    Answer(Response),
    /// The connection is reset before a byte of an answer.
    Reset,
    /// The status line and the headers go out, then the connection is reset.
    ResetAfterHeaders(Response),
    /// It is never answered.
    Stall,
}

/// A stream over TCP.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn tcp(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Drops the connection so that the peer gets a reset, not an end.
pub(crate) fn reset(stream: impl Transport) {
    // Fails only if the peer is gone already.
    let _ = stream.tcp().set_zero_linger();
}

/// A stream that is reset when it is dropped, if by then the switch is on. For a stream that
/// another owner drops.
pub(super) struct Resettable<S: Transport> {
    stream: S,
    switch: Arc<AtomicBool>,
}

impl<S: Transport> Resettable<S> {
    pub(super) fn new(stream: S) -> (Self, Arc<AtomicBool>) {
        let switch = Arc::new(AtomicBool::new(false));
        (Self { stream, switch: Arc::clone(&switch) }, switch)
    }
}

impl<S: Transport> Drop for Resettable<S> {
    fn drop(&mut self) {
        if self.switch.load(Ordering::Relaxed) {
            let _ = self.stream.tcp().set_zero_linger();
        }
    }
}

impl<S: Transport> AsyncRead for Resettable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: Transport> AsyncWrite for Resettable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
