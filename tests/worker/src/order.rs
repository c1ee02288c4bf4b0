//! An order, as the gateway puts it on the queue.

use std::fmt;

use serde_json::{Value, json};

/// An order that can be worked on.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The id that its client asks for.
    pub tracking_id: String,
    /// The client's own name for it.
    pub order_id: String,
    /// What was ordered, never empty.
    pub items: Vec<Value>,
}

/// Why a message is no order; no later attempt will find it to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poison {
    /// The body is no JSON object.
    NotJson,
    /// A text is missing, or no text.
    NoText(&'static str),
    /// There are no items.
    NoItems,
}

impl fmt::Display for Poison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson => formatter.write_str("the message is not a JSON object"),
            Self::NoText(name) => write!(formatter, "{name} is not a text"),
            Self::NoItems => formatter.write_str("the order has no items"),
        }
    }
}

impl std::error::Error for Poison {}

impl Order {
    /// Reads a message's body.
    ///
    /// # Errors
    /// When it is no order.
    pub fn parse(body: &[u8]) -> Result<Self, Poison> {
        let body: Value = serde_json::from_slice(body).map_err(|_| Poison::NotJson)?;
        let members = body.as_object().ok_or(Poison::NotJson)?;
        let text = |name: &'static str| match members.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            _ => Err(Poison::NoText(name)),
        };
        let items = match members.get("items") {
            Some(Value::Array(items)) if !items.is_empty() => items.clone(),
            _ => return Err(Poison::NoItems),
        };
        Ok(Self { tracking_id: text("trackingId")?, order_id: text("orderId")?, items })
    }

    /// The id in a body that may be no order at all, so that its client can be told.
    pub fn tracking_id(body: &[u8]) -> Option<String> {
        let body: Value = serde_json::from_slice(body).ok()?;
        body.get("trackingId")?.as_str().filter(|id| !id.is_empty()).map(str::to_owned)
    }

    /// What the client is told of a finished order.
    pub fn result(&self) -> Value {
        json!({"orderId": self.order_id, "items": self.items.len()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_from_its_message() {
        let body = br#"{"trackingId":"t-1","orderId":"o-1","items":[{"sku":"lamp"},2],"more":1}"#;
        let order = Order::parse(body).unwrap();
        assert_eq!((order.tracking_id.as_str(), order.order_id.as_str()), ("t-1", "o-1"));
        assert_eq!(order.result(), json!({"orderId": "o-1", "items": 2}));
    }

    #[test]
    fn what_is_no_order_says_why() {
        let cases: [(&[u8], &str); 9] = [
            (b"", "the message is not a JSON object"),
            (b"\xff", "the message is not a JSON object"),
            (b"[]", "the message is not a JSON object"),
            (br#"{"trackingId":"t","orderId":"o"}"#, "the order has no items"),
            (br#"{"trackingId":"t","orderId":"o","items":[]}"#, "the order has no items"),
            (br#"{"trackingId":"t","orderId":"o","items":{}}"#, "the order has no items"),
            (br#"{"orderId":"o","items":[1]}"#, "trackingId is not a text"),
            (br#"{"trackingId":"","orderId":"o","items":[1]}"#, "trackingId is not a text"),
            (br#"{"trackingId":"t","orderId":7,"items":[1]}"#, "orderId is not a text"),
        ];
        for (body, message) in cases {
            assert_eq!(Order::parse(body).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn the_id_of_a_bad_order_is_found_where_there_is_one() {
        let found = |body: &[u8]| Order::tracking_id(body);
        assert_eq!(found(br#"{"trackingId":"t-1","items":[]}"#).as_deref(), Some("t-1"));
        for body in ["", "[]", "{}", r#"{"trackingId":1}"#, r#"{"trackingId":""}"#] {
            assert_eq!(found(body.as_bytes()), None, "{body}");
        }
    }
}
