//! Sockets that speak AMQP, plain or over TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::Connection;
use crate::broker::Timestamp;
use crate::http::{Peer, Transport};
use crate::service::Service;

const HANDSHAKE: Duration = Duration::from_secs(10);

/// A bound socket with what it takes to serve it.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
}

impl Listener {
    /// Binds the address; port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        service: Arc<Service>,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, tls, service })
    }

    /// Where it listens, as in `amqp://127.0.0.1:5672`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "amqps" } else { "amqp" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let (tls, service) = (self.tls.clone(), Arc::clone(&self.service));
                        connections.spawn(async move {
                            // What ends a connection early is the peer's affair.
                            let _ = accept(stream, peer, tls, service).await;
                        });
                    }
                    Err(error) => {
                        // Out of descriptors, most likely: the open connections go first.
                        eprintln!("cannot accept a connection: {error}");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
    }
}

async fn accept(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(acceptor) = tls else {
        let peer = Peer { address, tls: false, server_name: None };
        return serve(stream, service, peer).await;
    };
    match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let server_name = stream.get_ref().1.server_name().map(Arc::from);
            serve(stream, service, Peer { address, tls: true, server_name }).await
        }
        Ok(Err(error)) => {
            eprintln!("TLS handshake with {address} failed: {error}");
            Ok(())
        }
        Err(_) => Ok(()),
    }
}

/// Serves one connection, and gives up what it holds whichever way it ends.
async fn serve<S: Transport>(stream: S, service: Arc<Service>, peer: Peer) -> io::Result<()> {
    let watcher = Arc::new(Notify::new());
    let now = Timestamp::now();
    let mut connection = Connection::new(service, Arc::new(peer), Arc::clone(&watcher), now);
    let result = exchange(stream, &mut connection, &watcher).await;
    connection.end(Timestamp::now());
    result
}

async fn exchange<S: Transport>(
    mut stream: S,
    connection: &mut Connection,
    watcher: &Notify,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut unwritten = Vec::new();
    let mut needs_flush = false;
    loop {
        let now = Timestamp::now();
        connection.work(now);
        if unwritten.is_empty() {
            unwritten = connection.take_output(now);
        }
        if unwritten.is_empty() && !needs_flush && connection.is_finished() {
            if connection.resets() {
                crate::http::reset(stream);
                return Ok(());
            }
            return stream.shutdown().await;
        }
        if connection.is_overdue(now) {
            return Ok(());
        }
        let pause = connection.next_wakeup().since(now);
        // A moment that is here already needs a turn of the loop, but not all of the processor.
        let pause = pause.clamp(Duration::from_millis(1), Duration::from_secs(3600));
        let reads = connection.wants_input();
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        tokio::select! {
            read = reader.read(&mut buffer), if reads => {
                let length = read?;
                if length == 0 {
                    return Ok(());
                }
                connection.receive(buffer.get(..length).unwrap_or_default(), Timestamp::now());
            }
            pushed = push(&mut writer, &unwritten), if !unwritten.is_empty() || needs_flush => {
                let length = pushed?;
                needs_flush = !unwritten.is_empty();
                unwritten.drain(..length);
            }
            () = watcher.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Writes something, or has written what TLS may have kept.
async fn push(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write(bytes).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        length => Ok(length),
    }
}
