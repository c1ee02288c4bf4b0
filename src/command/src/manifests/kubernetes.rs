//! Resources of Kubernetes, each given to those who know its kind.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::recognition::{is_configuration, is_configuration_node, names_module};
use super::scope::Scope;
use super::{Manifests, Plugin};
use crate::text::{Position, Text};
use crate::yaml::{self, Node};

impl Manifests {
    /// Reads one resource.
    pub(super) fn kubernetes(&mut self, file: &Rc<str>, resource: &Node) {
        let version = resource.str_of("apiVersion").unwrap_or_default();
        let group = version.split('/').next().unwrap_or_default();
        let kind = resource.str_of("kind").unwrap_or_default();
        match (group, kind) {
            ("v1", "ConfigMap") => return self.config_map(file, resource),
            ("v1", "List") => {
                let items = resource.get("items").map(|node| node.items()).unwrap_or_default();
                return items.iter().for_each(|item| self.kubernetes(file, item));
            }
            _ => {}
        }
        let Some(spec) = resource.get("spec") else { return };
        match (group, kind) {
            ("extensions.istio.io", "WasmPlugin" | "TrafficExtension") => {
                self.istio_plugin(file, resource, spec);
            }
            ("security.istio.io", "RequestAuthentication") => self.request_authentication(resource),
            ("security.istio.io", "AuthorizationPolicy") => {
                self.authorization_policy(resource, spec);
            }
            ("networking.istio.io", "ServiceEntry") => self.service_entry(file, resource, spec),
            ("networking.istio.io", "DestinationRule") => self.destination_rule(file, spec),
            ("networking.istio.io", "EnvoyFilter")
            | ("gateway.envoyproxy.io", "EnvoyPatchPolicy") => {
                self.patches(file, resource, spec);
            }
            ("extensions.higress.io", "WasmPlugin") => self.higress_plugin(file, resource, spec),
            ("networking.higress.io", "McpBridge") => self.mcp_bridge(file, spec),
            ("gateway.envoyproxy.io", "EnvoyExtensionPolicy") => {
                self.extension_policy(file, resource, spec);
            }
            ("gateway.envoyproxy.io", "ClientTrafficPolicy") => self.client_traffic(file, spec),
            ("gateway.envoyproxy.io", "EnvoyProxy") => self.envoy_proxy(spec),
            ("gateway.envoyproxy.io", "SecurityPolicy") => self.security_policy(resource, spec),
            ("gateway.envoyproxy.io", "BackendTrafficPolicy") => {
                self.backend_traffic(file, resource, spec);
            }
            ("gateway.envoyproxy.io", "Backend") => self.backend(file, resource, spec),
            ("gateway.networking.k8s.io", "HTTPRoute") => self.http_route(resource, spec),
            ("gateway.networking.k8s.io", "BackendTLSPolicy") => self.backend_tls(resource),
            _ => {}
        }
    }

    /// A value that a control plane turns into JSON.
    pub(super) fn object(
        &mut self,
        file: &Rc<str>,
        at: Position,
        config: Configuration<'_>,
        place: &str,
    ) -> Option<Text> {
        if config.0.is_none() {
            self.error(file, at, place, "is required");
        }
        config.0.map(|node| node.to_json())
    }

    /// Envoy's configuration, or parts of it, as files in a `ConfigMap`. Files of others are none of
    /// ours, broken or not.
    fn config_map(&mut self, file: &Rc<str>, resource: &Node) {
        for (key, value) in resource.get("data").map(|node| node.members()).unwrap_or_default() {
            let Some(text) = value.text() else { continue };
            let named = [".yaml", ".yml", ".json"].iter().any(|end| key.name.ends_with(end));
            let concerns =
                text.as_str().contains(super::envoy::WASM) || is_configuration(text.as_str());
            if named && concerns {
                self.add(file, text);
            } else if (named || concerns)
                && let Ok(documents) = yaml::read(text)
            {
                documents.iter().for_each(|node| self.document(file, node));
            }
        }
    }
}

/// What a control plane gives the filter, if it gives anything.
pub(super) struct Configuration<'a>(Option<&'a Rc<Node>>);

/// The configuration of a plugin; `None` for those of others.
pub(super) fn configuration<'a>(
    wasm: &'a Node,
    code: &[&str],
    key: &str,
) -> Option<Configuration<'a>> {
    let config = wasm.get(key);
    let ours = config.is_some_and(|node| is_configuration_node(node))
        || wasm.path(code).is_some_and(names_module);
    ours.then_some(Configuration(config))
}

/// What the two kinds of `WasmPlugin` have in common.
pub(super) fn wasm_plugin(
    file: &Rc<str>,
    resource: &Node,
    wasm: &Node,
    configuration: Option<Text>,
) -> Plugin {
    let variables = wasm.path(&["vm_config", "env"]).map(Node::items).unwrap_or_default();
    let variables = variables.iter().filter_map(|one| one.str_of("name"));
    let open = wasm.member("fail_strategy").filter(|(_, value)| value.str() == Some("FAIL_OPEN"));
    Plugin {
        at: wasm.at,
        name: name(resource).map(str::to_owned),
        open: open.map(|(key, _)| (key.at, "failStrategy")),
        variables: Some(variables.map(str::to_owned).collect::<BTreeSet<_>>()),
        scope: Scope::read(resource),
        ..Plugin::plain(file, configuration)
    }
}

pub(super) fn name(resource: &Node) -> Option<&str> {
    resource.path(&["metadata", "name"]).and_then(Node::str)
}
