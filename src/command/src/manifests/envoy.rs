//! Envoy's own configuration, whole or a part of it: bootstrap, listeners, clusters, patches.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::clusters::Cluster;
use super::connection_manager::ConnectionManager;
use super::recognition::{is_configuration, is_configuration_node, names_module};
use super::routes::RouteTable;
use super::{Limit, Manifests, Order, Platform, Plugin, guard, limits};
use crate::text::{Position, Text};
use crate::yaml::Node;

/// What surrounds a value.
#[derive(Clone)]
pub(super) struct Around<'a> {
    file: &'a Rc<str>,
    platform: Platform,
    listener: Option<&'a Node>,
    manager: Option<(&'a Node, Rc<ConnectionManager>)>,
    order: Order,
    /// The filters of the chain, if there is one.
    chain: &'a [Rc<Node>],
    /// Name of the filter or resource, and whether the list disables it.
    name: Option<&'a str>,
    disabled: bool,
}

impl<'a> Around<'a> {
    pub(super) fn nothing(file: &'a Rc<str>, platform: Platform) -> Self {
        let (listener, manager, name) = (None, None, None);
        let (order, chain, disabled) = (Order::Unknown, &[][..], false);
        Self { file, platform, listener, manager, order, chain, name, disabled }
    }

    /// The filters after this one.
    fn rest(&self) -> &'a [Rc<Node>] {
        match self.order {
            Order::Chain(_, index) => self.chain.get(index + 1..).unwrap_or_default(),
            _ => &[],
        }
    }
}

pub(super) const WASM: &str = "filters.http.wasm.v3.Wasm";
const BUFFER: &str = "envoy.filters.http.buffer";

impl Manifests {
    /// Reads a document of Envoy's.
    pub(super) fn envoy(&mut self, file: &Rc<str>, node: &Node) {
        if let Some(dynamic) = node.get("dynamic_resources") {
            self.more_clusters |= dynamic.get("cds_config").is_some();
        }
        let clusters =
            node.path(&["static_resources", "clusters"]).or_else(|| node.path(&["clusters"]));
        let clusters = clusters.map(Node::items).unwrap_or_default();
        self.clusters.extend(clusters.iter().filter_map(|one| Cluster::read(file, one)));
        if node.get("load_assignment").or(node.get("connect_timeout")).is_some() {
            self.clusters.extend(Cluster::read(file, node));
        }
        if node.get("virtual_hosts").is_some() {
            self.route_tables.push(RouteTable::read(file, node));
        }
        self.walk(node, &Around::nothing(file, Platform::Envoy));
    }

    /// Looks for instances of the filter and for clusters in a value.
    pub(super) fn walk(&mut self, node: &Node, around: &Around<'_>) {
        let kind = node.str_of("@type").unwrap_or_default();
        // What it holds stands in the dumps of listeners and clusters too.
        if kind.ends_with("v3.BootstrapConfigDump") {
            return;
        }
        if kind.ends_with(WASM) {
            return self.filter(node, around);
        }
        if node.str_of("type_url").is_some_and(|kind| kind.ends_with(WASM))
            && let Some(value) = node.get("value")
        {
            return self.filter(value, around);
        }
        if kind.ends_with("cluster.v3.Cluster") {
            self.clusters.extend(Cluster::read(around.file, node));
        }
        if kind.ends_with("route.v3.RouteConfiguration") && node.get("virtual_hosts").is_some() {
            self.route_tables.push(RouteTable::read(around.file, node));
        }
        let mut around = around.clone();
        if around.platform == Platform::Patch
            && let Some(name) = node.str_of("name")
        {
            if name == BUFFER {
                self.buffer_by_patch = true;
                self.patched_buffer = buffer_limit(around.file, node);
            }
            around.name = Some(name);
        }
        if kind.ends_with("HttpConnectionManager") {
            let manager = ConnectionManager::read(around.file, node);
            around.manager = Some((node, Rc::new(manager)));
        }
        if node.get("filter_chains").is_some() || node.get("default_filter_chain").is_some() {
            around.listener = Some(node);
        }
        for (key, value) in node.members() {
            if matches!(key.name.as_str(), "http_filters" | "httpFilters") {
                self.chain(value, &around);
            } else {
                self.walk(value, &around);
            }
        }
        for item in node.items() {
            self.walk(item, &around);
        }
    }

    fn chain(&mut self, filters: &Node, around: &Around<'_>) {
        let chain = self.new_chain();
        for (index, filter) in filters.items().iter().enumerate() {
            let mut around = around.clone();
            around.order = Order::Chain(chain, index);
            around.chain = filters.items();
            around.name = filter.str_of("name");
            around.disabled = filter.get("disabled").is_some_and(|node| node.is_true());
            self.guards.extend(guard::read(filter, around.order.clone()));
            self.walk(filter, &around);
        }
    }

    /// A Wasm filter; those of others are left alone.
    fn filter(&mut self, filter: &Node, around: &Around<'_>) {
        let Some(config) = filter.get("config") else { return };
        let value = config.path(&["configuration", "value"]);
        let ours = config.path(&["vm_config", "code"]).is_some_and(names_module)
            || value.and_then(Node::str).is_some_and(is_configuration)
            || value.is_some_and(is_configuration_node);
        if !ours {
            return;
        }
        let configuration = self.configuration(config, around.file);
        let name = config.str_of("name").or(around.name);
        let held = config.get("allow_on_headers_stop_iteration");
        let manager = around.manager.as_ref();
        let (listener_buffer, window) =
            limits::buffers(around.file, around.listener, manager.map(|(node, _)| *node));
        let buffer = around.rest().iter().find(|filter| is_buffer(filter));
        let own = around.name.map(str::to_owned);
        self.plugins.push(Plugin {
            at: config.at,
            name: name.map(str::to_owned),
            platform: around.platform,
            open: open(config),
            variables: Some(variables(config)),
            capabilities: capabilities(config),
            body_while_held: held.is_some_and(|node| node.is_true()),
            order: around.order.clone(),
            disabled: around.disabled,
            filter: own,
            buffer_after: buffer.map(|filter| {
                let name = filter.str_of("name").unwrap_or(BUFFER).to_owned();
                (name, filter.get("disabled").is_some_and(|node| node.is_true()))
            }),
            buffer: buffer.and_then(|filter| buffer_limit(around.file, filter)),
            listener_buffer,
            window,
            manager: manager.map(|(_, manager)| Rc::clone(manager)),
            token_keys: token_keys(around.chain),
            ..Plugin::plain(around.file, configuration)
        });
    }

    /// The JSON of a configuration.
    fn configuration(&mut self, config: &Node, file: &Rc<str>) -> Option<Text> {
        const PLACE: &str = "configuration";
        let Some((key, any)) = config.member(PLACE) else {
            self.error(file, config.at, PLACE, "is required");
            return None;
        };
        let value = any.get("value");
        let kind = any.str_of("@type").unwrap_or_default();
        if kind.ends_with("/google.protobuf.StringValue") {
            let text = value.and_then(|node| node.text());
            if text.is_none() {
                self.error(file, key.at, PLACE, "expected a text in `value`");
            }
            return text.cloned();
        }
        let is_struct = kind.ends_with("/google.protobuf.Struct");
        self.error(
            file,
            key.at,
            PLACE,
            if is_struct {
                "must be a google.protobuf.StringValue that holds JSON; Envoy hands a \
                 google.protobuf.Struct over as protobuf bytes, which the filter refuses"
            } else {
                "must be a google.protobuf.StringValue that holds JSON"
            },
        );
        value.filter(|_| is_struct).map(|node| node.to_json())
    }
}

fn is_buffer(filter: &Node) -> bool {
    let kind = filter.path(&["typed_config", "@type"]).and_then(Node::str).unwrap_or_default();
    filter.str_of("name") == Some(BUFFER) || kind.ends_with("filters.http.buffer.v3.Buffer")
}

/// What Envoy's buffer filter takes.
fn buffer_limit(file: &Rc<str>, filter: &Node) -> Option<Limit> {
    Limit::read(file, filter.get("typed_config")?, "max_request_bytes")
}

/// The keys under which a `jwt_authn` of the chain leaves tokens; `None` when there is none.
fn token_keys(chain: &[Rc<Node>]) -> Option<BTreeSet<String>> {
    let of = |filter: &Rc<Node>| {
        let config = filter.get("typed_config")?;
        let kind = config.str_of("@type")?;
        kind.ends_with("jwt_authn.v3.JwtAuthentication").then(|| {
            let providers = config.get("providers").map(|node| node.members()).unwrap_or_default();
            let keys = providers.iter().filter_map(|(_, one)| one.str_of("payload_in_metadata"));
            keys.map(str::to_owned).collect::<Vec<_>>()
        })
    };
    let mut all = chain.iter().filter_map(of).peekable();
    all.peek()?;
    Some(all.flatten().collect())
}

fn open(config: &Node) -> Option<(Position, &'static str)> {
    if let Some((key, value)) = config.member("failure_policy")
        && value.str() == Some("FAIL_OPEN")
    {
        return Some((key.at, "failure_policy"));
    }
    let (key, value) = config.member("fail_open")?;
    value.is_true().then_some((key.at, "fail_open"))
}

/// The list of what the module may do, in either of its two places; one without names is none.
fn capabilities(config: &Node) -> Option<(Position, BTreeSet<String>)> {
    let restriction = config
        .get("capability_restriction_config")
        .or_else(|| config.get("vm_config")?.get("capability_restriction_config"));
    let (key, allowed) = restriction?.member("allowed_capabilities")?;
    let names: BTreeSet<_> = allowed.members().iter().map(|(key, _)| key.name.clone()).collect();
    (!names.is_empty()).then_some((key.at, names))
}

/// What the VM is given of the environment.
fn variables(config: &Node) -> BTreeSet<String> {
    let Some(given) = config.path(&["vm_config", "environment_variables"]) else {
        return BTreeSet::new();
    };
    let host = given.get("host_env_keys").into_iter().flat_map(|node| node.strings());
    let own = given.get("key_values").into_iter().flat_map(|node| node.members());
    host.map(str::to_owned).chain(own.map(|(key, _)| key.name.clone())).collect()
}
