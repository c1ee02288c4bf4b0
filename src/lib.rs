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
//! delivery        one worker's sending: attempts, retries, breaker, batches, limits
//!    |
//! route           which requests, and what each of them leads to
//!    |
//! reply           what the client is told
//!    |        |
//! message   credentials          what is sent, who signs it
//!    |        |
//! template  outcome              values with expressions, what can become of a message
//!    |
//! http                           headers, callouts, and what comes of them
//!    |
//! buffer, duration, json, jwt, limits, shared, text, time
//!
//! config          bytes to the types above, or errors with their places. Beside the others, with
//!                 metrics: only filter and the tools import them
//! ```
//!
//! Imports point down; `tests/native/layers.rs` holds that.

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
