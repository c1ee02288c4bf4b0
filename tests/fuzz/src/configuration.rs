//! Bytes that are to be a configuration.

use std::sync::LazyLock;

use envoy_service_bus::config::{Config, Environment};
use jsonschema::Validator;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let text = include_str!("../../../envoy/configuration.schema.json");
    let schema = serde_json::from_str(text).expect("the schema is JSON");
    jsonschema::draft202012::new(&schema).expect("the schema is one")
});

/// The reader never panics, each of its errors says something, and what it takes the schema takes.
pub fn run(bytes: &[u8]) {
    match Config::parse(bytes, Environment::Unknown) {
        Ok(_) => {
            let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
            let value = serde_json::from_slice(bytes).expect("what the reader takes is JSON");
            if let Err(error) = SCHEMA.validate(&value) {
                panic!("the reader takes it, the schema does not: {error}");
            }
        }
        Err(errors) => {
            assert!(errors.iter().count() > 0, "refused without an error");
            for error in errors.iter() {
                assert!(error.to_string().len() > 3, "an error that says nothing: {error:?}");
            }
        }
    }
}
