//! Bodies that a route makes for its answers.

use serde_json::Value;

use crate::http::{Header, header};

/// The body of an answer with these headers: JSON, but a text stands without quotes where the
/// content type is not JSON's, and an empty text is an empty body.
pub(super) fn written(value: &Value, headers: &[Header]) -> Vec<u8> {
    let other_type = content_type(headers).is_some_and(|name| !is_json(name));
    match value {
        Value::String(text) if text.is_empty() || other_type => text.as_bytes().to_vec(),
        Value::Null if other_type => vec![],
        json => json.to_string().into_bytes(),
    }
}

/// Says that a body is JSON, unless the route has said what it is, or there is none.
pub(super) fn name_type(body: &[u8], headers: &mut Vec<Header>) {
    if content_type(headers).is_none() && !body.is_empty() {
        headers.push(header("content-type", "application/json"));
    }
}

fn content_type(headers: &[Header]) -> Option<&str> {
    headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| &**value)
}

/// Whether a content type is JSON's: `application/json`, or a type that ends in `+json`.
pub fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_stands_in_quotes_in_json_alone() {
        let xml = json!("<Response/>");
        let cases = [
            (None, &xml, "\"<Response/>\""),
            (Some("application/json"), &xml, "\"<Response/>\""),
            (Some("Application/Problem+JSON; charset=utf-8"), &xml, "\"<Response/>\""),
            (Some("text/json;a=b"), &xml, "\"<Response/>\""),
            (Some("text/xml"), &xml, "<Response/>"),
            (Some("text/plain; charset=utf-8"), &xml, "<Response/>"),
            (Some("application/jsonl"), &xml, "<Response/>"),
            (None, &json!(""), ""),
            (Some("application/json"), &json!(""), ""),
            (Some("text/plain"), &json!(null), ""),
            (None, &json!(null), "null"),
            (Some("text/plain"), &json!({"a": 1}), "{\"a\":1}"),
            (Some("text/plain"), &json!(1.5), "1.5"),
        ];
        for (name, value, expected) in cases {
            let mut headers: Vec<_> =
                name.map(|name| header("content-type", name)).into_iter().collect();
            let body = written(value, &headers);
            assert_eq!(std::str::from_utf8(&body), Ok(expected), "{name:?} {value}");
            name_type(&body, &mut headers);
            assert_eq!(headers.is_empty(), name.is_none() && expected.is_empty());
        }
    }
}
