//! Higress's resources: plugins, and the registries that give it clusters.

use std::rc::Rc;

use super::istio::order;
use super::kubernetes::{self, wasm_plugin};
use super::{Manifests, Platform, Plugin};
use crate::text::Position;
use crate::yaml::Node;

/// One registry of an `McpBridge`.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) file: Rc<str>,
    pub(crate) at: Position,
    pub(crate) is_encrypted: bool,
    name: String,
    kind: String,
    port: Option<u64>,
}

impl Manifests {
    pub(super) fn higress_plugin(&mut self, file: &Rc<str>, resource: &Node, spec: &Node) {
        let order = order(spec);
        let Some(config) = kubernetes::configuration(spec, &["url"], "default_config") else {
            return self.other_plugin(resource, order);
        };
        if let Some((key, rules)) = spec.member("match_rules")
            && rules.items().iter().any(|rule| rule.get("config").is_some())
        {
            let message = "the filter does not read the rules of Higress; put all routes into \
                           defaultConfig, where `match` tells them apart";
            self.error(file, key.at, "matchRules", message);
        }
        let configuration = self.object(file, spec.at, config, "defaultConfig");
        let plugin = wasm_plugin(file, resource, spec, configuration);
        self.plugins.push(Plugin { platform: Platform::Higress, order, ..plugin });
    }

    pub(super) fn mcp_bridge(&mut self, file: &Rc<str>, spec: &Node) {
        let registries = spec.get("registries").map(|node| node.items()).unwrap_or_default();
        self.registries.extend(registries.iter().map(|node| Registry {
            file: Rc::clone(file),
            at: node.at,
            is_encrypted:
                node.str_of("protocol").is_some_and(|it| it.eq_ignore_ascii_case("https")),
            name: node.str_of("name").unwrap_or_default().to_owned(),
            kind: node.str_of("type").unwrap_or_default().to_owned(),
            port: node.get("port").and_then(|port| port.number()),
        }));
    }
}

impl Registry {
    /// Whether it gives a host and port, such as `service-bus.dns` and 443.
    pub(crate) fn gives(&self, host: &str, port: u64) -> bool {
        let known = host.strip_suffix(&self.kind).and_then(|rest| rest.strip_suffix('.'));
        known == Some(self.name.as_str()) && self.port.is_none_or(|own| own == port)
    }

    /// Whether a host is one that registries of this kind give.
    pub(crate) fn is_of_registry(host: &str) -> bool {
        [".dns", ".static"].iter().any(|kind| host.ends_with(kind))
    }
}
