//! The sender's own properties.

use serde::{Serialize, Serializer};
use serde_json::Number;

use super::{PropertyFault, Unsendable};
use crate::limits;
use crate::text::is_token;

/// A property with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Case counts for receivers.
    pub name: String,
    /// Text, number or boolean.
    pub value: Value,
}

/// The value of a property.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was written.
    Number(Number),
    /// Any text.
    Text(String),
}

/// Headers that mean something to HTTP or Service Bus, so that a property cannot take their name.
const TAKEN_NAMES: [&str; 27] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "brokerproperties",
    "cache-control",
    "connection",
    "cookie",
    "date",
    "etag",
    "expect",
    "host",
    "keep-alive",
    "location",
    "proxy-authorization",
    "proxy-connection",
    "retry-after",
    "server",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-request-id",
];

/// Names that HTTP, Envoy or Service Bus take for themselves.
const TAKEN_PREFIXES: [&str; 4] = ["content-", "x-envoy-", "x-forwarded-", "x-ms-"];

/// Whether a property of this name can only travel in the body of a batch, where any name can, and
/// which needs a message whose body is UTF-8.
pub fn travels_in_batch_only(name: &str) -> bool {
    !fits_header(name) && name != DIAGNOSTIC_ID
}

/// Whether a property of this name can be a header. Envoy sends names in lower case, so a name
/// with capitals would arrive as another one.
fn fits_header(name: &str) -> bool {
    is_token(name)
        && !name.bytes().any(|byte| byte.is_ascii_uppercase())
        && !TAKEN_NAMES.contains(&name)
        && !TAKEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

impl Property {
    /// A property that is a text.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), value: Value::Text(text.into()) }
    }

    /// Name and value in bytes.
    pub(super) fn size(&self) -> usize {
        self.name.len()
            + match &self.value {
                Value::Bool(_) => 1,
                Value::Number(_) => 8,
                Value::Text(text) => text.len(),
            }
    }

    pub(super) fn check(&self) -> Result<(), Unsendable> {
        if self.size() > limits::PROPERTY_BYTES {
            return Err(Unsendable::Property(self.name.clone(), PropertyFault::TooLarge));
        }
        Ok(())
    }

    /// The header value of a property whose name may be `Diagnostic-Id`, which is sent in lower
    /// case beside `traceparent`; `None` when the property cannot be a header.
    pub(super) fn header_value(&self) -> Option<String> {
        if travels_in_batch_only(&self.name) {
            return None;
        }
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(value) => Some(value.to_string()),
            // How Service Bus reads a backslash before anything but a quote is not known.
            Value::Text(text) => text
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'\\')
                .then(|| format!("\"{}\"", text.replace('"', "\\\""))),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => value.serialize(serializer),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
        }
    }
}

/// Service Bus clients' older name of the trace context. Those that compare its case find it in a
/// batch; newer ones read `traceparent` first.
pub(super) const DIAGNOSTIC_ID: &str = "Diagnostic-Id";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_a_header_when_it_arrives_unchanged() {
        for name in ["tenant", "x-tenant", "a.b_c~1", "cloudevents_id"] {
            assert!(!travels_in_batch_only(name), "{name}");
        }
        let cases = [
            "",
            "Tenant",
            "cloudEvents:id",
            "a b",
            "é",
            "host",
            "content-type",
            "content-encoding",
            "user-agent",
            "brokerproperties",
            "x-envoy-internal",
            "x-ms-retrypolicy",
            "x-forwarded-for",
            "connection",
        ];
        for name in cases {
            assert!(travels_in_batch_only(name), "{name}");
        }
        // It goes beside `traceparent`, and may arrive in lower case.
        assert!(!travels_in_batch_only(DIAGNOSTIC_ID));
    }

    #[test]
    fn texts_are_quoted_and_others_bare() {
        let value = |value| Property { name: "p".to_owned(), value }.header_value();
        assert_eq!(value(Value::Text("high".into())).as_deref(), Some("\"high\""));
        assert_eq!(value(Value::Text("".into())).as_deref(), Some("\"\""));
        assert_eq!(value(Value::Text("12".into())).as_deref(), Some("\"12\""));
        assert_eq!(value(Value::Text("say \"hi\"".into())).as_deref(), Some("\"say \\\"hi\\\"\""));
        assert_eq!(value(Value::Bool(true)).as_deref(), Some("true"));
        assert_eq!(value(Value::Number(5.into())).as_deref(), Some("5"));
        assert_eq!(value(Value::Number(Number::from_f64(-2.5).unwrap())).as_deref(), Some("-2.5"));
    }

    #[test]
    fn a_text_with_a_backslash_a_control_or_another_letter_is_no_header() {
        for text in ["a\\b", "a\nb", "a\tb", "é", "日本", "\u{7f}", "\0"] {
            assert_eq!(Property::text("p", text).header_value(), None, "{text:?}");
        }
    }
}
