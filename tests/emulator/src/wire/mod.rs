//! Messages on the wire: how a send is read, and how a message is delivered.

mod batch;
mod broker_properties;
pub mod json;
mod limits;
mod property;
pub mod render;
mod single;
mod time_span;

use std::sync::Arc;

use bytes::Bytes;

pub use batch::BATCH_TYPE;
pub use limits::Tier;
pub(crate) use limits::{check_id, check_properties};

use crate::broker::{Form, Message};
use crate::http::Headers;
use crate::refusal::Refusal;

/// The form that a send has by its headers.
#[must_use]
pub fn form(headers: &Headers) -> Form {
    if headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("content-type") && value == BATCH_TYPE.as_bytes()
    }) {
        Form::Batch
    } else {
        Form::Single
    }
}

/// Reads the messages of a send.
///
/// # Errors
/// The first rule that the send breaks.
pub fn parse(headers: &Arc<Headers>, body: &Bytes, tier: Tier) -> Result<Vec<Message>, Refusal> {
    if form(headers) == Form::Batch {
        batch::parse(headers, body, tier)
    } else {
        single::parse(headers, body, tier).map(|message| vec![message])
    }
}

#[cfg(test)]
mod batch_tests;
#[cfg(test)]
mod single_tests;
