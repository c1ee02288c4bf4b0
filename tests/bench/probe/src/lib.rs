//! The least that a module of the same SDK does to send a request by a callout and answer it: no
//! match, no id, no token, nothing counted. What the filter costs beyond it is the filter's own.
//!
//! Its configuration may name a host call, which it then makes fifty times more for each request:
//! so the price of one is measured in Envoy itself.

#[cfg(target_family = "wasm")]
mod probe;
