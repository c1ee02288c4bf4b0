//! Envoy Gateway's resources.

use std::rc::Rc;

use super::clusters::Options;
use super::kubernetes::{configuration, name};
use super::routes::{Setting, setting};
use super::scope::Scope;
use super::tls::Tls;
use super::{Limit, Manifests, Order, Platform, Plugin};
use crate::text::Position;
use crate::yaml::Node;

/// What the resources of Envoy Gateway say, apart from the filter's own.
#[derive(Debug, Default)]
pub(crate) struct Gateway {
    /// Largest body that it buffers, as a `ClientTrafficPolicy` says.
    pub(crate) buffer: Option<Limit>,
    /// When it ends a request, with the file that says so.
    pub(crate) timeouts: Vec<(Rc<str>, Setting)>,
    /// Changes of the order of filters: name, whether before, and the other's name.
    pub(crate) filter_order: Vec<(String, bool, String)>,
    /// Where an `EnvoyProxy` gives routes to the same backend one cluster.
    pub(crate) merges_backends: bool,
    pub(crate) policies: Vec<Policy>,
    pub(crate) routes: Vec<HttpRoute>,
    pub(crate) backends: Vec<Backend>,
    /// Namespace and name of backends that a `BackendTLSPolicy` is for.
    pub(crate) with_tls: Vec<(String, String)>,
}

/// A policy that brings filters or limits to routes.
#[derive(Debug)]
pub(crate) struct Policy {
    /// As it is shown.
    pub(crate) shown: String,
    pub(crate) scope: Scope,
    /// Envoy's filters that it brings.
    pub(crate) filters: Vec<&'static str>,
    /// Names of the providers of its tokens.
    pub(crate) providers: Vec<String>,
    /// What its buffer takes.
    pub(crate) buffer: Option<Limit>,
    pub(crate) limits: Vec<Limit>,
}

#[derive(Debug)]
pub(crate) struct HttpRoute {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Names of its gateways.
    pub(crate) parents: Vec<String>,
    /// For each rule the backends of its `backendRefs`, by kind, namespace, name and port.
    pub(crate) rules: Vec<Vec<BackendRef>>,
}

#[derive(Debug)]
pub(crate) struct BackendRef {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) port: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) file: Rc<str>,
    pub(crate) at: Position,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) ports: Vec<u64>,
    pub(crate) has_tls: bool,
    pub(crate) insecure: bool,
}

impl Manifests {
    pub(super) fn extension_policy(&mut self, file: &Rc<str>, resource: &Node, spec: &Node) {
        let chain = self.new_chain();
        let scope = Scope::read(resource);
        let filters = spec.get("wasm").map(|node| node.items()).unwrap_or_default();
        for (index, wasm) in filters.iter().enumerate() {
            let Some(config) = configuration(wasm, &["code"], "config") else { continue };
            let keys = wasm.path(&["env", "host_keys"]);
            let variables = keys.into_iter().flat_map(Node::strings).map(str::to_owned);
            let open = wasm.member("fail_open").filter(|(_, value)| value.is_true());
            let configuration = self.object(file, wasm.at, config, "config");
            self.plugins.push(Plugin {
                at: wasm.at,
                name: wasm.str_of("name").map(str::to_owned),
                platform: Platform::EnvoyGateway,
                open: open.map(|(key, _)| (key.at, "failOpen")),
                variables: Some(variables.collect()),
                order: Order::Chain(chain, index),
                scope: scope.clone(),
                ..Plugin::plain(file, configuration)
            });
        }
    }

    pub(super) fn client_traffic(&mut self, file: &Rc<str>, spec: &Node) {
        let connection = spec.get("connection");
        let limit = connection.and_then(|node| Limit::read(file, node, "bufferLimit"));
        self.gateway.buffer = limit.or(self.gateway.buffer.take());
        if let Some(http) = spec.path(&["timeout", "http"]) {
            let names = ["streamIdleTimeout", "requestReceivedTimeout"];
            let found = names.into_iter().filter_map(|name| setting(http, name, name));
            self.gateway.timeouts.extend(found.map(|one| (Rc::clone(file), one)));
        }
    }

    pub(super) fn envoy_proxy(&mut self, spec: &Node) {
        self.gateway.merges_backends |= spec.get("merge_backends").is_some();
        let order = spec.get("filter_order").map(|node| node.items()).unwrap_or_default();
        self.gateway.filter_order.extend(order.iter().filter_map(|one| {
            let before = one.str_of("before");
            let other = before.or(one.str_of("after"))?.to_owned();
            Some((one.str_of("name")?.to_owned(), before.is_some(), other))
        }));
    }

    pub(super) fn security_policy(&mut self, resource: &Node, spec: &Node) {
        let brings = [
            ("ext_auth", "ext_authz"),
            ("api_key_auth", "api_key_auth"),
            ("basic_auth", "basic_auth"),
            ("oidc", "oauth2"),
            ("jwt", "jwt_authn"),
            ("authorization", "rbac"),
        ];
        let brings = brings.iter().filter(|(key, _)| spec.get(key).is_some());
        let providers = spec.path(&["jwt", "providers"]).map(Node::items).unwrap_or_default();
        let providers = providers.iter().filter_map(|one| one.str_of("name"));
        self.gateway.policies.push(Policy {
            shown: format!("SecurityPolicy {:?}", name(resource).unwrap_or_default()),
            scope: Scope::read(resource),
            filters: brings.map(|(_, filter)| *filter).collect(),
            providers: providers.map(str::to_owned).collect(),
            buffer: None,
            limits: vec![],
        });
    }

    pub(super) fn backend_traffic(&mut self, file: &Rc<str>, resource: &Node, spec: &Node) {
        let limited = |kind| spec.path(&["rate_limit", kind]).is_some();
        let filters = [("local", "local_ratelimit"), ("global", "ratelimit")];
        let filters = filters.into_iter().filter(|(kind, _)| limited(kind));
        let mut limits = vec![];
        if let Some(breaker) = spec.get("circuit_breaker") {
            for (place, kind) in [
                ("maxConnections", "max_connections"),
                ("maxPendingRequests", "max_pending_requests"),
                ("maxParallelRequests", "max_requests"),
            ] {
                limits.extend(Limit::read_as(file, breaker, place, kind));
            }
        }
        let buffer = spec.get("request_buffer");
        self.gateway.policies.push(Policy {
            shown: format!("BackendTrafficPolicy {:?}", name(resource).unwrap_or_default()),
            scope: Scope::read(resource),
            filters: filters.map(|(_, filter)| filter).collect(),
            providers: vec![],
            buffer: buffer.and_then(|node| Limit::read(file, node, "limit")),
            limits,
        });
    }

    pub(super) fn http_route(&mut self, resource: &Node, spec: &Node) {
        let own = namespace(resource);
        let of = |node: &Node, key: &str| node.get(key).map(|node| node.items().to_vec());
        let backend = |node: &Rc<Node>| BackendRef {
            kind: node.str_of("kind").unwrap_or("Service").to_owned(),
            namespace: node.str_of("namespace").unwrap_or(own).to_owned(),
            name: node.str_of("name").unwrap_or_default().to_owned(),
            port: node.get("port").and_then(|port| port.number()),
        };
        let rules = of(spec, "rules").unwrap_or_default();
        let parents = of(spec, "parent_refs").unwrap_or_default();
        let parents = parents.iter().filter_map(|node| node.str_of("name")).map(str::to_owned);
        self.gateway.routes.push(HttpRoute {
            namespace: own.to_owned(),
            name: name(resource).unwrap_or_default().to_owned(),
            parents: parents.collect(),
            rules: rules
                .iter()
                .map(|rule| {
                    of(rule, "backend_refs").unwrap_or_default().iter().map(backend).collect()
                })
                .collect(),
        });
    }

    pub(super) fn backend(&mut self, file: &Rc<str>, resource: &Node, spec: &Node) {
        let endpoints = spec.get("endpoints").map(|node| node.items()).unwrap_or_default();
        let port = |node: &Rc<Node>| {
            let address = node.get("fqdn").or(node.get("ip"))?;
            address.get("port")?.number()
        };
        let tls = spec.get("tls");
        let insecure = tls.and_then(|tls| tls.get("insecure_skip_verify"));
        self.gateway.backends.push(Backend {
            file: Rc::clone(file),
            at: resource.at,
            namespace: namespace(resource).to_owned(),
            name: name(resource).unwrap_or_default().to_owned(),
            ports: endpoints.iter().filter_map(port).collect(),
            has_tls: tls.is_some(),
            insecure: insecure.is_some_and(|node| node.is_true()),
        });
    }

    pub(super) fn backend_tls(&mut self, resource: &Node) {
        let own = namespace(resource).to_owned();
        let scope = Scope::read(resource);
        let names = scope.targets().iter().map(|(_, name)| (own.clone(), name.clone()));
        self.gateway.with_tls.extend(names);
    }
}

impl Gateway {
    /// Whether a policy is for the requests that another resource is for.
    pub(crate) fn concerns(&self, policy: &Scope, other: &Scope) -> bool {
        if policy.namespace() != other.namespace() {
            return false;
        }
        let meets = |(kind, name): &(String, String)| {
            other.targets().iter().any(|(other_kind, other_name)| {
                match (kind.as_str(), other_kind.as_str()) {
                    ("Gateway", "HTTPRoute") => {
                        self.is_parent(name, policy.namespace(), other_name)
                    }
                    ("HTTPRoute", "Gateway") => false,
                    _ => kind == other_kind && name == other_name,
                }
            })
        };
        policy.targets().iter().any(meets)
    }

    /// Whether a gateway has a route; a route that is not known is taken for its.
    fn is_parent(&self, gateway: &str, namespace: &str, route: &str) -> bool {
        let mut known =
            self.routes.iter().filter(|one| one.name == route && one.namespace == namespace);
        known.next().is_none_or(|route| route.parents.iter().any(|parent| parent == gateway))
    }

    /// Filters in the order that Envoy Gateway gives them, of those that there are.
    pub(crate) fn sorted(&self, present: &[&'static str]) -> Vec<&'static str> {
        let mut sorted: Vec<_> = ORDER.into_iter().filter(|name| present.contains(name)).collect();
        let find = |sorted: &[&'static str], name: &str| {
            let short = name.strip_prefix("envoy.filters.http.").unwrap_or(name);
            sorted.iter().position(|own| *own == short)
        };
        for (name, before, other) in &self.filter_order {
            let Some(from) = find(&sorted, name) else { continue };
            if find(&sorted, other).is_none_or(|to| to == from) {
                continue;
            }
            let moved = sorted.remove(from);
            let to = find(&sorted, other).unwrap_or(sorted.len());
            sorted.insert(if *before { to } else { to + 1 }, moved);
        }
        sorted
    }

    /// What is asked of a backend before it gets a request.
    pub(crate) fn tls(&self, backend: &Backend) -> Tls {
        let own = (backend.namespace.clone(), backend.name.clone());
        match (backend.insecure, backend.has_tls || self.with_tls.contains(&own)) {
            (true, _) => Tls::Unchecked,
            (false, true) => Tls::Checked,
            (false, false) => Tls::Plain,
        }
    }

    /// A backend's own record.
    pub(crate) fn backend(&self, reference: &BackendRef) -> Option<&Backend> {
        let fits = |one: &&Backend| {
            reference.kind == "Backend"
                && one.name == reference.name
                && one.namespace == reference.namespace
        };
        self.backends.iter().find(fits)
    }

    /// What policies set on a cluster of a rule of a route.
    pub(crate) fn options(&self, route: &HttpRoute) -> Options {
        let scope = Scope::of_route(&route.namespace, &route.name);
        let mut options = Options::default();
        for policy in self.policies.iter().filter(|policy| self.concerns(&policy.scope, &scope)) {
            options.overlay(&Options { limits: policy.limits.clone(), ..Options::default() });
        }
        options
    }
}

/// Envoy Gateway's own order, 1.6 to 1.9.
const ORDER: [&str; 12] = [
    "cors",
    "ext_authz",
    "api_key_auth",
    "basic_auth",
    "oauth2",
    "jwt_authn",
    "buffer",
    "wasm",
    "rbac",
    "local_ratelimit",
    "ratelimit",
    "router",
];

fn namespace(resource: &Node) -> &str {
    resource.path(&["metadata", "namespace"]).and_then(Node::str).unwrap_or("default")
}
