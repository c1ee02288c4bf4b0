//! `jwt.*` must be what `jwt_authn` leaves.

use std::collections::BTreeSet;

use super::case::Case;
use crate::finding::Finding;
use crate::manifests::Platform;

/// Where a token is looked for when the configuration names no key.
const USUAL: [&str; 2] = ["jwt_payload", "payload"];
/// Where Istio's `RequestAuthentication` leaves one.
const ISTIO: &str = "payload";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(keys) = keys(case) else { return vec![] };
    if !case.sender.routes.iter().any(|route| route.needs.jwt) {
        return vec![];
    }
    let listed = || keys.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let (at, place, message) = match &case.names.jwt_payload_key {
        _ if keys.is_empty() => {
            let message = "expressions read jwt, and no provider of jwt_authn sets \
                           payload_in_metadata: jwt is always absent";
            (case.plugin.at, "", message.to_owned())
        }
        Some(key) if keys.contains(&key.name) => return vec![],
        Some(key) => {
            let message = format!(
                "jwt_authn leaves tokens under other keys ({}): jwt is always absent",
                listed()
            );
            (key.at, "jwt_payload_key", message)
        }
        None if keys.len() == 1 || USUAL.iter().any(|key| keys.contains(*key)) => return vec![],
        None => {
            let message = format!(
                "jwt_authn leaves tokens under several keys ({}), and jwt is none of them: name \
                 one in jwt_payload_key",
                listed()
            );
            (case.plugin.at, "", message)
        }
    };
    vec![case.warning(at, place, &message)]
}

/// The keys that a token may stand under; `None` when that is not known.
fn keys(case: &Case<'_>) -> Option<BTreeSet<String>> {
    match case.plugin.platform {
        Platform::EnvoyGateway => {}
        Platform::Istio | Platform::Patch => {
            let mut guards = case.manifests.guards.iter();
            let has = guards.any(|guard| guard.leaves_tokens(&case.plugin.scope));
            return has.then(|| BTreeSet::from([ISTIO.to_owned()]));
        }
        _ => return case.plugin.token_keys.clone(),
    }
    let gateway = &case.manifests.gateway;
    let concerned = gateway
        .policies
        .iter()
        .filter(|policy| gateway.concerns(&policy.scope, &case.plugin.scope));
    let keys: BTreeSet<_> = concerned.flat_map(|policy| policy.providers.clone()).collect();
    (!keys.is_empty()).then_some(keys)
}
