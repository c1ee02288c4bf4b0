//! A strict stand-in for the HTTP (REST) runtime API of Azure Service Bus.
//!
//! ```text
//! main      the command line
//!   |
//! http      sockets, TLS, HTTP/1.1, resets          admin   JSON under /$emulator/
//!   |                                                 |
//! service   one request: route, faults, authorization, answer
//!   |            |               |
//! wire         auth            broker
//! messages     signatures      queues, topics, locks, lifetimes: no I/O, time is an argument
//!                                |
//!                              config   the file of Microsoft's emulator
//! ```
//!
//! Where it is not known what Azure does, this refuses.

pub mod admin;
pub mod amqp;
pub mod auth;
pub mod broker;
pub mod config;
pub mod http;
pub mod refusal;
pub mod service;
pub mod wire;
