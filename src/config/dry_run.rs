//! The `dry_run` of a route: whose messages are shown instead of sent.

use crate::route::DryRun;

use super::credentials::{Environment, Found, read_secret};
use super::json::Json;
use super::matches::read_header_name;
use super::node::Node;

/// `true`, or the header that asks for it.
pub(super) fn read(node: &Node<'_>, environment: Environment<'_>) -> Option<DryRun> {
    if !node.is_object() {
        if !matches!(node.json(), Json::Bool(true)) {
            node.expected_secretly("true, or an object with header and value");
            return None;
        }
        node.warn("the route answers with its messages and sends none of them");
        return Some(DryRun::Always);
    }
    let mut fields = node.fields()?;
    let header = fields.required("header").and_then(|node| read_header_name(&node));
    let value = fields.required("value").and_then(|node| {
        let found = read_secret(&node, environment)?;
        if let Found::Secret(secret) = &found
            && secret.expose().len() < SHORTEST
        {
            node.error(format!("must have at least {SHORTEST} characters: others could guess it"));
            return None;
        }
        Some(found)
    });
    fields.finish();
    Some(DryRun::Guarded { header: header?, value: value?.secret() })
}

/// Characters of the value that opens it.
const SHORTEST: usize = 16;
