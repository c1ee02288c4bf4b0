//! Configurations that are read, and what is wrong with them.

use std::rc::Rc;

use envoy_service_bus::config::{Config, Environment, Role};
use envoy_service_bus::delivery::Sender;
use serde_json::{Value as Json, json};

pub(crate) fn environment(name: &str) -> Option<String> {
    match name {
        "SB_KEY" => Some("canary-key".to_owned()),
        "SB_PADDED" => Some("canary-key\n".to_owned()),
        "SB_EMPTY" => Some(String::new()),
        "SB_CONNECTION_STRING" => Some(
            "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=send;\
             SharedAccessKey=canary-key"
                .to_owned(),
        ),
        "SB_ORDERS_ONLY" => Some(
            "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=send;\
             SharedAccessKey=canary-key;EntityPath=orders"
                .to_owned(),
        ),
        _ => None,
    }
}

pub(crate) fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text.as_bytes(), Environment::Known(&environment)).map_err(|e| e.to_string())
}

pub(crate) fn minimal() -> Json {
    json!({
        "namespace": "contoso.servicebus.windows.net",
        "cluster": "servicebus",
        "credentials": {"upstream": {}},
        "routes": [{"name": "orders", "match": {"path": "/orders"}, "send": {"queue": "orders"}}]
    })
}

/// The minimal configuration with one value changed, by its JSON pointer.
pub(crate) fn with(pointer: &str, value: Json) -> Json {
    let mut config = minimal();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap()[key] = value;
    config
}

pub(crate) fn sender(config: &Json) -> Rc<Sender> {
    match parse(&config.to_string()).unwrap().role {
        Role::Sender(sender) => sender,
        Role::Gate(_) => panic!("a gate"),
    }
}

pub(crate) fn error(config: &Json) -> String {
    parse(&config.to_string()).unwrap_err()
}

pub(crate) fn warnings(config: &Json) -> Vec<String> {
    parse(&config.to_string()).unwrap().warnings.iter().map(ToString::to_string).collect()
}
