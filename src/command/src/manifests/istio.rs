//! Istio's resources: plugins, what stands beside them in the chain, and where callouts go.

use std::rc::Rc;

use super::clusters::Options;
use super::guard::{Guard, Kind};
use super::kubernetes::{self, name, wasm_plugin};
use super::scope::Scope;
use super::tls::Tls;
use super::{Limit, Manifests, Order, Platform, Plugin};
use crate::text::Position;
use crate::yaml::Node;

/// The order of Istio's filters on a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Before all others.
    First,
    /// Plugins of the phase AUTHN.
    Authn,
    /// `RequestAuthentication`.
    Jwt,
    /// Plugins of the phase AUTHZ.
    Authz,
    /// `AuthorizationPolicy`.
    Rbac,
    /// Plugins of the phase STATS.
    Stats,
    /// Plugins without a phase.
    Unspecified,
    /// Before the router, by an `EnvoyFilter`.
    Last,
}

/// Hosts that a mesh knows by a `ServiceEntry`.
#[derive(Debug)]
pub(crate) struct ServiceEntry {
    pub(crate) file: Rc<str>,
    pub(crate) at: Position,
    hosts: Vec<String>,
    ports: Vec<(u64, String)>,
}

/// How requests get to a host.
#[derive(Debug)]
pub(crate) struct DestinationRule {
    pub(crate) file: Rc<str>,
    pub(crate) at: Position,
    host: String,
    general: Options,
    of_ports: Vec<(u64, Options)>,
}

impl Manifests {
    pub(super) fn istio_plugin(&mut self, file: &Rc<str>, resource: &Node, spec: &Node) {
        let wasm = spec.get("wasm").map_or(spec, Rc::as_ref);
        let order = order(spec);
        let Some(config) = kubernetes::configuration(wasm, &["url"], "plugin_config") else {
            return self.other_plugin(resource, order);
        };
        let configuration = self.object(file, wasm.at, config, "pluginConfig");
        let plugin = wasm_plugin(file, resource, wasm, configuration);
        self.plugins.push(Plugin { platform: Platform::Istio, order, ..plugin });
    }

    /// A plugin of others, which refuses requests if its phase says so.
    pub(super) fn other_plugin(&mut self, resource: &Node, order: Order) {
        if let Order::Priority(Stage::Authn | Stage::Authz, _) = order {
            let name = format!("the plugin {:?}", name(resource).unwrap_or_default());
            self.guard(resource, name, order);
        }
    }

    pub(super) fn request_authentication(&mut self, resource: &Node) {
        let name = format!("RequestAuthentication {:?}", name(resource).unwrap_or_default());
        self.guard(resource, name, Order::Priority(Stage::Jwt, 0));
    }

    pub(super) fn authorization_policy(&mut self, resource: &Node, spec: &Node) {
        // CUSTOM comes before all plugins, AUDIT refuses nothing.
        if matches!(spec.str_of("action"), Some("CUSTOM" | "AUDIT")) {
            return;
        }
        let name = format!("AuthorizationPolicy {:?}", name(resource).unwrap_or_default());
        self.guard(resource, name, Order::Priority(Stage::Rbac, 0));
    }

    fn guard(&mut self, resource: &Node, name: String, order: Order) {
        let scope = Some(Scope::read(resource));
        self.guards.push(Guard { name, kind: Kind::Refuses, order, scope, is_disabled: false });
    }

    pub(super) fn service_entry(&mut self, file: &Rc<str>, resource: &Node, spec: &Node) {
        let ports = spec.get("ports").map(|node| node.items()).unwrap_or_default().iter();
        self.service_entries.push(ServiceEntry {
            file: Rc::clone(file),
            at: resource.at,
            hosts: spec
                .get("hosts")
                .into_iter()
                .flat_map(|n| n.strings())
                .map(str::to_owned)
                .collect(),
            ports: ports
                .filter_map(|port| {
                    let protocol = port.str_of("protocol").unwrap_or_default();
                    Some((port.get("number")?.number()?, protocol.to_ascii_uppercase()))
                })
                .collect(),
        });
    }

    pub(super) fn destination_rule(&mut self, file: &Rc<str>, spec: &Node) {
        let Some(host) = spec.str_of("host") else { return };
        let policy = spec.get("traffic_policy");
        let settings = policy.and_then(|node| node.get("port_level_settings"));
        let settings = settings.map(|node| node.items()).unwrap_or_default().iter();
        self.destination_rules.push(DestinationRule {
            file: Rc::clone(file),
            at: spec.at,
            host: host.to_owned(),
            general: policy.map(|node| traffic_policy(file, node)).unwrap_or_default(),
            of_ports: settings
                .filter_map(|node| {
                    let port = node.path(&["port", "number"])?.number()?;
                    Some((port, traffic_policy(file, node)))
                })
                .collect(),
        });
    }
}

impl ServiceEntry {
    pub(crate) fn has(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| {
            own == host || own.strip_prefix('*').is_some_and(|suffix| host.ends_with(suffix))
        })
    }

    /// The protocol of a port.
    pub(crate) fn protocol(&self, port: u64) -> Option<&str> {
        self.ports.iter().find(|(own, _)| *own == port).map(|(_, protocol)| protocol.as_str())
    }
}

impl DestinationRule {
    /// What it says of a host's port; a port's own settings take the place of the general ones.
    pub(crate) fn options(&self, host: &str, port: u64) -> Option<&Options> {
        if self.host != host {
            return None;
        }
        let own = self.of_ports.iter().find(|(number, _)| *number == port);
        Some(own.map_or(&self.general, |(_, options)| options))
    }
}

fn traffic_policy(file: &Rc<str>, policy: &Node) -> Options {
    let mut options = Options::default();
    if let Some(tls) = policy.get("tls") {
        let named = tls.get("subject_alt_names").is_some_and(|names| !names.items().is_empty());
        options.tls = Some(match tls.str_of("mode") {
            Some("DISABLE") => Tls::Plain,
            _ if tls.get("insecure_skip_verify").is_some_and(|node| node.is_true()) => {
                Tls::Unchecked
            }
            _ if named => Tls::Checked,
            // Without both, Istio checks the request's host.
            _ if tls.get("sni").is_none() => Tls::Unknown,
            _ => Tls::NameUnchecked,
        });
    }
    let pool = |part: &'static str| policy.path(&["connection_pool", part]);
    if let Some(tcp) = pool("tcp") {
        options.limits.extend(Limit::read_as(file, tcp, "maxConnections", "max_connections"));
    }
    if let Some(http) = pool("http") {
        let pending = ("http1MaxPendingRequests", "max_pending_requests");
        for (place, kind) in [pending, ("http2MaxRequests", "max_requests")] {
            options.limits.extend(Limit::read_as(file, http, place, kind));
        }
        if let Some((key, value)) = http.member("h2UpgradePolicy")
            && value.str() == Some("UPGRADE")
        {
            options.http2 = Some((Rc::clone(file), key.at));
        }
    }
    options
}

/// The phase of a plugin, and in it the priority.
pub(super) fn order(spec: &Node) -> Order {
    let stage = match spec.str_of("phase") {
        Some("AUTHN") => Stage::Authn,
        Some("AUTHZ") => Stage::Authz,
        Some("STATS") => Stage::Stats,
        _ => Stage::Unspecified,
    };
    let priority = spec.str_of("priority").and_then(|text| text.parse().ok());
    Order::Priority(stage, priority.unwrap_or(0))
}
