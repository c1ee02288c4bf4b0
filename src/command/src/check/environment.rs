//! Variables that the module does not see: it would refuse its configuration.

use super::case::Case;
use crate::finding::Finding;
use crate::manifests::Platform;

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(visible) = &case.plugin.variables else { return vec![] };
    let list = match case.plugin.platform {
        Platform::Istio | Platform::Higress => "vmConfig.env",
        Platform::EnvoyGateway => "env.hostKeys",
        _ => "vm_config.environment_variables",
    };
    let hidden = case.names.variables.iter().filter(|one| !visible.contains(&one.name));
    hidden
        .map(|one| {
            let message = format!("the module does not see {}: name it in {list}", one.name);
            Finding::error(&case.plugin.file, one.at, &one.place, &message)
        })
        .collect()
}
