//! Where messages go: cluster, TLS, headers that Envoy adds, limits.

use std::collections::BTreeSet;

use super::case::Case;
use super::configuration::Reference;
use super::target::{self, Target};
use crate::finding::Finding;
use crate::manifests::{Cluster, Platform, Tls};

/// Headers that Envoy adds to each callout.
const STRAY: [&str; 2] = ["x-envoy-internal", "x-envoy-expected-rq-timeout-ms"];

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    let names = &case.names;
    for one in names.destinations.iter().chain(&names.token_services).chain(&names.lookups) {
        findings.extend(missing(case, one));
    }
    let mut seen = BTreeSet::new();
    for one in names.destinations.iter().filter(|one| seen.insert(one.name.clone())) {
        let target = target::find(case, one);
        findings.extend(stray(case, one, &target));
        findings.extend(dropped(case, one));
        findings.extend(tls(case, one, &target));
        findings.extend(protocol(&target, one));
        findings.extend(limits(case, &target));
        findings.extend(retries(&target));
    }
    for one in names.token_services.iter().filter(|one| seen.insert(one.name.clone())) {
        findings.extend(tls(case, one, &target::find(case, one)));
    }
    findings
}

/// A name that nothing in the files gives.
fn missing(case: &Case<'_>, one: &Reference) -> Option<Finding> {
    let manifests = case.manifests;
    let of_envoy = case.plugin.platform == Platform::Envoy;
    let message = if of_envoy {
        let known = manifests.clusters.is_empty() || manifests.more_clusters;
        let found = manifests.clusters.iter().any(|cluster| cluster.name == one.name);
        (!known && !found).then(|| format!("there is no cluster {:?}", one.name))
    } else {
        target::absence(manifests, &one.name)
    };
    message.map(|message| case.warning(one.at, &one.place, &message))
}

/// What Envoy adds must not become a property.
fn stray(case: &Case<'_>, one: &Reference, target: &Target<'_>) -> Option<Finding> {
    let by = match (target.cluster, case.plugin.platform) {
        (Some(_), _) => "an upstream header_mutation filter",
        (None, Platform::Envoy) => return None,
        (None, _) => "a patch of the cluster",
    };
    let left = STRAY.into_iter().filter(|name| !target.options.removed.contains(*name));
    let left: Vec<_> = left.collect();
    if left.is_empty() {
        return None;
    }
    let message = format!(
        "nothing removes {} from what goes to cluster {:?}, and Service Bus takes what Envoy adds \
         for properties of the message: use {by}",
        left.join(" and "),
        one.name
    );
    Some(match target.cluster {
        Some(Cluster { file, at, .. }) => Finding::warning(file, *at, "", &message),
        None => case.warning(one.at, &one.place, &message),
    })
}

/// Istio takes a merged `transport_socket` for the whole of a patch.
fn dropped(case: &Case<'_>, one: &Reference) -> Vec<Finding> {
    let patches = case.manifests.cluster_patches.iter().filter(|patch| patch.is_for(&one.name));
    let message = "Istio merges this socket and drops the rest of the patch: make a patch of its \
                   own for it";
    let socket = |at| (at, "transport_socket");
    patches
        .filter_map(|patch| {
            let (at, place) = socket(patch.drops_the_rest?);
            Some(Finding::warning(&patch.file, at, place, message))
        })
        .collect()
}

/// A token, or what buys one, goes only to whom it is for.
fn tls(case: &Case<'_>, one: &Reference, target: &Target<'_>) -> Option<Finding> {
    if !target.is_azure {
        return None;
    }
    let (socket, authority, name) = match case.plugin.platform {
        Platform::EnvoyGateway => ("BackendTLSPolicy", "validation", "validation.hostname"),
        Platform::Istio => ("tls in a DestinationRule", "caCertificates", "subjectAltNames"),
        _ => (
            "transport_socket",
            "trusted_ca in its validation_context",
            "match_typed_subject_alt_names or auto_san_validation",
        ),
    };
    let name_of = &one.name;
    let message = match target.options.tls {
        None | Some(Tls::Plain) => {
            format!("cluster {name_of:?} leads to port 443 without TLS: use {socket}")
        }
        Some(Tls::Unchecked) => format!(
            "cluster {name_of:?} trusts any certificate: whoever stands in between gets the \
             token. Set {authority}"
        ),
        Some(Tls::NameUnchecked) => format!(
            "cluster {name_of:?} trusts certificates for any name: whoever has one gets the \
             token. Set {name}"
        ),
        Some(Tls::Checked | Tls::Unknown) => return None,
    };
    let (file, at) = target.place?;
    Some(Finding::warning(file, at, "", &message))
}

fn protocol(target: &Target<'_>, one: &Reference) -> Option<Finding> {
    if let Some((file, at)) = &target.options.no_protocol {
        let message = "HttpProtocolOptions without a protocol, which Envoy refuses: set \
                       explicit_http_config with http_protocol_options";
        return Some(Finding::error(file, *at, "", message));
    }
    let concerned = target.is_azure && !target.options.is_http1;
    let (file, at) = target.options.http2.as_ref().filter(|_| concerned)?;
    let message = format!(
        "cluster {:?} speaks HTTP/2 or later, and Service Bus speaks HTTP/1.1: set \
         explicit_http_config with http_protocol_options",
        one.name
    );
    Some(Finding::warning(file, *at, "", &message))
}

/// The filter should be the first to refuse, as its answer says when to try again.
fn limits(case: &Case<'_>, target: &Target<'_>) -> Vec<Finding> {
    let delivery = &case.sender.delivery;
    let in_flight = u64::try_from(delivery.max_in_flight).unwrap_or(u64::MAX);
    let needed = match &delivery.batch {
        None => in_flight,
        Some(batch) => in_flight.div_ceil(u64::try_from(batch.max_messages).unwrap_or(1).max(1)),
    };
    let low = target.options.limits.iter().filter(|limit| limit.value < needed);
    let mut findings: Vec<_> = low
        .map(|limit| {
            let message = format!(
                "{} for all workers is below the {needed} callouts of one, by max_in_flight: \
                 Envoy refuses what the filter still takes",
                limit.value
            );
            Finding::warning(&limit.file, limit.at, limit.place, &message)
        })
        .collect();
    let place = target.place.filter(|_| target.has_defaults && needed > DEFAULT_LIMIT);
    if let Some((file, at)) = place {
        let kinds = ["max_connections", "max_pending_requests", "max_requests"];
        let set = |kind: &&&str| target.options.limits.iter().any(|limit| limit.kind == **kind);
        let unset: Vec<_> = kinds.iter().filter(|kind| !set(kind)).copied().collect();
        if !unset.is_empty() {
            let message = format!(
                "allows {DEFAULT_LIMIT} callouts for all workers, which is Envoy's default, and \
                 max_in_flight lets one worker have {needed}: raise {}",
                unset.join(", ")
            );
            findings.push(Finding::warning(file, at, "", &message));
        }
    }
    findings
}

/// What Envoy allows unless it is told otherwise.
const DEFAULT_LIMIT: u64 = 1024;

fn retries(target: &Target<'_>) -> Option<Finding> {
    let (file, at) = target.options.retries.as_ref()?;
    let message = "Envoy sends a message again by itself, which may be stored already: beside the \
                   filter's retries, budget and circuit breaker. Leave it out and set \
                   delivery.retries";
    Some(Finding::warning(file, *at, "retry_policy", message))
}
