//! Whose plugin it is: known by its module or by the keys of its configuration, never by a name
//! that anyone may choose.

use envoy_service_bus::json;
use serde_json::Value as Json;

use crate::yaml::Node;

/// Whether a value names this filter's module, as a file or an image.
pub(super) fn names_module(node: &Node) -> bool {
    let named = node.str().is_some_and(is_module);
    named || node.children().any(|child| names_module(child))
}

/// Whether a path or address is that of this filter's module.
pub(super) fn is_module(text: &str) -> bool {
    ["envoy_service_bus", "envoy-service-bus"].iter().any(|name| text.contains(name))
}

/// Whether a text is a configuration of this filter; broken JSON is told by the keys in it.
pub(super) fn is_configuration(text: &str) -> bool {
    if let Ok(json) = json::read(text.as_bytes()) {
        let routes = json.get("routes").and_then(Json::as_array);
        let acts = |route: &Json| ACTIONS.iter().any(|key| route.get(key).is_some());
        return routes.is_some_and(|routes| {
            json.get("role").is_some_and(is_role) || routes.iter().any(acts)
        });
    }
    let has = |key: &str| text.contains(&format!("\"{key}\""));
    let acts = ACTIONS.iter().any(|key| has(key));
    has("routes") && (has("role") || has("namespace")) && (acts || has("gate"))
}

/// Whether a value is one.
pub(super) fn is_configuration_node(node: &Node) -> bool {
    node.get("routes").is_some() && is_configuration(node.to_json().as_str())
}

/// What the routes of this filter do.
const ACTIONS: [&str; 2] = ["send", "lookup"];

fn is_role(role: &Json) -> bool {
    role.as_str().is_some_and(|role| matches!(role, "sender" | "gate"))
}

/// Where a text has an action of a Helm chart or another Go template.
pub(crate) fn template_action(text: &str) -> Option<usize> {
    let is_action = |after: &str| {
        let after = after.strip_prefix('-').unwrap_or(after).trim_start();
        let field = after.strip_prefix('.').or(after.strip_prefix('$'));
        let words = [
            "include ",
            "template ",
            "tpl ",
            "if ",
            "range ",
            "with ",
            "define ",
            "end",
            "else",
            "toYaml ",
            "/*",
        ];
        field.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
            || words.iter().any(|word| after.starts_with(word))
    };
    let mut actions = text.match_indices("{{");
    actions
        .find(|(at, open)| {
            let after = text.get(at + open.len()..).unwrap_or_default();
            let line = after.lines().next().unwrap_or_default();
            line.contains("}}") && is_action(line)
        })
        .map(|(at, _)| at)
}

/// Keys of Envoy's and of Kubernetes' that stand in no configuration of the filter.
pub(super) const AROUND: [&str; 9] = [
    "@type",
    "apiVersion",
    "filter_chains",
    "filterChains",
    "load_assignment",
    "loadAssignment",
    "static_resources",
    "staticResources",
    "virtual_hosts",
];
/// Keys of theirs that do stand in one, but not at its top.
const PARTS: [&str; 7] = ["address", "admin", "configs", "domains", "kind", "name", "resources"];

/// Whether what has these keys is the filter's configuration and nothing around it.
pub(super) fn stands_alone(has: impl Fn(&str) -> bool) -> bool {
    const OWN: [&str; 7] =
        ["namespace", "cluster", "credentials", "role", "header_mode", "delivery", "routes"];
    // Nothing of theirs has these two, so that another key beside them is a mistake.
    let certain = has("namespace") && has("credentials");
    let part = !certain && PARTS.iter().any(|key| has(key));
    OWN.iter().any(|key| has(key)) && !part && !AROUND.iter().any(|key| has(key))
}
