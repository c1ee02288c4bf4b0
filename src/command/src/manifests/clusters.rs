//! Envoy's clusters, whole or as a patch has them: what bites a callout.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Limit;
use super::tls::Tls;
use crate::text::Position;
use crate::yaml::Node;

/// One of Envoy's clusters.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) file: Rc<str>,
    pub(crate) at: Position,
    pub(crate) name: String,
    /// Host and port of each endpoint that stands in the file.
    pub(crate) endpoints: Vec<(String, u64)>,
    /// Whether it can never reach anything.
    pub(crate) is_empty: bool,
    pub(crate) options: Options,
}

/// A place with its file.
type Place = (Rc<str>, Position);

/// What a cluster, or a patch of one, sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Headers that upstream filters remove from requests.
    pub(crate) removed: BTreeSet<String>,
    /// What is said about TLS; `None` when nothing is.
    pub(crate) tls: Option<Tls>,
    /// Whether the name in a certificate must be the request's host.
    pub(crate) checks_host: bool,
    pub(crate) http2: Option<Place>,
    pub(crate) is_http1: bool,
    /// Whether Envoy's HTTP options are set at all.
    pub(crate) sets_protocol: bool,
    /// How many requests and connections Envoy allows, for all workers together.
    pub(crate) limits: Vec<Limit>,
    pub(crate) retries: Option<Place>,
    /// Where HTTP options say nothing of the protocol, which Envoy refuses.
    pub(crate) no_protocol: Option<Place>,
}

impl Cluster {
    pub(super) fn read(file: &Rc<str>, node: &Node) -> Option<Self> {
        let name = node.str_of("name")?.to_owned();
        let mut endpoints = vec![];
        let assignment = node.get("load_assignment").or(node.get("hosts"));
        assignment.iter().for_each(|node| find_endpoints(node, &mut endpoints));
        let fixed = !matches!(node.str_of("type"), Some("EDS" | "ORIGINAL_DST"));
        Some(Self {
            file: Rc::clone(file),
            at: node.at,
            name,
            is_empty: endpoints.is_empty() && fixed && node.get("cluster_type").is_none(),
            endpoints,
            options: Options::read(file, node),
        })
    }

    /// Whether it leads to Service Bus itself, which has HTTP/1.1 over TLS on port 443.
    pub(crate) fn leads_to_azure(&self) -> bool {
        self.endpoints.iter().any(|(host, port)| *port == 443 || is_bus(host))
    }
}

/// Whether a host is a namespace of Service Bus in one of Azure's clouds.
pub(crate) fn is_bus(host: &str) -> bool {
    host.contains(".servicebus.")
}

impl Options {
    /// Reads a cluster or the value of a patch.
    pub(super) fn read(file: &Rc<str>, node: &Node) -> Self {
        let mut options = Self { removed: removed_headers(node), ..Self::default() };
        for (key, value) in node.members() {
            options.member(file, &key.name, key.at, value);
        }
        options.conclude();
        options
    }

    /// Reads what a JSON patch puts under a path.
    pub(super) fn read_path(file: &Rc<str>, path: &str, at: Position, value: &Node) -> Self {
        let mut options = Self { removed: removed_headers(value), ..Self::default() };
        match path.trim_matches('/').rsplit('/').next() {
            Some("") | None => return Self::read(file, value),
            Some(key) => options.member(file, key, at, value),
        }
        options.conclude();
        options
    }

    /// Puts what another says in place of its own.
    pub(crate) fn overlay(&mut self, other: &Self) {
        self.removed.extend(other.removed.iter().cloned());
        self.tls = other.tls.or(self.tls);
        self.checks_host |= other.checks_host;
        if other.sets_protocol {
            (self.http2, self.is_http1) = (other.http2.clone(), other.is_http1);
            self.sets_protocol = true;
        }
        for limit in &other.limits {
            self.limits.retain(|own| own.kind != limit.kind);
            self.limits.push(limit.clone());
        }
        let or =
            |own: &mut Option<Place>, other: &Option<Place>| *own = other.clone().or(own.take());
        or(&mut self.retries, &other.retries);
        or(&mut self.no_protocol, &other.no_protocol);
    }

    fn member(&mut self, file: &Rc<str>, key: &str, at: Position, value: &Node) {
        match key {
            "transport_socket" | "transportSocket" => self.tls = Some(Tls::read(value)),
            "transport_socket_matches" | "transportSocketMatches" => self.tls = Some(Tls::Unknown),
            "circuit_breakers" | "circuitBreakers" => self.thresholds(file, value),
            "http2_protocol_options" | "http2ProtocolOptions" => {
                self.http2 = Some((Rc::clone(file), at))
            }
            "upstream_http_protocol_options" | "upstreamHttpProtocolOptions" => {
                self.upstream(value)
            }
            "typed_extension_protocol_options" | "typedExtensionProtocolOptions" => {
                for (_, options) in value.members() {
                    self.http_options(file, options);
                }
            }
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" => {
                self.http_options(file, value)
            }
            _ => {}
        }
    }

    fn http_options(&mut self, file: &Rc<str>, options: &Node) {
        self.sets_protocol = true;
        let protocols = ["explicit_http_config", "use_downstream_protocol_config", "auto_config"];
        if !protocols.iter().any(|key| options.get(key).is_some()) {
            self.no_protocol = Some((Rc::clone(file), options.at));
        }
        if let Some(explicit) = options.get("explicit_http_config") {
            let newer = ["http2_protocol_options", "http3_protocol_options"];
            let newer = newer.iter().find_map(|key| explicit.member(key));
            self.http2 = newer.map(|(key, _)| (Rc::clone(file), key.at)).or(self.http2.take());
            self.is_http1 |= explicit.get("http_protocol_options").is_some();
        }
        if let Some(options) = options.get("upstream_http_protocol_options") {
            self.upstream(options);
        }
        let retries = options.member("retry_policy").map(|(key, _)| (Rc::clone(file), key.at));
        self.retries = retries.or(self.retries.take());
    }

    fn upstream(&mut self, options: &Node) {
        self.checks_host |= options.get("auto_san_validation").is_some_and(|node| node.is_true());
    }

    fn thresholds(&mut self, file: &Rc<str>, breakers: &Node) {
        let all = breakers.get("thresholds").map(|node| node.items()).unwrap_or_default();
        // Callouts have the default priority.
        let ours = all.iter().filter(|one| one.str_of("priority").is_none_or(|it| it == "DEFAULT"));
        for node in ours {
            for key in ["max_connections", "max_pending_requests", "max_requests"] {
                self.limits.extend(Limit::read(file, node, key));
            }
        }
    }

    /// Takes together what is said about names in certificates.
    pub(crate) fn conclude(&mut self) {
        if self.checks_host && self.tls == Some(Tls::NameUnchecked) {
            self.tls = Some(Tls::Checked);
        }
    }
}

/// Headers that filters in a value remove from requests.
fn removed_headers(node: &Node) -> BTreeSet<String> {
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

fn find_endpoints(node: &Node, found: &mut Vec<(String, u64)>) {
    if let Some(address) = node.get("socket_address") {
        let host = address.str_of("address").unwrap_or_default().to_owned();
        let port = address.get("port_value").and_then(|node| node.number()).unwrap_or(0);
        return found.push((host, port));
    }
    if node.get("pipe").is_some() || node.get("envoy_internal_address").is_some() {
        return found.push((String::new(), 0));
    }
    node.children().for_each(|child| find_endpoints(child, found));
}
