//! Envoy's routes that take what the filter takes: whether they let the filter work, and what they
//! do when it is missing.

use std::collections::BTreeMap;

use super::case::Case;
use crate::finding::Finding;
use crate::manifests::{Candidate, RouteAction, Switch};
use crate::text::Position;

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = enabled(case).unwrap_or_default();
    findings.extend(retries(case));
    findings.extend(dead_ends(case));
    findings
}

/// A filter that is disabled in the list works where a route enables it.
fn enabled(case: &Case<'_>) -> Option<Vec<Finding>> {
    let name = case.plugin.filter.as_deref()?;
    let table = case.manifests.routes(case.plugin.manager.as_deref()?)?;
    let mut findings = vec![];
    for switch in table.switches(name) {
        if let Switch::Empty(at) = switch {
            let message = "FilterConfig without `config` and `disabled`, which Envoy refuses; \
                           `config: {}` enables the filter";
            findings.push(Finding::error(&case.plugin.file, at, name, message));
        }
    }
    if case.plugin.disabled && table.switches(name).iter().all(|it| *it == Switch::Off) {
        let message = format!(
            "disabled in the list of filters, and no route enables {name:?}: the filter does \
             nothing"
        );
        findings.push(case.warning(case.plugin.at, "disabled", &message));
        return Some(findings);
    }
    let mut open = BTreeMap::new();
    for (index, own) in case.names.matches.iter().enumerate() {
        let works = |one: &Candidate<'_>| one.works(name, case.plugin.disabled);
        let of_requests = case.candidates(index)?;
        let unseen = of_requests
            .iter()
            .any(|all| !all.iter().any(works) && (case.plugin.disabled || !all.is_empty()));
        if unseen {
            let message = format!(
                "Envoy's route for these requests does not enable {name:?}: they pass unsent"
            );
            findings.push(case.warning(own.at, &own.place, &message));
        }
        let forwards = forwards(case, index);
        let enabling = of_requests.iter().flatten().filter(|one| {
            case.plugin.disabled && !forwards && one.switch(name) == Some(Switch::On)
        });
        for one in enabling {
            if let Some(does) = lets_pass(case, &one.route.action) {
                open.entry(one.route.at).or_insert(does);
            }
        }
    }
    findings.extend(open.into_iter().map(|(at, does)| {
        let message = format!(
            "should the filter be missing, this route {does}, and the client takes the request \
             for sent: use a direct_response with status 503"
        );
        case.warning(at, "route", &message)
    }));
    Some(findings)
}

/// What a route does with a request that the filter has not taken, if a client could take it for
/// sent.
fn lets_pass(case: &Case<'_>, action: &RouteAction) -> Option<String> {
    match action {
        RouteAction::Answer(status) if *status < 400 => Some(format!("answers {status}")),
        RouteAction::Ask(clusters) => {
            let answers = |name: &&String| {
                let known = case.manifests.clusters.iter().find(|cluster| cluster.name == **name);
                known.is_some_and(|cluster| !cluster.is_empty)
            };
            let name = clusters.iter().find(answers)?;
            Some(format!("sends it to cluster {name:?}"))
        }
        _ => None,
    }
}

/// Envoy's retries are for what its router sends, and the filter's messages do not pass there.
fn retries(case: &Case<'_>) -> Vec<Finding> {
    let mut places = BTreeMap::<Position, ()>::new();
    for index in 0..case.names.matches.len() {
        if forwards(case, index) {
            continue;
        }
        let candidates = case.candidates(index).unwrap_or_default();
        let own = candidates.iter().flatten().filter(|one| !one.route.takes_the_rest);
        places.extend(own.filter_map(|one| one.route.retries).map(|at| (at, ())));
    }
    let message = "has no effect on the messages of the filter, which does not send through the \
                   router: set delivery.retries";
    places.into_keys().map(|at| case.warning(at, "retry_policy", message)).collect()
}

/// Whether requests of a route go on to the router once they are sent.
fn forwards(case: &Case<'_>, route: usize) -> bool {
    case.names.matches.get(route).is_some_and(|own| own.forwards)
}

/// A request that goes on needs a route of Envoy's that leads to its backend.
fn dead_ends(case: &Case<'_>) -> Vec<Finding> {
    let is_empty = |name: &String| {
        let mut known = case.manifests.clusters.iter();
        known.find(|cluster| cluster.name == *name).is_some_and(|cluster| cluster.is_empty)
    };
    let mut places = BTreeMap::<Position, ()>::new();
    for index in (0..case.names.matches.len()).filter(|index| forwards(case, *index)) {
        let candidates = case.candidates(index).unwrap_or_default();
        let dead = candidates.iter().flatten().filter(|one| match &one.route.action {
            RouteAction::Answer(_) => true,
            RouteAction::Ask(clusters) => clusters.iter().all(is_empty),
            RouteAction::Other => false,
        });
        places.extend(dead.map(|one| (one.route.at, ())));
    }
    let message = "the filter forwards requests here, and this route leads to no backend";
    places.into_keys().map(|at| case.warning(at, "route", message)).collect()
}
