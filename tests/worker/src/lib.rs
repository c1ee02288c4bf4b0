//! Works on the orders of a Service Bus queue, and tells their status from Redis.
//!
//! ```text
//! command       options; runs the two below until told to stop
//!   |
//! worker        one message at a time: claim, work, settle       status_api   the status over HTTP
//!   |       |         |                                             |
//! queue   order   store  --------------------------------------------
//! Service Bus  |  Redis: status and claims
//!              what an order is
//! ```
//!
//! A message may come more than once, and a worker may die at any point. An order is done exactly
//! once all the same: what it does, its status and the mark that it is done are one transaction in
//! Redis, and the message is completed after that.

pub mod command;
pub mod order;
pub mod queue;
pub mod status;
pub mod status_api;
pub mod store;
pub mod worker;
