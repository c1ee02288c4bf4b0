//! HTTP as Envoy takes it and hands it over: headers, callouts, and what comes of them.

mod callout;
mod headers;
mod response;
pub(crate) mod retry_after;

pub use callout::{Callout, DispatchError};
pub use headers::{Header, HeaderNames, Headers, encode, header};
pub use response::{Found, Response};
