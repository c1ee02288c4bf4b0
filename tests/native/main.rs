//! The core, tested with plain values: no Envoy, no clock, no randomness.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panic"
)]

#[path = "../common/mod.rs"]
mod common;

mod computed;
mod conditions;
mod config;
mod config_mistakes;
mod delivery;
mod delivery_batches;
mod delivery_breaker;
mod delivery_fallback;
mod delivery_retries;
mod dry_run;
mod exchange;
mod forward;
mod held;
mod identities;
mod layers;
mod message;
mod metrics;
mod secrets;
mod signatures;
mod template;
mod token_services;
mod tokens;
mod unsupported;
