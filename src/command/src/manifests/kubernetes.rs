//! Resources of Kubernetes that bring the filter to a gateway.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::envoy::{Around, is_ours};
use super::{Limit, Manifests, Order, Platform, Plugin, Removal};
use crate::text::{Position, Text};
use crate::yaml::{self, Node};

impl Manifests {
    /// Reads one resource.
    pub(super) fn kubernetes(&mut self, file: &Rc<str>, resource: &Node) {
        let version = resource.str_of("apiVersion").unwrap_or_default();
        let group = version.split('/').next().unwrap_or_default();
        match (group, resource.str_of("kind").unwrap_or_default(), resource.get("spec")) {
            ("extensions.istio.io", "WasmPlugin" | "TrafficExtension", Some(spec)) => {
                self.istio(file, resource, spec);
            }
            ("extensions.higress.io", "WasmPlugin", Some(spec)) => {
                self.higress(file, resource, spec);
            }
            ("gateway.envoyproxy.io", "EnvoyExtensionPolicy", Some(spec)) => {
                self.envoy_gateway(file, spec);
            }
            ("gateway.envoyproxy.io", "ClientTrafficPolicy", Some(spec)) => {
                self.client_traffic(file, spec);
            }
            ("networking.istio.io", "EnvoyFilter", Some(spec))
            | ("gateway.envoyproxy.io", "EnvoyPatchPolicy", Some(spec)) => {
                self.removals.append(&mut Removal::read(spec));
                self.walk(spec, &Around::nothing(file, Platform::Patch));
            }
            ("v1", "ConfigMap", _) => self.config_map(file, resource),
            ("v1", "List", _) => {
                for item in resource.get("items").map(|node| node.items()).unwrap_or_default() {
                    self.kubernetes(file, item);
                }
            }
            _ => {}
        }
    }

    fn istio(&mut self, file: &Rc<str>, resource: &Node, spec: &Node) {
        let wasm = spec.get("wasm").map_or(spec, Rc::as_ref);
        if names(resource, wasm).any(is_ours) || configures_us(wasm.get("plugin_config")) {
            let configuration = self.object(file, wasm, "plugin_config", "pluginConfig");
            self.plugins.push(Plugin {
                platform: Platform::Istio,
                order: order(spec),
                ..wasm_plugin(file, resource, wasm, configuration)
            });
        }
    }

    fn higress(&mut self, file: &Rc<str>, resource: &Node, spec: &Node) {
        if !names(resource, spec).any(is_ours) && !configures_us(spec.get("default_config")) {
            return;
        }
        if let Some((key, rules)) = spec.member("match_rules")
            && rules.items().iter().any(|rule| rule.get("config").is_some())
        {
            let message = "the filter does not read the rules of Higress; put all routes into \
                           defaultConfig, where `match` tells them apart";
            self.error(file, key.at, "matchRules", message);
        }
        let configuration = self.object(file, spec, "default_config", "defaultConfig");
        self.plugins.push(Plugin {
            platform: Platform::Higress,
            order: order(spec),
            ..wasm_plugin(file, resource, spec, configuration)
        });
    }

    /// A value that a control plane turns into JSON.
    fn object(&mut self, file: &Rc<str>, spec: &Node, key: &str, place: &str) -> Option<Text> {
        let found = spec.get(key);
        if found.is_none() {
            self.error(file, spec.at, place, "is required");
        }
        found.map(|node| node.to_json())
    }

    fn envoy_gateway(&mut self, file: &Rc<str>, spec: &Node) {
        let chain = self.new_chain();
        let filters = spec.get("wasm").map(|node| node.items()).unwrap_or_default();
        for (index, wasm) in filters.iter().enumerate() {
            let code = wasm.get("code").into_iter().flat_map(|code| urls(code));
            let names = [wasm.str_of("name"), wasm.str_of("root_id")];
            let named = names.into_iter().flatten().chain(code).any(is_ours);
            if !named && !configures_us(wasm.get("config")) {
                continue;
            }
            let keys = wasm.path(&["env", "host_keys"]);
            let variables = keys.into_iter().flat_map(Node::strings).map(str::to_owned);
            let open = wasm.member("fail_open").filter(|(_, value)| value.is_true());
            let configuration = self.object(file, wasm, "config", "config");
            self.plugins.push(Plugin {
                at: wasm.at,
                name: wasm.str_of("name").map(str::to_owned),
                platform: Platform::EnvoyGateway,
                open: open.map(|(key, _)| (key.at, "failOpen")),
                variables: Some(variables.collect()),
                order: Order::Chain(chain, index),
                ..Plugin::plain(file, configuration)
            });
        }
    }

    fn client_traffic(&mut self, file: &Rc<str>, spec: &Node) {
        let limit = spec.get("connection").and_then(|node| node.member("buffer_limit"));
        if let Some((key, value)) = limit
            && let Some(bytes) = value.str().and_then(quantity)
        {
            let (file, at, place) = (Rc::clone(file), key.at, "bufferLimit");
            self.gateway_buffer = Some(Limit { file, at, place, bytes });
        }
    }

    /// Envoy's configuration, or parts of it, as files in a `ConfigMap`. Files of others are none of
    /// ours, broken or not.
    fn config_map(&mut self, file: &Rc<str>, resource: &Node) {
        for (key, value) in resource.get("data").map(|node| node.members()).unwrap_or_default() {
            let Some(text) = value.text() else { continue };
            let named = [".yaml", ".yml", ".json"].iter().any(|end| key.name.ends_with(end));
            let concerns = text.as_str().contains("wasm") || is_ours(text.as_str());
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

/// What the two kinds of `WasmPlugin` have in common.
fn wasm_plugin(
    file: &Rc<str>,
    resource: &Node,
    spec: &Node,
    configuration: Option<Text>,
) -> Plugin {
    let variables = spec.path(&["vm_config", "env"]).map(Node::items).unwrap_or_default();
    let variables = variables.iter().filter_map(|one| one.str_of("name"));
    let name = resource.path(&["metadata", "name"]).and_then(Node::str);
    Plugin {
        at: spec.at,
        name: name.map(str::to_owned),
        open: open(spec),
        variables: Some(variables.map(str::to_owned).collect::<BTreeSet<_>>()),
        ..Plugin::plain(file, configuration)
    }
}

/// What tells whose plugin it is.
fn names<'a>(resource: &'a Node, wasm: &'a Node) -> impl Iterator<Item = &'a str> {
    let name = resource.path(&["metadata", "name"]).and_then(Node::str);
    [name, wasm.str_of("url"), wasm.str_of("plugin_name")].into_iter().flatten()
}

/// Whether a configuration has the keys of this filter's, whatever its resource is called.
fn configures_us(configuration: Option<&Rc<Node>>) -> bool {
    configuration.is_some_and(|node| {
        node.get("routes").is_some() && node.get("namespace").or(node.get("role")).is_some()
    })
}

fn urls(code: &Node) -> impl Iterator<Item = &str> {
    code.members().iter().filter_map(|(_, source)| source.str_of("url"))
}

fn open(spec: &Node) -> Option<(Position, &'static str)> {
    let (key, value) = spec.member("fail_strategy")?;
    (value.str() == Some("FAIL_OPEN")).then_some((key.at, "failStrategy"))
}

fn order(spec: &Node) -> Order {
    let phase = match spec.str_of("phase") {
        Some("AUTHN") => 0,
        Some("AUTHZ") => 1,
        Some("STATS") => 2,
        _ => 3,
    };
    let priority = spec.str_of("priority").and_then(|text| text.parse().ok());
    Order::Priority(phase, priority.unwrap_or(0))
}

/// A number of bytes as Kubernetes writes it.
fn quantity(text: &str) -> Option<u64> {
    let units = [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("k", 1_000), ("M", 1_000_000)];
    let unit = units.into_iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)));
    let (digits, size) = unit.unwrap_or((text, 1));
    digits.parse::<u64>().ok()?.checked_mul(size)
}
