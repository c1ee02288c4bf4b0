//! Envoy's own configuration, whole or a part of it: bootstrap, listeners, clusters, patches.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Cluster, Limit, Manifests, Order, Platform, Plugin, limits, timeouts};
use crate::text::{Position, Text};
use crate::yaml::Node;

/// What surrounds a value.
#[derive(Clone)]
pub(super) struct Around<'a> {
    file: &'a Rc<str>,
    platform: Platform,
    listener: Option<&'a Node>,
    manager: Option<&'a Node>,
    order: Order,
    buffer_after: Option<&'a Node>,
    /// Name of the filter.
    name: Option<&'a str>,
}

impl<'a> Around<'a> {
    pub(super) fn nothing(file: &'a Rc<str>, platform: Platform) -> Self {
        let (listener, manager, name) = (None, None, None);
        let (order, buffer_after) = (Order::Unknown, None);
        Self { file, platform, listener, manager, order, buffer_after, name }
    }
}

const WASM: &str = "filters.http.wasm.v3.Wasm";
const BUFFER: &str = "envoy.filters.http.buffer";

impl Manifests {
    /// Reads a document of Envoy's.
    pub(super) fn envoy(&mut self, file: &Rc<str>, node: &Node) {
        if let Some(dynamic) = node.get("dynamic_resources") {
            self.more_clusters |= dynamic.get("cds_config").is_some();
        }
        let clusters =
            node.path(&["static_resources", "clusters"]).or_else(|| node.path(&["clusters"]));
        for one in clusters.map(Node::items).unwrap_or_default() {
            self.cluster(file, one);
        }
        if node.get("load_assignment").or(node.get("connect_timeout")).is_some() {
            self.cluster(file, node);
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
            self.cluster(around.file, node);
        }
        if around.platform == Platform::Patch && node.str_of("name") == Some(BUFFER) {
            self.buffer_by_patch = true;
            self.patched_buffer = buffer_limit(around.file, node);
        }
        let mut around = around.clone();
        if kind.ends_with("HttpConnectionManager") {
            around.manager = Some(node);
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
            let rest = filters.items().get(index + 1..).unwrap_or_default();
            let mut around = around.clone();
            around.order = Order::Chain(chain, index);
            around.buffer_after = rest.iter().map(Rc::as_ref).find(|filter| is_buffer(filter));
            around.name = filter.str_of("name");
            self.walk(filter, &around);
        }
    }

    /// A Wasm filter; those of others are left alone.
    fn filter(&mut self, filter: &Node, around: &Around<'_>) {
        let Some(config) = filter.get("config") else { return };
        let names = [around.name, config.str_of("name"), config.str_of("root_id")];
        let ours = names.into_iter().flatten().any(is_ours)
            || config.path(&["vm_config", "code"]).is_some_and(mentions_us)
            || config.get("configuration").is_some_and(|node| reads_like_ours(node));
        if !ours {
            return;
        }
        let configuration = self.configuration(config, around.file);
        let name = config.str_of("name").or(around.name);
        let held = config.get("allow_on_headers_stop_iteration");
        self.plugins.push(Plugin {
            at: config.at,
            name: name.map(str::to_owned),
            platform: around.platform,
            open: open(config),
            variables: Some(variables(config)),
            body_while_held: held.is_some_and(|node| node.is_true()),
            order: around.order.clone(),
            buffer_after: around.buffer_after.is_some(),
            buffer: around.buffer_after.and_then(|filter| buffer_limit(around.file, filter)),
            limits: limits::limits(around.file, around.listener, around.manager),
            timeouts: around.manager.map(timeouts::timeouts).unwrap_or_default(),
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

    fn cluster(&mut self, file: &Rc<str>, node: &Node) {
        if let Some(name) = node.str_of("name") {
            let (file, name) = (Rc::clone(file), name.to_owned());
            let removed = removed_headers(node);
            self.clusters.push(Cluster { file, at: node.at, name, removed });
        }
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

/// Headers that filters in a value remove from requests.
pub(super) fn removed_headers(node: &Node) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Some(mutations) = node.get("request_mutations") {
        let names = mutations.items().iter().filter_map(|one| one.str_of("remove"));
        found.extend(names.map(str::to_ascii_lowercase));
    }
    for child in node.children() {
        found.append(&mut removed_headers(child));
    }
    found
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

/// What the VM is given of the environment.
fn variables(config: &Node) -> BTreeSet<String> {
    let Some(given) = config.path(&["vm_config", "environment_variables"]) else {
        return BTreeSet::new();
    };
    let host = given.get("host_env_keys").into_iter().flat_map(|node| node.strings());
    let own = given.get("key_values").into_iter().flat_map(|node| node.members());
    host.map(str::to_owned).chain(own.map(|(key, _)| key.name.clone())).collect()
}

/// Whether a name is one of this filter.
pub(super) fn is_ours(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["service-bus", "service_bus", "servicebus"].iter().any(|part| name.contains(part))
}

/// Whether a value names this filter's module.
fn mentions_us(node: &Node) -> bool {
    node.str().is_some_and(is_ours) || node.children().any(|child| mentions_us(child))
}

/// Whether a configuration has the keys of this filter's.
fn reads_like_ours(node: &Node) -> bool {
    let text = node.str_of("value").unwrap_or_default();
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    json.is_some_and(|json| {
        json.get("routes").is_some() && json.get("namespace").or(json.get("role")).is_some()
    })
}
