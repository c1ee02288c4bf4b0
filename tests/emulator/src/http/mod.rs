//! HTTP: connections, heads, answers. What a request means is decided in [`crate::service`].

mod connection;
mod head;
mod headers;
mod http1;
mod http2;
mod listener;
mod response;
mod tls;

pub use connection::{Outcome, Peer};
pub(crate) use connection::{Transport, reset};
pub use head::Head;
pub use headers::Headers;
pub use listener::Listener;
pub use response::Response;
pub use tls::{TlsError, tls_acceptor};
