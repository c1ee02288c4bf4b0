//! Whole policies, each of another shape, with the configuration that is right for it.

use serde_json::{Value as Json, json};

use crate::{Given, imported};

/// Name, text and expectation of each policy.
macro_rules! policies {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            include_str!(concat!("../policies/", $name, ".xml")),
            include_str!(concat!("../policies/", $name, ".json")),
        )),*]
    };
}

pub(crate) const POLICIES: [(&str, &str, &str); 15] = policies![
    "forward-added",
    "forward-in-base-url",
    "forward-text",
    "ignore-error",
    "person",
    "queue-variable",
    "response-variable",
    "schedule",
    "send-then-forward",
    "signed-envelope",
    "text-answer",
    "topic-by-header",
    "try-get-value",
    "versions",
    "webhook-triage",
];

/// What is given beside each policy; tests of real Envoys read the same file.
pub(crate) fn case(name: &str) -> Json {
    let cases: Json = serde_json::from_str(include_str!("../policies/cases.json")).unwrap();
    let case = cases[name].clone();
    assert!(case.is_object(), "{name}");
    case
}

/// Imports a text in place of one of the policies; `None` where nothing is turned.
pub(crate) fn try_case(name: &str, policy: &str) -> Option<(Json, Vec<String>)> {
    let (configuration, left_out) = with_case(name, |given| crate::import(policy, given));
    configuration.map(|configuration| (configuration, left_out))
}

/// Imports one of the policies, or another text in its place.
pub(crate) fn import_case(name: &str, policy: &str) -> (Json, Vec<String>) {
    with_case(name, |given| imported(policy, given))
}

fn with_case<T>(name: &str, import: impl FnOnce(&Given<'_>) -> T) -> T {
    let case = case(name);
    let values: Vec<(&str, &str)> = case["named_values"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let given = Given {
        operation: case["operation"].as_str(),
        no_namespace: case["namespace"].is_null(),
        named_values: &values,
        ..Given::default()
    };
    import(&given)
}

#[test]
fn each_policy_becomes_the_right_configuration() {
    for (name, policy, expected) in POLICIES {
        let (configuration, left_out) = import_case(name, policy);
        let found = json!({"configuration": configuration, "left_out": left_out});
        let expected: Json = serde_json::from_str(expected).unwrap();
        assert_eq!(found, expected, "{name}: {found:#}");
    }
}
