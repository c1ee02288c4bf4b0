//! Takes out of a configuration what the filter would refuse.

use envoy_service_bus::config::{Config, Environment};
use serde_json::Value as Json;

/// The configuration without what is wrong in it, which is told with its place; `None` when
/// nothing usable is left.
pub(crate) fn prune(mut config: Json, mut tell: impl FnMut(&str, &str)) -> Option<Json> {
    // Each round takes something out, so it ends.
    for _ in 0..100 {
        let text = config.to_string();
        let Err(errors) = Config::parse(text.as_bytes(), Environment::Unknown) else {
            return Some(config);
        };
        let error = errors.iter().next()?;
        tell(&error.place, &error.message);
        if !remove(&mut config, &error.place) {
            return None;
        }
    }
    None
}

/// Takes out the value at a place such as `routes[0].send.properties["a b"]`.
fn remove(config: &mut Json, place: &str) -> bool {
    let Some(mut steps) = steps(place) else { return false };
    let Some(last) = steps.pop() else { return false };
    let mut value = config;
    for step in &steps {
        let inner = match value {
            Json::Array(items) => step.parse().ok().and_then(|n: usize| items.get_mut(n)),
            other => other.get_mut(step.as_str()),
        };
        let Some(inner) = inner else { return false };
        value = inner;
    }
    value.as_object_mut().is_some_and(|members| members.shift_remove(&last).is_some())
}

/// The keys and indices of a place.
fn steps(place: &str) -> Option<Vec<String>> {
    let mut steps = vec![];
    let mut rest = place;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('[').filter(|rest| rest.starts_with('"')) {
            let mut read = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
            steps.push(read.next()?.ok()?);
            rest = quoted.get(read.byte_offset()..)?.strip_prefix(']')?;
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            steps.push(index.to_owned());
            rest = after;
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(rest.get(..end)?.to_owned());
            rest = rest.get(end..)?;
        }
    }
    Some(steps)
}
