//! What refuses requests, and must do so before the filter has them.

use super::Order;
use super::istio::Stage;
use super::scope::Scope;
use crate::yaml::Node;

/// Something in a chain that refuses requests, or marks their answers.
#[derive(Debug)]
pub(crate) struct Guard {
    /// As it is shown.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) order: Order,
    /// The proxies that it is for, where a control plane decides.
    pub(crate) scope: Option<Scope>,
    /// Whether it works on those routes alone that switch it on.
    pub(crate) is_disabled: bool,
}

impl Guard {
    /// Whether it is Istio's filter that reads tokens, for these proxies.
    pub(crate) fn leaves_tokens(&self, scope: &Scope) -> bool {
        let reads = matches!(self.order, Order::Priority(Stage::Jwt, _));
        reads && self.scope.as_ref().is_some_and(|own| own.meets(scope))
    }
}

/// What is lost when it comes too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It refuses.
    Refuses,
    /// It lets browsers read answers.
    Cors,
}

/// Envoy's filters that refuse.
const REFUSE: [&str; 10] = [
    "api_key_auth",
    "basic_auth",
    "csrf",
    "ext_authz",
    "jwt_authn",
    "local_ratelimit",
    "oauth2",
    "rate_limit_quota",
    "ratelimit",
    "rbac",
];

/// Reads a filter of a chain, which is known by its name or by its type.
pub(super) fn read(filter: &Node, order: Order) -> Option<Guard> {
    let shown = filter.str_of("name").unwrap_or_default();
    let typed = filter.path(&["typed_config", "@type"]).and_then(Node::str);
    let wrapped = filter.path(&["typed_config", "extension_config", "typed_config", "@type"]);
    let later = filter.path(&["config_discovery", "type_urls"]).into_iter().flat_map(Node::strings);
    let types = typed.into_iter().chain(wrapped.and_then(Node::str)).chain(later);
    let mut named = types.filter_map(name_of_type).chain(shown.strip_prefix(PREFIX));
    let kind = named.find_map(kind)?;
    let is_disabled = filter.get("disabled").is_some_and(|node| node.is_true());
    Some(Guard { name: shown.to_owned(), kind, order, scope: None, is_disabled })
}

/// What Envoy's own names begin with.
const PREFIX: &str = "envoy.filters.http.";

/// The kind of a filter of Envoy's, by its name.
pub(super) fn kind(name: &str) -> Option<Kind> {
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    match name {
        "cors" => Some(Kind::Cors),
        _ => REFUSE.contains(&name).then_some(Kind::Refuses),
    }
}

/// `jwt_authn` of `…envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`.
fn name_of_type(kind: &str) -> Option<&str> {
    kind.split_once(".filters.http.")?.1.split('.').next()
}
