//! What became of a request, in Envoy's filter state: `%FILTER_STATE(wasm.service_bus.entity:PLAIN)%`
//! in an access log.

use std::borrow::Cow;

use super::host;
use crate::exchange::Report;

/// Leaves it with the request of the effective context.
pub(super) fn record(route: &str, report: &Report) {
    let set = |name: &str, value: &str| host::set_property(name, value.as_bytes());
    set("service_bus.route", route);
    set("service_bus.outcome", report.outcome);
    set("service_bus.attempts", &report.attempts.to_string());
    if let Some(entity) = &report.entity {
        set("service_bus.entity", &entity.path);
    }
    if let Some(id) = &report.message_id {
        set("service_bus.message_id", &one_line(id));
    }
    if report.attempts > 0 {
        set("service_bus.destination", report.served.as_str());
    }
    let failure = report.failure.as_ref();
    if let Some(id) = failure.and_then(|failure| failure.broker_tracking_id.as_ref()) {
        set("service_bus.broker_tracking_id", id);
    }
}

/// A text of others' that cannot break a line of a log: Envoy writes it as it is.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        text.replace(char::is_control, "?").into()
    } else {
        text.into()
    }
}
