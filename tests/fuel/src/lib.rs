//! The filter's module in an interpreter, with a host of one worker that calls it as Envoy does.
//!
//! ```text
//! main       counts what a request costs        hostile    a host at random, and what must hold
//!    |                                             |
//! scenario   routes as people write them          |
//!    |                                             |
//! worker     requests in the order of Envoy's callbacks
//!    |
//! host       Envoy's imports
//! ```

mod host;
pub mod hostile;
pub mod scenario;
pub mod worker;
