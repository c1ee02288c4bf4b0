//! What a `capability_restriction_config` must leave to the module.

use super::case::Case;
use crate::finding::Finding;

/// Without one of these the filter cannot start, or sends nothing.
const SEND: [&str; 22] = [
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_property",
    "proxy_http_call",
    "proxy_log",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_tick",
    "proxy_on_vm_start",
    "proxy_send_local_response",
    "proxy_set_effective_context",
    "proxy_set_tick_period_milliseconds",
    "random_get",
];
/// Without one of these no request goes on once it is sent.
const FORWARD: [&str; 3] =
    ["proxy_add_header_map_value", "proxy_continue_stream", "proxy_remove_header_map_value"];

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some((at, allowed)) = &case.plugin.capabilities else { return vec![] };
    let forwards = case.names.matches.iter().any(|own| own.forwards);
    let needed = SEND.iter().chain(FORWARD.iter().filter(|_| forwards));
    let missing: Vec<_> = needed.filter(|name| !allowed.contains(**name)).copied().collect();
    if missing.is_empty() {
        return vec![];
    }
    let message = format!("the module needs {} too", missing.join(", "));
    vec![case.warning(*at, "allowed_capabilities", &message)]
}
