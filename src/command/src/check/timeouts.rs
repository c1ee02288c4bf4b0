//! Envoy must wait for as long as the filter does.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::route::Action;

use super::case::Case;
use crate::finding::Finding;
use crate::manifests::{ConnectionManager, Platform, REQUEST_TIMEOUT, Setting};
use crate::text::Position;

/// Timeouts that are too short, by file and place, with the longest that the filter may take.
type Short = BTreeMap<(Rc<str>, Position), (Setting, Duration)>;

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut short = Short::new();
    let patched = case.manifests.patched_managers.iter();
    let patched = patched.filter(|_| case.plugin.platform != Platform::Envoy);
    for manager in case.plugin.manager.iter().chain(patched) {
        for index in 0..case.sender.routes.len() {
            of_route(case, manager, index, &mut short);
        }
    }
    if case.plugin.platform == Platform::EnvoyGateway {
        let longest = (0..case.sender.routes.len()).map(|index| wait(case, index)).max();
        for (file, setting) in &case.manifests.gateway.timeouts {
            note(&mut short, file, setting, longest.unwrap_or_default());
        }
    }
    short.into_iter().map(|((file, at), (setting, longest))| {
        // Once a body is there, the timeout for a request's end is over.
        let which = match setting.place {
            REQUEST_TIMEOUT | "requestReceivedTimeout" => "a request without body",
            _ => "the request",
        };
        let message = format!(
            "{:?} is not longer than the {longest:?} that the filter may take: Envoy ends {which} \
             while its message may be stored",
            setting.after
        );
        Finding::warning(&file, at, setting.place, &message)
    }).collect()
}

/// How long the filter may take.
fn wait(case: &Case<'_>, route: usize) -> Duration {
    match case.sender.routes.get(route).map(|route| &route.action) {
        Some(Action::Lookup(lookup)) => lookup.timeout,
        _ => case.sender.delivery.timeout,
    }
}

fn of_route(case: &Case<'_>, manager: &Rc<ConnectionManager>, index: usize, short: &mut Short) {
    let wait = wait(case, index);
    let mut note = |setting: &Setting| note(short, &manager.file, setting, wait);
    manager.request.iter().for_each(&mut note);
    let general = |route: &str| match route {
        "idle_timeout" => manager.idle.as_ref(),
        _ => manager.longest.as_ref(),
    };
    let candidates = match case.manifests.routes(manager) {
        Some(table) => case.requests(index).iter().map(|one| table.candidates(one)).collect(),
        None => vec![],
    };
    for place in ["idle_timeout", "max_stream_duration"] {
        // Requests that no route is known for have what is for all.
        if candidates.is_empty() || candidates.iter().any(Vec::is_empty) {
            general(place).into_iter().for_each(&mut note);
        }
        for one in candidates.iter().flatten() {
            let own = one.route.timeouts.iter().find(|setting| setting.place == place);
            own.or(general(place)).into_iter().for_each(&mut note);
        }
    }
}

/// Remembers a timeout that is too short; zero turns one off.
fn note(short: &mut Short, file: &Rc<str>, setting: &Setting, wait: Duration) {
    if setting.after.is_zero() || setting.after > wait {
        return;
    }
    let known = short.entry((Rc::clone(file), setting.at)).or_insert((setting.clone(), wait));
    known.1 = known.1.max(wait);
}
