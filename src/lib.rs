//! Sends HTTP requests to Azure Service Bus queues and topics from inside Envoy.
//!
//! The core is free of I/O: it has no clock, no randomness and no host calls. Time, random bytes
//! and what Envoy said are arguments, so each path is tested natively with plain values. Only
//! `filter` knows Envoy's ABI, and it compiles for wasm alone.
//!
//! ```text
//! filter          Envoy's callbacks and host calls
//!    |
//! exchange        one request as a state machine: event in, at most one step out
//!    |
//! delivery        one worker's sending: what is in flight, who signs, what an answer means
//!    |        |
//! message   credentials   reply      what is sent, who signs it, what the client is told
//!    |
//! template        configured texts
//!    |
//! config          bytes to a configuration that cannot be wrong, or errors with their places
//! ```

pub mod buffer;
pub mod config;
pub mod credentials;
pub mod delivery;
pub mod duration;
pub mod exchange;
#[cfg(target_family = "wasm")]
mod filter;
pub mod http;
pub mod json;
pub mod jwt;
pub mod limits;
pub mod message;
pub mod metrics;
pub mod outcome;
pub mod reply;
pub mod route;
pub mod shared;
pub mod template;
mod text;
pub mod time;
