//! The latest requests as JSON.

use serde_json::{Value, json};

use crate::broker::Form;
use crate::http::Headers;
use crate::service::{Check, Entry, Service};

/// How many requests are shown if no one says how many.
const DEFAULT_LIMIT: usize = 500;

/// The latest requests, oldest first.
pub(super) fn list(service: &Service, limit: Option<usize>) -> Value {
    let journal = service.journal().lock();
    journal.latest(limit.unwrap_or(DEFAULT_LIMIT)).map(request).collect()
}

fn request(entry: &Entry) -> Value {
    json!({
        "number": entry.number,
        "time": entry.at.to_iso8601(),
        "protocol": entry.asked.protocol(),
        "method": entry.asked.operation(),
        "path": entry.asked.target(),
        "authority": entry.asked.authority(),
        "headers": entry.asked.headers().map_or_else(|| json!([]), headers),
        "tls_server_name": entry.asked.peer().server_name.as_deref(),
        "status": entry.status,
        "condition": entry.condition,
        "verdict": entry.verdict,
        "failed": entry.failed.map(Check::name),
        "form": entry.form.map(Form::name),
    })
}

/// Names and values in order. Tokens are not shown; bytes that are no UTF-8 are replaced.
pub(super) fn headers(headers: &Headers) -> Value {
    headers
        .iter()
        .map(|(name, value)| {
            if name.eq_ignore_ascii_case("authorization") {
                json!([name, "(redacted)"])
            } else {
                json!([name, String::from_utf8_lossy(value)])
            }
        })
        .collect()
}

/// Shows none of the requests so far any more.
pub(super) fn clear(service: &Service) -> Value {
    service.journal().lock().hide();
    json!({})
}
