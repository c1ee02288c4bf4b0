//! Policies of API Management.

use envoy_service_bus::config::{Config, Environment};
use import_apim::{Operation, Surroundings, import};

/// Whatever is printed passes `check`; what is not turned is listed.
pub fn run(bytes: &[u8]) {
    let Ok(policy) = std::str::from_utf8(bytes) else { return };
    let operation = Operation::parse("POST /orders/{id}").expect("an operation");
    let around = Surroundings {
        operation: &operation,
        namespace: None,
        allowed: &[],
        named_values: &[],
    };
    let Ok(imported) = import(policy, around) else { return };
    match &imported.configuration {
        Some(configuration) => {
            let text = configuration.to_string();
            if let Err(errors) = Config::parse(text.as_bytes(), Environment::Unknown) {
                panic!("{errors}\n{text}");
            }
        }
        None => assert!(!imported.left_out.is_empty(), "nothing came of it, and nothing is said"),
    }
}
