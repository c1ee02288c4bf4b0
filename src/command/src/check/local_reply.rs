//! Envoy's `local_reply_config` must leave the filter's answers as they are.

use envoy_service_bus::outcome::Reason;

use super::case::Case;
use crate::finding::Finding;
use crate::manifests::Platform;

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let success = case.sender.routes.iter().map(|route| route.reply.status.unwrap_or(202));
    let failures = Reason::ALL.into_iter().map(Reason::status);
    let statuses: Vec<_> = success.chain(failures).map(u64::from).collect();
    let patched = case.manifests.patched_managers.iter();
    let patched = patched.filter(|_| case.plugin.platform != Platform::Envoy);
    let managers = case.plugin.manager.iter().chain(patched);
    managers
        .filter_map(|manager| {
            let (at, status) = manager.local_reply.as_ref()?.rewrites(&statuses)?;
            let message = format!(
                "rewrites the filter's own answers, such as those with {status}: clients then see \
                 neither reason nor tracking id. Narrow it by its `filter`"
            );
            Some(Finding::warning(&manager.file, at, "local_reply_config", &message))
        })
        .collect()
}
