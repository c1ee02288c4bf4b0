//! What the message is and where it goes, as far as it is well formed and yet not meant so.

use envoy_service_bus::message::travels_in_batch_only;

use super::case::Case;
use super::configuration::Reference;
use crate::finding::Finding;

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let said = |one: &Reference, message: &str| case.warning(one.at, &one.place, message);
    let namespaces = case.names.namespaces.iter().filter(|one| is_bare(&one.name));
    let message = "has no dot: the host of a namespace is one such as \
                   contoso.servicebus.windows.net";
    let mut findings: Vec<_> = namespaces.map(|one| said(one, message)).collect();
    for one in &case.names.entities {
        let name = one.name.to_ascii_lowercase();
        if name.ends_with("/messages") {
            findings.push(said(one, "ends in /messages, which the filter adds by itself"));
        }
        if name.contains("/subscriptions/") {
            let message = "names a subscription, and messages are sent to topics alone";
            findings.push(said(one, message));
        }
    }
    for one in case.names.properties.iter().filter(|one| travels_in_batch_only(&one.name)) {
        let message = "no header can carry this name, so that the message travels as a batch of \
                       one: a request whose body is not UTF-8 is refused with 400";
        findings.push(said(one, message));
    }
    for (one, route) in case.names.matches.iter().zip(&case.sender.routes) {
        if !one.sends {
            continue;
        }
        let named = |method: &&&str| route.matches.methods.iter().any(|own| own == **method);
        if let Some(method) = ["OPTIONS", "HEAD"].iter().find(named) {
            let message = format!(
                "takes {method}: preflights of browsers and probes become messages. Name the \
                 methods that carry one"
            );
            findings.push(case.warning(one.at, &one.place, &message));
        }
    }
    findings
}

/// A name and no host; one with a port is an emulator's.
fn is_bare(namespace: &str) -> bool {
    !namespace.contains(['.', ':']) && namespace != "localhost"
}
