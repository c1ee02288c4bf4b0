//! Envoy must hold as much of a body as the filter takes.

use std::collections::BTreeMap;

use super::case::Case;
use super::hold;
use crate::finding::Finding;
use crate::manifests::{Limit, Platform};

/// What an Envoy Gateway buffers unless a `ClientTrafficPolicy` says otherwise.
const GATEWAY_BUFFER: u64 = 32 * 1024;

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let body = u64::try_from(case.sender.max_body_bytes).unwrap_or(u64::MAX);
    let warning = |limit: &Limit, message: String| {
        Finding::warning(&limit.file, limit.at, limit.place, &message)
    };
    if let Some(limit) = hold::buffer(case) {
        let message = format!(
            "{} is below max_body_bytes, {body}: Envoy answers larger bodies with a 413 of its own",
            limit.value
        );
        return if limit.value < body { vec![warning(limit, message)] } else { vec![] };
    }
    let needed = body.saturating_mul(2);
    let message = |limit: &Limit| {
        format!(
            "{} is below {needed}, twice max_body_bytes: Envoy answers large bodies with a 413 of \
             its own",
            limit.value
        )
    };
    let low = limits(case).into_iter().filter(|limit| limit.value < needed);
    let mut findings: Vec<_> = low.map(|limit| warning(limit, message(limit))).collect();
    if case.plugin.platform == Platform::EnvoyGateway {
        match &case.manifests.gateway.buffer {
            Some(limit) if limit.value < needed => findings.push(warning(limit, message(limit))),
            None if GATEWAY_BUFFER < needed => findings.push(case.warning(
                case.names.max_body_bytes.unwrap_or(case.plugin.at),
                "max_body_bytes",
                &format!(
                    "Envoy Gateway buffers {GATEWAY_BUFFER} bytes and answers larger bodies with \
                     a 413 of its own, unless a ClientTrafficPolicy sets connection.bufferLimit: \
                     {needed} is twice max_body_bytes"
                ),
            )),
            _ => {}
        }
    }
    findings
}

/// The limits that requests of the filter meet: those of Envoy's routes, or the listener's.
fn limits<'a>(case: &'a Case<'_>) -> Vec<&'a Limit> {
    let mut found = BTreeMap::new();
    let mut of_listener = true;
    for index in 0..case.sender.routes.len() {
        let Some(candidates) = case.candidates(index) else { continue };
        let all: Vec<_> = candidates.into_iter().flatten().collect();
        let own: Vec<_> = all.iter().filter_map(|one| one.buffer()).collect();
        of_listener &= own.len() < all.len() || all.is_empty();
        found.extend(own.into_iter().map(|limit| (limit.at, limit)));
    }
    let listener = case.plugin.listener_buffer.as_ref().filter(|_| of_listener);
    listener.into_iter().chain(&case.plugin.window).chain(found.into_values()).collect()
}
