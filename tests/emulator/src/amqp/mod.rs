//! AMQP 1.0 as Service Bus speaks it.

pub mod codec;
mod connection;
pub mod error;
pub mod frame;
pub mod listener;
mod management;
pub mod message;
pub mod node;
pub mod performative;

pub use connection::Connection;
pub use listener::Listener;
