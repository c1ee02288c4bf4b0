//! Who holds a request until its message is stored.

use envoy_service_bus::delivery::{Gate, HeaderMode};

use super::case::Case;
use super::gate::as_sets;
use crate::finding::Finding;
use crate::manifests::{Limit, Platform, Plugin, Policy};

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    if let Some(message) = unheld(case) {
        let at = case.names.header_mode.unwrap_or(case.plugin.at);
        findings.push(case.warning(at, "header_mode", &message));
    }
    findings.extend(routes(case));
    findings.extend(forwarded(case));
    findings
}

fn unheld(case: &Case<'_>) -> Option<String> {
    let plugin = case.plugin;
    let message = match (case.sender.header_mode, plugin.platform) {
        (HeaderMode::Pause, _) if plugin.body_while_held => return None,
        (HeaderMode::Pause, Platform::Envoy | Platform::Patch) => {
            "pause needs `allow_on_headers_stop_iteration: true` on the plugin: without it Envoy \
             keeps the body back, and requests hang"
        }
        (HeaderMode::Pause, _) => {
            "pause needs `allow_on_headers_stop_iteration`, which cannot be set here, and requests \
             hang: use \"continue\" and a second instance with \"role\": \"gate\" after this one"
        }
        (HeaderMode::Continue, _) if case.unread => return None,
        (HeaderMode::Continue, _) if has_buffer(case) || gates(case).next().is_some() => {
            return None;
        }
        (HeaderMode::Continue, _) => {
            if let Some(gate) = switched_off(case) {
                return Some(format!(
                    "the gate {gate:?} does not work on each of Envoy's routes that the filter \
                     works on: requests go on before their message is sent"
                ));
            }
            if let Some((gate, part)) = misplaced(case) {
                return Some(format!(
                    "the gate {gate:?} has another {part} than this sender: requests go on before \
                     their message is sent"
                ));
            }
            "continue needs something after the filter that holds the headers, a second instance \
             with \"role\": \"gate\" or envoy.filters.http.buffer, and there is none: requests go \
             on before their message is sent"
        }
    };
    Some(message.to_owned())
}

/// The gates that are for all proxies and ports that the sender is for.
fn gates<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (&'a Plugin, &'a Gate)> {
    let fits = |gate: &Plugin| gate.scope.misses(&case.plugin.scope).is_none();
    case.gates.iter().filter(move |(gate, _)| fits(gate) && is_on(case, gate)).copied()
}

/// Whether a gate works where the sender does.
fn is_on(case: &Case<'_>, gate: &Plugin) -> bool {
    gate.filter.as_deref().is_none_or(|name| holds(case, name, gate.disabled))
}

/// A gate that does not.
fn switched_off<'a>(case: &'a Case<'_>) -> Option<&'a str> {
    let off = case.gates.iter().map(|(gate, _)| gate).find(|gate| !is_on(case, gate))?;
    Some(off.name.as_deref().unwrap_or_default())
}

/// A gate that is not, and in what it differs.
fn misplaced<'a>(case: &'a Case<'_>) -> Option<(&'a str, &'static str)> {
    case.gates.iter().find_map(|(gate, _)| {
        let name = gate.name.as_deref().unwrap_or_default();
        Some((name, gate.scope.misses(&case.plugin.scope)?))
    })
}

/// Whether Envoy's buffer filter holds the headers after the filter.
pub(super) fn has_buffer(case: &Case<'_>) -> bool {
    let by_patch = case.plugin.platform != Platform::Envoy && case.manifests.buffer_by_patch;
    let after = case.plugin.buffer_after.as_ref();
    let works = after.is_some_and(|(name, disabled)| holds(case, name, *disabled));
    works || by_patch || policy_buffer(case).is_some()
}

/// Whether a filter works on each route of Envoy's that the filter's own requests may take.
fn holds(case: &Case<'_>, name: &str, disabled: bool) -> bool {
    (0..case.sender.routes.len()).all(|index| match case.candidates(index) {
        None => true,
        Some(known) => known.iter().flatten().all(|one| {
            let own = case.plugin.filter.as_deref();
            let concerned = own.is_none_or(|own| one.works(own, case.plugin.disabled));
            !concerned || one.works(name, disabled)
        }),
    })
}

/// What a buffer filter takes. Once it has the headers, its limit is that of the request.
pub(super) fn buffer<'a>(case: &'a Case<'_>) -> Option<&'a Limit> {
    if case.sender.header_mode == HeaderMode::Pause {
        return None;
    }
    let by_patch = case.plugin.platform != Platform::Envoy;
    let patched = case.manifests.patched_buffer.as_ref().filter(|_| by_patch);
    case.plugin.buffer.as_ref().or(patched).or_else(|| policy_buffer(case))
}

/// Envoy Gateway's buffer, which stands before the filter unless its order is changed.
fn policy_buffer<'a>(case: &'a Case<'_>) -> Option<&'a Limit> {
    if case.plugin.platform != Platform::EnvoyGateway {
        return None;
    }
    let gateway = &case.manifests.gateway;
    let mut order = gateway.sorted(&["buffer", "wasm"]).into_iter();
    if order.next() != Some("wasm") {
        return None;
    }
    let concerns = |policy: &&Policy| gateway.concerns(&policy.scope, &case.plugin.scope);
    gateway.policies.iter().filter(concerns).find_map(|policy| policy.buffer.as_ref())
}

/// A gate holds what it matches, and lets all else go.
fn routes(case: &Case<'_>) -> Vec<Finding> {
    let lets_go = case.sender.header_mode == HeaderMode::Continue;
    if !lets_go || has_buffer(case) || gates(case).next().is_none() {
        return vec![];
    }
    let held: Vec<_> = gates(case).flat_map(|(_, gate)| &gate.matches).map(as_sets).collect();
    let routes = case.names.matches.iter().zip(&case.sender.routes);
    let open = routes
        .filter(|(own, route)| own.is_to_be_held() && !held.contains(&as_sets(&route.matches)));
    let message = "no gate after the filter has the same `match`: requests of this route go on \
                   before their message is sent";
    open.map(|(own, _)| case.warning(own.at, &own.place, message)).collect()
}

/// A request that goes on after its message needs its headers held until then, by what can be
/// woken.
fn forwarded(case: &Case<'_>) -> Vec<Finding> {
    if case.sender.header_mode == HeaderMode::Pause {
        return vec![];
    }
    let held: Vec<_> = gates(case).flat_map(|(_, gate)| &gate.matches).map(as_sets).collect();
    let routes = case.names.matches.iter().zip(&case.sender.routes);
    let forwarded = routes.filter(|(own, _)| own.forwards);
    forwarded
        .filter_map(|(own, route)| {
            let message = if !has_buffer(case) {
                "forward with header_mode \"continue\" needs envoy.filters.http.buffer after the \
                 filter, and there is none; a gate cannot be woken"
            } else if held.contains(&as_sets(&route.matches)) {
                "a gate holds the requests of this route, and it cannot be woken to forward them: \
                 leave the route out of the gate"
            } else {
                return None;
            };
            Some(case.warning(own.at, &own.place, message))
        })
        .collect()
}
