//! Texts with expressions in them, and a body that they read.

use envoy_service_bus::http::Headers;
use envoy_service_bus::template::{Attributes, Names, Scope, Template};

use crate::random;

/// Bounded in time and memory, whatever it says: libFuzzer's limits hold that.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (expression, body) = text.split_once('\0').unwrap_or((text, ""));
    let template = format!("${{{expression}}}");
    let Ok(template) = Template::parse(&template, &Names::default()) else { return };
    let headers: Headers = [(":method", "POST"), (":path", "/a?b=c"), ("x-a", "1")].into_iter().collect();
    let attributes = Attributes::default();
    let mut scope = Scope::new(&headers, &attributes, random);
    scope.body = body.as_bytes();
    if let Ok(Some(value)) = template.value(&scope) {
        assert!(value.to_string().len() < 64 << 20);
    }
}
