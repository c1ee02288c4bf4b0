//! The command over real sockets: its answers byte for byte, its faults, its ends.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic, in its helpers too"
)]

mod admin;
mod authorization;
mod client;
mod command;
mod emulator;
mod faults;
mod http2;
mod overview;
mod page;
mod receive;
mod send;
mod tls;
mod topics;
