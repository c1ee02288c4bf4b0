//! Accepts connections and tells the protocols apart.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connection::{Peer, Transport};
use super::{http1, http2};
use crate::service::Service;

const HANDSHAKE: Duration = Duration::from_secs(10);

/// A bound socket with what it takes to serve it.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    protocols: Arc<Protocols>,
}

struct Protocols {
    tls: Option<TlsAcceptor>,
    allow_http2: bool,
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
        allow_http2: bool,
        service: Arc<Service>,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, protocols: Arc::new(Protocols { tls, allow_http2, service }) })
    }

    /// Where it listens, as in `http://127.0.0.1:5380`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.protocols.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until `stop` is done, then drops every connection.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                Some(_) = connections.join_next() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let protocols = Arc::clone(&self.protocols);
                        connections.spawn(async move { protocols.serve(stream, peer).await });
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

impl Protocols {
    /// What ends a connection early is the peer's affair; there is no one to tell.
    async fn serve(&self, stream: TcpStream, address: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let service = Arc::clone(&self.service);
        let _ = match &self.tls {
            None => {
                let is_http2 = self.allow_http2 && starts_http2(&stream).await;
                let peer = Peer { address, tls: false, server_name: None };
                dispatch(stream, is_http2, service, peer).await
            }
            Some(acceptor) => match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let session = stream.get_ref().1;
                    let is_http2 = session.alpn_protocol() == Some(b"h2");
                    let server_name = session.server_name().map(Arc::from);
                    let peer = Peer { address, tls: true, server_name };
                    dispatch(stream, is_http2, service, peer).await
                }
                Ok(Err(error)) => {
                    eprintln!("TLS handshake with {address} failed: {error}");
                    Ok(())
                }
                Err(_) => Ok(()),
            },
        };
    }
}

async fn dispatch<S: Transport>(
    stream: S,
    is_http2: bool,
    service: Arc<Service>,
    peer: Peer,
) -> io::Result<()> {
    if is_http2 {
        http2::serve(stream, service, peer).await
    } else {
        http1::serve(stream, service, peer).await
    }
}

/// Whether the first bytes are those of HTTP/2's preface; no HTTP/1.1 method starts so.
async fn starts_http2(stream: &TcpStream) -> bool {
    let mut start = [0; 4];
    loop {
        match stream.peek(&mut start).await {
            Ok(4) => return start == *b"PRI ",
            Ok(length @ 1..) if start.get(..length) == b"PRI ".get(..length) => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            _ => return false,
        }
    }
}
