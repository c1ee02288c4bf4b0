//! What refuses requests must do so before the filter has put them on a queue.

use std::collections::BTreeSet;

use super::case::Case;
use crate::finding::Finding;
use crate::manifests::{Guard, GuardKind, Order, Platform};

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let later = match case.plugin.platform {
        Platform::EnvoyGateway => later_in_gateway(case),
        _ => later(case),
    };
    let named = |kind: GuardKind| {
        let names: BTreeSet<_> =
            later.iter().filter(|(own, _)| *own == kind).map(|(_, name)| name.as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    let refuse = named(GuardKind::Refuses);
    let mut findings = vec![];
    if !refuse.is_empty() {
        let message = format!(
            "this filter works before {refuse}: what they would refuse has been sent to Service Bus by then. \
             Put the filter after them"
        );
        findings.push(case.warning(case.plugin.at, "", &message));
    }
    let cors = named(GuardKind::Cors);
    if !cors.is_empty() {
        let message = format!(
            "this filter works before {cors}: its answers have no CORS headers, and browsers keep \
             them from pages of other origins. Put the filter after it"
        );
        findings.push(case.warning(case.plugin.at, "", &message));
    }
    findings
}

/// The guards that work later, in one chain of Envoy's or by Istio's phases.
fn later(case: &Case<'_>) -> Vec<(GuardKind, String)> {
    let plugin = case.plugin;
    let insertion = case.manifests.insertion(plugin.filter.as_deref());
    let own = match (&plugin.order, insertion.and_then(|one| one.stage())) {
        (Order::Unknown, Some(stage)) => Order::Priority(stage, 0),
        (order, _) => order.clone(),
    };
    let follows = |guard: &&Guard| {
        let meets = guard.scope.as_ref().is_none_or(|scope| scope.meets(&plugin.scope));
        meets && guard.order.follows(&own) == Some(true) && is_enabled(case, guard)
    };
    let guards = case.manifests.guards.iter().filter(follows);
    let named = insertion.and_then(|one| one.before.clone());
    let named = named.map(|name| (GuardKind::Refuses, name));
    guards.map(|guard| (guard.kind, guard.name.clone())).chain(named).collect()
}

/// Whether a guard works for what the filter takes: routes may switch it off, or on alone.
fn is_enabled(case: &Case<'_>, guard: &Guard) -> bool {
    let routes = 0..case.sender.routes.len();
    let known: Option<Vec<_>> = routes.map(|index| case.candidates(index)).collect();
    match known {
        None => !guard.is_disabled,
        Some(known) => {
            let all: Vec<_> = known.iter().flatten().flatten().collect();
            let works = all.iter().any(|one| one.works(&guard.name, guard.is_disabled));
            works || all.is_empty() && !guard.is_disabled
        }
    }
}

/// Envoy Gateway puts Wasm before authorization and rate limits unless it is told otherwise.
fn later_in_gateway(case: &Case<'_>) -> Vec<(GuardKind, String)> {
    let gateway = &case.manifests.gateway;
    let concerned = gateway
        .policies
        .iter()
        .filter(|policy| gateway.concerns(&policy.scope, &case.plugin.scope));
    let filters: Vec<_> = concerned
        .flat_map(|policy| policy.filters.iter().map(|filter| (*filter, &policy.shown)))
        .collect();
    let present: Vec<_> = filters.iter().map(|(filter, _)| *filter).chain(["wasm"]).collect();
    let sorted = gateway.sorted(&present);
    let place = |name: &str| sorted.iter().position(|own| *own == name);
    let later = filters.into_iter().filter(|(filter, _)| place(filter) > place("wasm"));
    later.map(|(filter, shown)| (GuardKind::Refuses, format!("{filter} of {shown}"))).collect()
}
