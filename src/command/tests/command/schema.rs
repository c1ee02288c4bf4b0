//! The schema agrees with what the module reads.

use envoy_service_bus::config::{Config, Environment};
use jsonschema::Validator;
use serde_json::{Value as Json, json};

use crate::program::{Ended, run};
use crate::schema_corpus::{GATES, MISTAKES, VALID, base};

const SHIPPED: &str = include_str!("../../../../envoy/configuration.schema.json");

fn validator() -> Validator {
    let schema = serde_json::from_str(SHIPPED).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn errors(validator: &Validator, config: &Json) -> Vec<String> {
    validator.iter_errors(config).map(|error| error.to_string()).collect()
}

fn parse(config: &Json) -> Result<(), String> {
    let read = Config::parse(config.to_string().as_bytes(), Environment::Unknown);
    read.map(|_| ()).map_err(|error| error.to_string())
}

/// The base configuration with the value at a JSON pointer set; `null` takes the key away.
fn with(pointer: &str, value: &str) -> Json {
    let mut config = base();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = config.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    let value: Json = serde_json::from_str(value).unwrap_or_else(|_| panic!("{value}"));
    match (parent, value) {
        (Json::Object(parent), Json::Null) => {
            parent.remove(key).unwrap_or_else(|| panic!("{pointer}"));
        }
        (parent, value) => parent[key] = value,
    }
    config
}

#[test]
fn the_command_prints_the_shipped_schema() {
    assert_eq!(run(&["schema"]), Ended::quiet(0, SHIPPED));
}

#[test]
fn the_shipped_configurations_are_valid() {
    let validator = validator();
    for shipped in [
        include_str!("../../../../envoy/envoy.yaml"),
        include_str!("../../../../envoy/orders.yaml"),
    ] {
        let block = shipped.split_once("value: |\n").unwrap().1;
        let indent = block.len() - block.trim_start().len();
        let inside = |line: &&str| line.len() > indent && line[..indent].trim().is_empty();
        let text: String = block.lines().take_while(inside).collect();
        let config: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(errors(&validator, &config), [""; 0]);
        assert_eq!(parse(&config), Ok(()));
    }
}

#[test]
fn what_the_module_reads_is_valid() {
    let validator = validator();
    assert_eq!(errors(&validator, &base()), [""; 0]);
    assert_eq!(parse(&base()), Ok(()));
    for (pointer, value) in VALID {
        let config = with(pointer, value);
        assert_eq!(errors(&validator, &config), [""; 0], "{pointer} {value}");
        assert_eq!(parse(&config), Ok(()), "{pointer} {value}");
    }
}

#[test]
fn what_the_module_refuses_is_not_valid() {
    let validator = validator();
    for (pointer, value) in MISTAKES {
        let config = with(pointer, value);
        assert!(!validator.is_valid(&config), "{pointer} {value}");
        assert!(parse(&config).is_err(), "{pointer} {value}");
    }
}

#[test]
fn a_gate_needs_its_matches_alone() {
    let validator = validator();
    for (text, fits) in GATES {
        let config: Json = serde_json::from_str(text).unwrap();
        assert_eq!(validator.is_valid(&config), *fits, "{text}");
        assert_eq!(parse(&config).is_ok(), *fits, "{text}");
    }
}

#[test]
fn each_key_is_described_and_each_example_is_valid() {
    let schema: Json = serde_json::from_str(SHIPPED).unwrap();
    let mut pending = vec![(String::new(), &schema)];
    let mut examples = 0;
    while let Some((place, value)) = pending.pop() {
        if let Some(properties) = value.get("properties").and_then(Json::as_object)
            && value.get("description").is_some()
        {
            for (key, property) in properties.iter().filter(|(_, property)| property.is_object()) {
                let described = property.get("description").is_some()
                    || property["$ref"].as_str().is_some_and(|it| described(&schema, it));
                assert!(described, "{place}/{key}");
            }
        }
        if let Some(list) = value.get("examples").and_then(Json::as_array) {
            let mut own = value.clone();
            own["$defs"] = schema["$defs"].clone();
            let own = jsonschema::draft202012::new(&own).unwrap();
            for example in list {
                examples += 1;
                assert_eq!(errors(&own, example), [""; 0], "{place} {example}");
            }
        }
        match value {
            Json::Object(members) => {
                pending.extend(members.iter().map(|(key, it)| (format!("{place}/{key}"), it)));
            }
            Json::Array(items) => {
                pending
                    .extend(items.iter().enumerate().map(|(n, it)| (format!("{place}/{n}"), it)));
            }
            _ => {}
        }
    }
    assert!(examples >= 15, "{examples}");
}

fn described(schema: &Json, reference: &str) -> bool {
    let pointer = reference.strip_prefix('#').unwrap();
    schema.pointer(pointer).is_some_and(|definition| definition["description"].is_string())
}

#[test]
fn defaults_are_those_of_the_module() {
    let schema: Json = serde_json::from_str(SHIPPED).unwrap();
    let default = |pointer: &str| schema.pointer(&format!("{pointer}/default")).cloned().unwrap();
    let read = Config::parse(base().to_string().as_bytes(), Environment::Unknown).unwrap();
    let envoy_service_bus::config::Role::Sender(plain) = read.role else { panic!("a gate") };
    let delivery = &plain.delivery;
    let of = |key: &str| default(&format!("/$defs/delivery/properties/{key}"));
    let duration =
        |value: Json| envoy_service_bus::duration::parse(value.as_str().unwrap()).unwrap();
    assert_eq!(default("/properties/max_body_bytes"), json!(plain.max_body_bytes));
    assert_eq!(of("max_in_flight"), json!(delivery.max_in_flight));
    assert_eq!(of("max_buffered_bytes"), json!(delivery.max_buffered_bytes));
    assert_eq!(duration(of("timeout")), delivery.timeout);
    assert_eq!(duration(of("attempt_timeout")), delivery.attempt_timeout);
    assert_eq!(of("retries/properties/max"), json!(delivery.retries.max));
    assert_eq!(of("retries/properties/budget_percent"), json!(delivery.retries.budget_percent));
    assert_eq!(duration(of("retries/properties/base")), delivery.retries.base);
    assert_eq!(duration(of("retries/properties/cap")), delivery.retries.cap);
    let breaker = delivery.circuit_breaker.unwrap();
    assert_eq!(of("circuit_breaker/properties/failures"), json!(breaker.failures));
    assert_eq!(duration(of("circuit_breaker/properties/open_for")), breaker.open_for);
    let batch = envoy_service_bus::delivery::BatchConfig::default();
    assert_eq!(of("batch/properties/max_messages"), json!(batch.max_messages));
    assert_eq!(duration(of("batch/properties/linger")), batch.linger);
}
