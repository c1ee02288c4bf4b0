//! Replies to what becomes of a message or a lookup.

use serde_json::Value;

use super::unsupported;
use crate::http::Found;
use crate::json;
use crate::message::{Unsendable, ValueFault};
use crate::outcome::{Failure, Reason};
use crate::reply::{self, Reply};
use crate::route::Route;
use crate::template::Scope;

pub(super) fn failed(route: &Route, scope: &Scope<'_>, failure: &Failure) -> Reply {
    let change = route.reply.failures.iter().find(|(reason, _)| *reason == failure.reason);
    let reply = reply::failed(failure, scope, change.map(|(_, change)| change));
    unsupported::readable(reply, scope.headers, failure)
}

/// The reply to a lookup that has found something: what was found, unless the route says otherwise.
pub(super) fn found(route: &Route, scope: &Scope<'_>, found: &Found) -> Result<Reply, Failure> {
    let scope = scope.with_lookup(found);
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::new(Reason::LookupUnavailable, format!("the answer cannot be used: {error}"))
    };
    let body = match &route.reply.body {
        Some(_) => Value::Null,
        None => json::read(&found.body).map_err(|error| unusable(&error))?,
    };
    reply::found(&route.reply, &scope, &body).map_err(|error| unusable(&error))
}

pub(super) fn missing(place: &str) -> Unsendable {
    Unsendable::Value(place.to_owned(), ValueFault::Missing)
}

/// What a request that cannot be sent is told.
pub(super) fn failure(unsendable: &Unsendable) -> Failure {
    let reason = match unsendable {
        Unsendable::TooLarge { .. } => Reason::PayloadTooLarge,
        _ => Reason::InvalidMessage,
    };
    Failure::of_request(reason, unsendable.to_string())
}
