//! AMQP 1.0 as Service Bus speaks it.

pub mod codec;
pub mod error;
pub mod frame;
pub mod message;
pub mod node;
pub mod performative;
