//! A gate holds requests that a sender before it answers, and those alone.

use envoy_service_bus::delivery::{Gate, Sender};
use envoy_service_bus::route::Match;

use super::configuration::References;
use crate::finding::Finding;
use crate::manifests::Plugin;

/// Routes of a gate that none of the senders before it has: nobody wakes their requests.
pub(super) fn check(plugin: &Plugin, gate: &Gate, senders: &[&Sender]) -> Vec<Finding> {
    let names = plugin.configuration.as_ref().and_then(|text| References::read(text).ok());
    let (Some(names), false) = (names, senders.is_empty()) else { return vec![] };
    let answered: Vec<_> = senders
        .iter()
        .flat_map(|sender| sender.routes.iter().map(|route| as_sets(&route.matches)))
        .collect();
    let held = names.matches.iter().zip(&gate.matches);
    let alone = held.filter(|(_, matches)| !answered.contains(&as_sets(matches)));
    let message = "no sender before the gate has the same `match`: requests of this route wait \
                   until Envoy ends them";
    alone.map(|(own, _)| Finding::warning(&plugin.file, own.at, &own.place, message)).collect()
}

/// Conditions in a form that equals another's when the same requests fit: their lists have no
/// order.
pub(super) fn as_sets(matches: &Match) -> Match {
    let mut sets = matches.clone();
    sets.methods.sort();
    sets.methods.dedup();
    sets.hosts.sort_by_cached_key(|host| format!("{host:?}"));
    sets.hosts.dedup();
    sets.headers.sort();
    sets
}
