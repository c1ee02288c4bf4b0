//! Policies of API Management as configurations.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panic"
)]

mod broken;
mod conditions;
mod expressions;
mod forwarding;
mod injected;
mod left_out;
mod modules;
mod page;
mod policies;
mod requests;

use envoy_service_bus::config::{Config, Environment};
use import_apim::{Imported, LeftOut, Operation, Surroundings};
use serde_json::Value as Json;

/// What a test gives beside the policy.
#[derive(Clone, Default)]
pub(crate) struct Given<'a> {
    /// `POST /orders/{order-id}?page={page}` where it is absent.
    pub(crate) operation: Option<&'a str>,
    pub(crate) no_namespace: bool,
    pub(crate) allowed: &'a [&'a str],
    pub(crate) named_values: &'a [(&'a str, &'a str)],
}

/// Nothing but the policy and its operation.
pub(crate) fn alone() -> Given<'static> {
    Given { no_namespace: true, ..Given::default() }
}

/// Imports a policy; what is left out as lines.
pub(crate) fn import(policy: &str, given: &Given<'_>) -> (Option<Json>, Vec<String>) {
    let operation = given.operation.unwrap_or("POST /orders/{order-id}?page={page}");
    let operation = Operation::parse(operation).unwrap();
    let allowed: Vec<_> = given.allowed.iter().map(|one| (*one).to_owned()).collect();
    let values = given.named_values.iter();
    let named_values: Vec<_> =
        values.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let around = Surroundings {
        operation: &operation,
        namespace: (!given.no_namespace).then_some("contoso.servicebus.windows.net"),
        allowed: &allowed,
        named_values: &named_values,
    };
    let Imported { configuration, left_out } = import_apim::import(policy, around).unwrap();
    let line =
        |LeftOut { at, what, why }: LeftOut| format!("{}:{}: {what}: {why}", at.line, at.column);
    (configuration, left_out.into_iter().map(line).collect())
}

/// The configuration, which the filter's own reader takes, and what is left out.
pub(crate) fn imported(policy: &str, given: &Given<'_>) -> (Json, Vec<String>) {
    let (configuration, left) = import(policy, given);
    let configuration = configuration.unwrap_or_else(|| panic!("{left:?}"));
    let text = configuration.to_string();
    let read = Config::parse(text.as_bytes(), Environment::Unknown);
    assert!(read.is_ok(), "{configuration:#}");
    (configuration, left)
}

/// The policy's own element with a body, and an empty answer.
pub(crate) fn send(inside: &str) -> String {
    format!(
        "<send-service-bus-message queue-name=\"orders\">{inside}</send-service-bus-message>\
         <return-response />"
    )
}
