//! Whose tokens are taken: keys that are regenerated, identities that lose their role.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::KeyRule;
use crate::refusal::Refusal;
use crate::service::Service;

/// What is to be replaced; what is left out stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    keys: Option<Vec<String>>,
    identities: Option<Vec<String>>,
}

/// Takes tokens of these keys and identities from now on.
pub(super) fn replace(service: &Service, body: &[u8]) -> Result<Value, Refusal> {
    let order: Order = serde_json::from_slice(body)
        .map_err(|_| Refusal::bad_request("expected keys or identities, lists of rules"))?;
    let read = |rules: Option<Vec<String>>| -> Result<Option<Vec<KeyRule>>, Refusal> {
        let Some(rules) = rules else { return Ok(None) };
        let rules: Result<_, _> = rules.iter().map(|rule| rule.parse()).collect();
        rules.map(Some).map_err(|error| Refusal::bad_request(format!("{error}")))
    };
    let (keys, identities) = (read(order.keys)?, read(order.identities)?);
    let mut trusted = service.trusted().lock();
    if let Some(keys) = keys {
        trusted.keys = keys;
    }
    if let Some(identities) = identities {
        trusted.identities = identities;
    }
    Ok(json!({}))
}
